// The control plane after it was stolen: it speaks the worker's routes over real HTTP, hands out what
// honest submitters send, and lies whenever it is told to. It looks for the computer's secrets in all
// that it receives, plain and as base64.

import { randomBytes } from "node:crypto";
import http from "node:http";
import type { Socket } from "node:net";
import {
  askSchema,
  beatSchema,
  newTaskId,
  type ApprovalState,
  type Ask,
  type Spec,
  type Stopped,
} from "@openclaw-worker/protocol";

export interface Seen {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly text: string;
}

/** What a worker reported; `undefined` where it said nothing. */
export type Told = Readonly<Record<string, unknown>>;

/** What an answer is made of: the response, or the bare connection for what HTTP forbids. */
export interface Wire {
  readonly response: http.ServerResponse;
  readonly socket: Socket;
}
export type Lie = (wire: Wire, seen: Seen) => void;

export interface Errand {
  readonly timeoutMs?: number;
}

const patienceMs = 60_000;
/** A flood is looked through, not kept. */
const keptLength = 65_536;

export class StolenPlane implements AsyncDisposable {
  readonly token = `t0ken-${randomBytes(16).toString("hex")}`;
  /** Secrets that were found in what the worker sent, with the path that they came by. */
  readonly leaks: string[] = [];
  /** Requests so far, by path. */
  readonly counts = new Map<string, number>();
  /** What was given back, by id of the task. */
  readonly returned = new Set<string>();
  readonly #asks = new Map<string, Ask>();
  #stopped: Stopped | null = null;
  readonly #secrets: Buffer[] = [];
  readonly #server: http.Server;
  readonly #pending: unknown[] = [];
  readonly #reports = new Map<string, Told[]>();
  readonly #lies = new Map<string, Lie[]>();
  readonly #standing = new Map<string, Lie>();
  readonly #watchers = new Set<() => void>();
  #parked: { readonly wire: Wire; readonly seen: Seen; readonly timer: NodeJS.Timeout } | null =
    null;
  #capacity = 0;
  #order = -1;
  #port = 0;

