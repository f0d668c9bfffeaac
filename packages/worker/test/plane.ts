// A small control plane over real HTTP: what the worker's tests talk to. It keeps tasks in memory,
// follows the house's rules for attempts, and can be told to lie.

import http from "node:http";
import type { AddressInfo } from "node:net";
import {
  askSchema,
  newTaskId,
  pollQuerySchema,
  settleSchema,
  type Ask,
  type ApprovalState,
  type Spec,
  type StopOrder,
  type Task,
} from "@openclaw-worker/protocol";
import { randomBytes } from "node:crypto";

export interface Seen {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
  readonly token: string | undefined;
}

interface Entry {
  readonly task: Task;
  state: "pending" | "claimed" | "started" | "finished";
  fence: number;
  report: Readonly<Record<string, unknown>> | null;
}

interface Parked {
  readonly response: http.ServerResponse;
  readonly timer: NodeJS.Timeout;
}

/** Answers a request instead of the honest plane; true when it did. */
export type Lie = (seen: Seen, response: http.ServerResponse) => boolean;

export class Plane implements AsyncDisposable {
  readonly token = "a-token-of-the-plane";
  readonly seen: Seen[] = [];
  lie: Lie | null = null;
  knows = new Set<string>();
  #server: http.Server | null = null;
  #port = 0;
  #capacity = 0;
  #instance = "";
  #order = -1;
  #parked: Parked | null = null;
  readonly #entries = new Map<string, Entry>();
  readonly #asks = new Map<string, Ask>();
  /** What the worker's newest beat said. */
  stopped: unknown;
  #stopSeen: string | null = null;
  #decisions: unknown[] = [];
  #stop: StopOrder | null = null;
  readonly #cancel: { taskId: string; fence: number }[] = [];
  readonly #watchers = new Set<() => void>();

  get url(): URL {
    return new URL(`http://127.0.0.1:${this.#port}/`);
  }

