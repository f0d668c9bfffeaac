import { randomUUID } from "node:crypto";
import { createBackoff, systemClock, type Backoff, type Clock } from "@openclaw-worker/base";
import { limits, type Presence, type Result } from "@openclaw-worker/protocol";
import {
  errorOf,
  parseAccepted,
  parseCancel,
  parseHealth,
  parseTaskList,
  parseTaskView,
  parseWorkers,
  type AcceptedTask,
  type CancelAnswer,
  type Health,
  type TaskList,
  type TaskView,
} from "./answers.ts";
import { ClientError } from "./failure.ts";
import type { ListQuery, OldRoute, TaskRequest } from "./requests.ts";
import { connectMs, createSender, type Exchange, type Reply } from "./send.ts";

export interface ClientOptions {
  /** The Task API's address, `http://127.0.0.1:3456` say; a path before the routes is kept. */
  readonly url: string;
  readonly token: string;
  /** How long a call is tried again while the server is away or busy. Default 10,000 ms. */
  readonly patienceMs?: number;
  /** The same for `wait`, counted from the last answer: a server may restart meanwhile. Default 120,000 ms. */
  readonly waitPatienceMs?: number;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Makes the idempotency key of a submit that names none. Default: a random UUID. */
  readonly newKey?: () => string;
}

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * The Task API as functions. Every call rejects with a ClientError (its `code` says which), or with
 * the signal's reason. Calls are tried again on lost connections and on answers that say "later";
 * a submit carries an idempotency key, so that trying again never makes a second task.
 */
export interface Client extends Disposable {
  /** Puts a task in the queue; when it resolves, the task is on the server's disk. */
  submit(request: TaskRequest, signal?: AbortSignal): Promise<AcceptedTask>;
  /** The same through a route of the guide, with the body that the guide shows. */
  submitOld(
    route: OldRoute,
    body: Readonly<Record<string, unknown>>,
    signal?: AbortSignal,
  ): Promise<AcceptedTask>;
  /** The task now, or after at most `waitMs` (0 to 600,000) when it has not finished. */
  get(taskId: string, waitMs?: number, signal?: AbortSignal): Promise<TaskView>;
  /** The result, however long it takes: end it with the signal. */
  wait(taskId: string, options?: WaitOptions): Promise<Result>;
  /** `submit`, then `wait`. */
  run(request: TaskRequest, options?: WaitOptions): Promise<Result>;
  list(query?: ListQuery, signal?: AbortSignal): Promise<TaskList>;
  /** Asks for a task's end. A running one ends through its worker: `wait` tells when. */
  cancel(taskId: string, signal?: AbortSignal): Promise<CancelAnswer>;
  workers(signal?: AbortSignal): Promise<readonly Presence[]>;
  health(signal?: AbortSignal): Promise<Health>;
  /** Closes the kept connections; calls under way fail. */
  close(): void;
}

// An answer needs some time beside the wait that it was asked for.
const answerMs = 30_000;
// A server that answers "not yet" at once, whatever wait was asked for, is not asked in a tight loop.
const hastyMs = 1_000;
const hastyPauseMs = 500;

/** @throws ClientError `unreachable` when the URL is no http(s) address */
export function createClient(options: ClientOptions): Client {
  const clock = options.clock ?? systemClock();
  const newKey = options.newKey ?? randomUUID;
  const sender = createSender({ url: options.url, token: options.token, clock });
  const patience = (ms: number): Patience => ({
    clock,
    ms,
    backoff: createBackoff({
      clock,
      firstMs: 100,
      longestMs: 3_000,
      random: options.random ?? Math.random,
    }),
  });
  const ask = <T>(exchange: Asked, parse: (reply: Reply) => T, ms = options.patienceMs ?? 10_000) =>
    patiently(patience(ms), exchange.signal, async () => {
      const reply = await sender.send({ deadlineMs: answerMs, ...exchange });
      if (reply.status < 200 || reply.status > 299) throw errorOf(reply);
      return parse(reply);
    });
  const post = (path: string, body: object, signal: AbortSignal | undefined) =>
    ask(
      { method: "POST", path, body: JSON.stringify({ idempotencyKey: newKey(), ...body }), signal },
      parseAccepted,
    );
  const get = (taskId: string, waitMs: number, asked: { signal?: AbortSignal | undefined; ms?: number }) =>
    ask(
      {
        method: "GET",
        path: `/tasks/${encodeURIComponent(taskId)}${waitMs > 0 ? `?wait=${waitMs}` : ""}`,
        deadlineMs: waitMs + answerMs,
        signal: asked.signal,
      },
      parseTaskView,
      asked.ms,
    );

  const client: Client = {
    submit: (request, signal) => post("/tasks", request, signal),
    submitOld: post,
    get: (taskId, waitMs = 0, signal = undefined) => get(taskId, waitMs, { signal }),
    async wait(taskId, { signal } = {}) {
      for (;;) {
        const askedAt = clock.monotonic();
        const ms = options.waitPatienceMs ?? 120_000;
        const view = await get(taskId, limits.readWaitMsMax, { signal, ms });
        if (view.state === "finished") return view.result;
        if (clock.monotonic() - askedAt < hastyMs) await clock.sleep(hastyPauseMs, signal);
      }
    },
    async run(request, waiting = {}) {
      const { taskId } = await client.submit(request, waiting.signal);
      return client.wait(taskId, waiting);
    },
    list: (query = {}, signal = undefined) =>
      ask({ method: "GET", path: `/tasks${queryText(query)}`, signal }, parseTaskList),
    cancel: (taskId, signal) =>
      ask(
        { method: "POST", path: `/tasks/${encodeURIComponent(taskId)}/cancel`, body: "{}", signal },
        parseCancel,
      ),
    workers: (signal) => ask({ method: "GET", path: "/workers", signal }, parseWorkers),
    health: (signal) => ask({ method: "GET", path: "/health", signal }, parseHealth),
    close: () => sender.close(),
    [Symbol.dispose]: () => sender.close(),
  };
  return client;
}

type Asked = Omit<Exchange, "deadlineMs"> & { readonly deadlineMs?: number };

interface Patience {
  readonly clock: Clock;
  readonly ms: number;
  readonly backoff: Backoff;
}

/**
 * Tries until it succeeds, fails for good, or patience is over; then the last failure is the answer.
 * Patience counts from the first failure, and anew after an attempt that lasted so long that it must
 * have been connected: a wait that is cut after nine minutes has not lost any.
 */
async function patiently<T>(
  { clock, ms, backoff }: Patience,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  const giveUp = signal ?? new AbortController().signal;
  let untilMs: number | null = null;
  for (;;) {
    const startedAt = clock.monotonic();
    try {
      return await attempt();
    } catch (thrown) {
      if (!(thrown instanceof ClientError) || !thrown.retry) throw thrown;
      const now = clock.monotonic();
      if (untilMs === null || now - startedAt > 2 * connectMs) {
        untilMs = now + ms;
        backoff.reset();
      }
      const asked = thrown.retryAfterMs ?? 0;
      if (now + asked >= untilMs) throw thrown;
      await (asked > 0 ? clock.sleep(asked, giveUp) : backoff.wait(giveUp));
    }
  }
}

function queryText(query: ListQuery): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) search.set(name, String(value));
  }
  return search.size === 0 ? "" : `?${search}`;
}