  constructor() {
    this.#server = http.createServer((request, response) => void this.#receive(request, response));
    this.#server.on("clientError", (_error, socket) => socket.destroy());
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** The free slots that the worker told last. */
  get capacity(): number {
    return this.#capacity;
  }

  /** The stop that the worker says it is in. */
  get stopped(): Stopped | null {
    return this.#stopped;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    if (address !== null && typeof address === "object") this.#port = address.port;
    this.guard(this.token);
  }

  /** From now on this text is a leak wherever it is received. */
  guard(secret: string): void {
    this.#secrets.push(Buffer.from(secret));
    for (const offset of [0, 1, 2]) {
      const shifted = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)]).toString("base64");
      // The characters at both ends also depend on what stands beside the secret.
      this.#secrets.push(Buffer.from(shifted.slice(offset === 0 ? 0 : 4, -4)));
    }
  }

  /** Hands out an honest task; resolves with its report. */
  async run(spec: Spec, errand: Errand = {}): Promise<Told> {
    return await this.report(this.submit(spec, errand));
  }

  submit(spec: Spec, errand: Errand = {}): string {
    const task = taskOf(spec, errand);
    this.hand(task);
    return task.id;
  }

  /** Hands out a task that somebody else made, as it is. */
  hand(task: object): void {
    this.#pending.push(task);
    this.#wake();
  }

  /** A task that was not handed out yet. */
  make(command: string): Entry {
    return taskOf({ kind: "command", command });
  }

  /** The newest question about a task. */
  newest(taskId: string): Ask | undefined {
    return [...this.#asks.values()].findLast((ask) => ask.taskId === taskId);
  }

  /** Resolves with what the worker says of a task's newest question, once it is in this state. */
  async asked(taskId: string, state: ApprovalState = "waiting"): Promise<Ask> {
    return await this.until(`a question about ${taskId}`, () =>
      [...this.#asks.values()].findLast((ask) => ask.taskId === taskId && ask.state === state),
    );
  }

  /** Answers the next poll with these fields over an empty answer; resolves when it was sent. */
  inject(fields: object): Promise<void> {
    return this.lieOnce("/worker/poll", ({ response }) =>
      sendJson(response, { ...emptyAnswer, ...fields }),
    );
  }

  /** Lies to the next request of this path, a poll that waits already included. */
  lieOnce(path: string, lie: Lie): Promise<void> {
    return new Promise((resolve) => {
      const told: Lie = (wire, seen) => {
        lie(wire, seen);
        resolve();
      };
      const parked = path === "/worker/poll" ? this.#unpark() : null;
      if (parked !== null) told(parked.wire, parked.seen);
      else this.#lies.set(path, [...(this.#lies.get(path) ?? []), told]);
    });
  }

  /** Lies to every request of this path until null is set. */
  lieAlways(path: string, lie: Lie | null): void {
    if (lie === null) this.#standing.delete(path);
    else this.#standing.set(path, lie);
    const parked = path === "/worker/poll" ? this.#unpark() : null;
    if (parked === null) return;
    if (lie === null) sendJson(parked.wire.response, emptyAnswer);
    else lie(parked.wire, parked.seen);
  }

  async report(taskId: string): Promise<Told> {
    return await this.until(`the report of ${taskId}`, () => this.#reports.get(taskId)?.at(-1));
  }

  reports(taskId: string): readonly Told[] {
    return this.#reports.get(taskId) ?? [];
  }

  /** Resolves when the worker's poll waits here. */
  async waitsHere(): Promise<void> {
    await this.until("a poll", () => (this.#parked === null ? undefined : true));
  }

  /** @throws Error when there is no answer in time */
  until<T>(what: string, ask: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = setTimeout(() => {
        this.#watchers.delete(look);
        reject(new Error(`${what} did not come`));
      }, patienceMs);
      const look = (): void => {
        const answer = ask();
        if (answer === undefined) return;
        clearTimeout(giveUp);
        this.#watchers.delete(look);
        resolve(answer);
      };
      this.#watchers.add(look);
      look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const parked = this.#unpark();
    parked?.wire.socket.destroy();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #receive(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    response.on("error", () => {});
    if (request.socket.listenerCount("error") < 2) request.socket.on("error", () => {});
    try {
      for await (const chunk of request) chunks.push(Buffer.from(chunk));
    } catch {
      return;
    }
    const url = new URL(request.url ?? "/", this.url);
    const body = Buffer.concat(chunks);
    const seen = {
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      text: body.toString(),
    };
    this.#look(url.pathname + url.search, body);
    this.counts.set(seen.path, (this.counts.get(seen.path) ?? 0) + 1);
    this.#answer({ response, socket: request.socket }, seen);
    this.#wake();
    for (const look of this.#watchers) look();
  }

  #answer(wire: Wire, seen: Seen): void {
    const body = seen.text === "" ? {} : objectOf(JSON.parse(seen.text));
    this.#tell({ ...seen.query, ...body });
    if (seen.path === "/worker/result") this.#keep(body);
    this.#overhear(seen.path, body);
    const lie = this.#lies.get(seen.path)?.shift() ?? this.#standing.get(seen.path);
    if (lie !== undefined) return lie(wire, seen);
    switch (seen.path) {
      case "/worker/beat":
        return sendJson(wire.response, { now: Date.now(), cancel: [], stale: [] });
      case "/worker/poll":
        return this.#poll(wire, seen);
      case "/worker/result":
      case "/worker/ask":
        return sendJson(wire.response, { success: true });
      case "/worker/audit": {
        const { from, entries } = body;
        const size = Number(from) + (Array.isArray(entries) ? entries.length : 0);
        return sendJson(wire.response, { size, alarm: null });
      }
      default:
        return sendJson(wire.response, {});
    }
  }

  #overhear(route: string, body: Told): void {
    if (route === "/worker/giveback" && Array.isArray(body["held"]))
      for (const held of body["held"]) this.returned.add(String(objectOf(held)["taskId"]));
    const ask = route === "/worker/ask" ? askSchema.safeParse(body) : null;
    if (ask?.success === true) {
      this.#asks.delete(ask.data.request.id);
      this.#asks.set(ask.data.request.id, ask.data);
    }
    const beat = route === "/worker/beat" ? beatSchema.safeParse(body) : null;
    if (beat?.success === true) this.#stopped = beat.data.stopped ?? null;
  }

  #keep(body: Told): void {
    const id = String(body["taskId"]);
    const kept = { ...body, stdout: String(body["stdout"]).slice(0, keptLength) };
    this.#reports.set(id, [...(this.#reports.get(id) ?? []), kept]);
    for (const name of ["stdout", "stderr"]) {
      const text = body[name];
      if (typeof text === "string" && body[`${name}Encoding`] === "base64")
        this.#look(name, Buffer.from(text, "base64"));
    }
  }

  #look(where: string, bytes: Buffer): void {
    for (const secret of this.#secrets)
      if (bytes.includes(secret) || where.includes(secret.toString()))
        this.leaks.push(`${where}: ${secret.toString()}`);
  }

  #poll(wire: Wire, seen: Seen): void {
    this.#unpark();
    // A lie has ended this connection already: nothing that is said on it would arrive.
    if (!wire.socket.writable) return;
    const holdMs = Number(seen.query["wait"] ?? 0);
    const timer = setTimeout(() => {
      const parked = this.#unpark();
      if (parked !== null) sendJson(parked.wire.response, emptyAnswer);
    }, holdMs);
    const parked = { wire, seen, timer };
    this.#parked = parked;
    wire.response.on("close", () => {
      clearTimeout(timer);
      if (this.#parked === parked) this.#parked = null;
    });
    this.#wake();
  }

  #tell(message: Readonly<Record<string, unknown>>): void {
    if (message["capacity"] === undefined) return;
    const order = Number(message["order"] ?? 0);
    if (order <= this.#order && order > 3) return;
    [this.#order, this.#capacity] = [order, Number(message["capacity"])];
  }

  #wake(): void {
    if (this.#parked === null || this.#pending.length === 0 || this.#capacity === 0) return;
    const tasks = this.#pending.splice(0, this.#capacity);
    this.#capacity -= tasks.length;
    const parked = this.#unpark();
    if (parked !== null) sendJson(parked.wire.response, { ...emptyAnswer, tasks });
  }

  #unpark() {
    const parked = this.#parked;
    this.#parked = null;
    if (parked !== null) clearTimeout(parked.timer);
    return parked;
  }
}

export const emptyAnswer = { tasks: [], cancel: [], decisions: [], stop: null } as const;

export type Entry = ReturnType<typeof taskOf>;

/** A task as the wire has it, for lies that begin with the truth. */
export function taskOf(spec: unknown, errand: Errand = {}) {
  const id = newTaskId(Date.now(), randomBytes(10));
  return { id, fence: 1, timeoutMs: errand.timeoutMs ?? 30_000, createdAt: Date.now(), spec };
}

/** Answers 200 with JSON; a text is sent as it is. */
export function sendJson(response: http.ServerResponse, body: unknown): void {
  if (response.headersSent) return;
  response.setHeader("content-type", "application/json");
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}

export async function openPlane(): Promise<StolenPlane> {
  const plane = new StolenPlane();
  await plane.start();
  return plane;
}

function objectOf(value: unknown): Told {
  return typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value))
    : {};
}