  async start(): Promise<void> {
    const server = http.createServer((request, response) => void this.#receive(request, response));
    this.#server = server;
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(this.#port, "127.0.0.1", resolve);
    await promise;
    const address: AddressInfo | string | null = server.address();
    if (address !== null && typeof address === "object") this.#port = address.port;
  }

  /** Ends at once, as a crash does; the tasks stay. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    this.#unpark();
    this.knows.clear();
    const { promise, resolve } = Promise.withResolvers<void>();
    server.close(() => resolve());
    server.closeAllConnections();
    await promise;
  }

  submit(spec: Spec): string {
    return this.put({ spec });
  }

  /** Submits a task with more than its spec: a reason, a proof and the id that it signs. */
  put(wish: Pick<Task, "spec"> & Partial<Task>): string {
    const id = wish.id ?? newTaskId(Date.now(), randomBytes(10));
    const task: Task = { fence: 1, timeoutMs: 30_000, createdAt: Date.now(), ...wish, id };
    this.#entries.set(id, { task, state: "pending", fence: 0, report: null });
    this.#wake();
    return id;
  }

  /** Resolves with what the worker says of this task's newest approval, once it is in the state. */
  async approval(taskId: string, state: ApprovalState = "waiting"): Promise<Ask> {
    return this.until(() =>
      [...this.#asks.values()].findLast((ask) => ask.taskId === taskId && ask.state === state),
    );
  }

  /** The newest state of every approval, in the order of asking. */
  get approvals(): readonly Ask[] {
    return [...this.#asks.values()];
  }

  /** Puts these into the answer of the next poll, as they are. */
  decide(...envelopes: readonly unknown[]): void {
    this.#decisions.push(...envelopes);
    this.#wake();
  }

  /** Puts this into every answer from now on; null: no stop. */
  order(stop: StopOrder | null): void {
    this.#stop = stop;
    this.#wake();
  }

  /** Hands a task out again, whatever became of it. `sameFence`: as a duplicate of the same attempt. */
  again(taskId: string, options: { readonly sameFence: boolean }): void {
    const entry = this.#entry(taskId);
    entry.state = "pending";
    entry.report = null;
    if (options.sameFence) entry.fence -= 1;
    this.#wake();
  }

  /** A newer attempt exists elsewhere. */
  supersede(taskId: string): void {
    this.#entry(taskId).fence += 1;
  }

  cancel(taskId: string): void {
    this.#cancel.push({ taskId, fence: this.#entry(taskId).fence });
    this.#wake();
  }

  state(taskId: string): Entry["state"] {
    return this.#entry(taskId).state;
  }

  /** Resolves with the report of a task once the plane has it. */
  async report(taskId: string): Promise<Readonly<Record<string, unknown>>> {
    return this.until(() => this.#entry(taskId).report ?? undefined);
  }

  /** Resolves when no poll is parked: a connection that is gone was noticed. */
  async lonely(): Promise<void> {
    await this.until(() => (this.#parked === null ? true : undefined));
  }

  /** Resolves with the first request that fits. */
  async request(fits: (seen: Seen) => boolean): Promise<Seen> {
    return this.until(() => this.seen.find(fits));
  }

  /** Asks again after every request until there is an answer. */
  until<T>(ask: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const look = (): void => {
        const answer = ask();
        if (answer === undefined) return;
        this.#watchers.delete(look);
        resolve(answer);
      };
      this.#watchers.add(look);
      look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #entry(taskId: string): Entry {
    const entry = this.#entries.get(taskId);
    if (entry === undefined) throw new Error(`no task ${taskId}`);
    return entry;
  }

  async #receive(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(Buffer.from(chunk));
    } catch {
      return;
    }
    const url = new URL(request.url ?? "/", this.url);
    const text = Buffer.concat(chunks).toString();
    const body: Record<string, unknown> = text === "" ? {} : JSON.parse(text);
    const seen = {
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      body,
      token: request.headers.authorization,
    };
    this.seen.push(seen);
    if (this.lie?.(seen, response) !== true) this.#answer(seen, response);
    for (const look of this.#watchers) look();
  }

  #answer(seen: Seen, response: http.ServerResponse): void {
    if (seen.token !== `Bearer ${this.token}`)
      return send(response, 401, { error: "Unauthorized" });
    switch (seen.path) {
      case "/worker/beat":
        this.knows.add("instance");
        this.stopped = seen.body["stopped"];
        this.#stopSeen = seenStop(seen.body["stopped"]);
        return send(response, 200, { now: Date.now(), cancel: [], stale: [] });
      case "/worker/poll":
        return this.#poll(seen, response);
      case "/worker/started":
        return this.#started(seen, response);
      case "/worker/result":
        return this.#result(seen, response);
      case "/worker/ask": {
        const ask = askSchema.parse(seen.body);
        this.#asks.set(ask.request.id, ask);
        return send(response, 200, { success: true });
      }
      case "/worker/giveback":
        return send(response, 200, {});
      default:
        return send(response, 404, { error: "Not found" });
    }
  }

  #poll(seen: Seen, response: http.ServerResponse): void {
    const query = pollQuerySchema.parse(seen.query);
    this.#tell(query);
    this.#unpark();
    const timer = setTimeout(() => this.#unpark(), query.wait ?? 0);
    const parked = { response, timer };
    this.#parked = parked;
    response.on("close", () => {
      clearTimeout(timer);
      if (this.#parked === parked) this.#parked = null;
      for (const look of this.#watchers) look();
    });
    if (!this.knows.has("instance")) this.#unpark(true);
    else this.#wake();
  }

  #tell(message: {
    instance?: string | undefined;
    capacity?: number | undefined;
    order?: number | undefined;
  }): void {
    const { instance = "", capacity = 0, order = 0 } = message;
    if (instance === this.#instance && order <= this.#order) return;
    [this.#instance, this.#order, this.#capacity] = [instance, order, capacity];
  }

  #wake(): void {
    if (this.#parked === null) return;
    const ready = [...this.#entries.values()]
      .filter(({ state }) => state === "pending")
      .slice(0, this.#capacity);
    const ordered = this.#stop !== null && this.#stop.id !== this.#stopSeen;
    const news = [ready, this.#cancel, this.#decisions].some((list) => list.length > 0);
    if (!news && !ordered) return;
    const tasks = ready.map((entry) => {
      entry.state = "claimed";
      entry.fence += 1;
      this.#capacity -= 1;
      return { ...entry.task, fence: entry.fence };
    });
    const { response, timer } = this.#parked;
    this.#parked = null;
    clearTimeout(timer);
    const [cancel, decisions] = [this.#cancel.splice(0), this.#decisions.splice(0)];
    send(response, 200, { tasks, cancel, decisions, stop: this.#stop });
  }

  #unpark(unknown = false): void {
    const parked = this.#parked;
    this.#parked = null;
    if (parked === null) return;
    clearTimeout(parked.timer);
    send(parked.response, 200, { tasks: [], cancel: [], decisions: [], stop: null, unknown });
  }

  #started(seen: Seen, response: http.ServerResponse): void {
    const entry = this.#entries.get(String(seen.body["taskId"]));
    if (entry === undefined) return send(response, 404, { code: "task-not-found" });
    if (entry.fence !== seen.body["fence"]) return send(response, 409, { code: "stale-attempt" });
    entry.state = "started";
    send(response, 200, {});
  }

  #result(seen: Seen, response: http.ServerResponse): void {
    const settle = settleSchema.parse(seen.body);
    this.#tell(settle);
    const entry = this.#entries.get(settle.taskId);
    if (entry !== undefined && entry.fence !== settle.fence)
      return send(response, 409, { code: "stale-attempt" });
    if (entry !== undefined && entry.report === null) {
      entry.state = "finished";
      entry.report = seen.body;
    }
    send(response, 200, { success: true });
    this.#wake();
  }
}

function seenStop(stopped: unknown): string | null {
  const known = typeof stopped === "object" && stopped !== null && "id" in stopped;
  return known && typeof stopped.id === "string" ? stopped.id : null;
}

export async function openPlane(): Promise<Plane> {
  const plane = new Plane();
  await plane.start();
  return plane;
}

export function send(response: http.ServerResponse, status: number, body: unknown): void {
  if (response.headersSent) return;
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}
