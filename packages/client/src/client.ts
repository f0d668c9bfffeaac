import { randomUUID } from "node:crypto";
import { createBackoff, systemClock, type Clock } from "@openclaw-worker/base";
import {
  limits,
  type Approval,
  type AuditPage,
  type AuditProof,
  type ApprovalState,
  type Presence,
  type Result,
  type SignedCheckpoint,
} from "@openclaw-worker/protocol";
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
import {
  parseApproval,
  parseApprovals,
  parseAudit,
  parseAuditProof,
  parseCheckpoint,
  parseDecided,
  parseResume,
  parseStop,
  type ApprovalList,
  type ResumeAnswer,
  type StopAnswer,
} from "./oversight.ts";
import { patiently } from "./patience.ts";
import type {
  ApprovalQuery,
  AuditQuery,
  Choice,
  ListQuery,
  OldRoute,
  ResumeChoice,
  TaskRequest,
} from "./requests.ts";
import { createSender, type Exchange, type Reply } from "./send.ts";
import { decisionOf, resumeOf, signedRequest } from "./sign.ts";

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
  /** Approvals in the order of their latest changes; with `waitMs` waits until there are some. */
  approvals(query?: ApprovalQuery, signal?: AbortSignal): Promise<ApprovalList>;
  approval(id: string, signal?: AbortSignal): Promise<Approval>;
  /**
   * Carries a decision about exactly what was shown to the worker, which judges it: the state is
   * still `waiting` then. Rejects with `approval-decided` when it comes too late.
   */
  decide(approval: Approval, choice: Choice, signal?: AbortSignal): Promise<ApprovalState>;
  /** Stops a worker, away or not: what runs there is ended, nothing new is taken. */
  stopWorker(name: string, reason?: string, signal?: AbortSignal): Promise<StopAnswer>;
  /** Carries a signed resume to a stopped worker, which judges it. */
  unstopWorker(name: string, choice: ResumeChoice, signal?: AbortSignal): Promise<ResumeAnswer>;
  /** The server's copy of a worker's audit log. Verify it: the server is only a witness. */
  audit(worker: string, query?: AuditQuery, signal?: AbortSignal): Promise<AuditPage>;
  auditCheckpoint(worker: string, signal?: AbortSignal): Promise<SignedCheckpoint>;
  auditProof(worker: string, seq: number, signal?: AbortSignal): Promise<AuditProof>;
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
  const waitPatienceMs = options.waitPatienceMs ?? 120_000;
  const { ask, close } = openLine(options, clock);
  const post = (path: string, fields: object, signal: AbortSignal | undefined) => {
    const body = JSON.stringify({ idempotencyKey: newKey(), ...fields });
    return ask({ method: "POST", path, body, signal }, parseAccepted);
  };
  const look = (taskId: string, waitMs: number, signal?: AbortSignal): Asked => ({
    method: "GET",
    path: `${pathOf(taskId)}${waitMs > 0 ? `?wait=${waitMs}` : ""}`,
    deadlineMs: waitMs + answerMs,
    signal,
  });
  const wait = async (taskId: string, { signal }: WaitOptions = {}): Promise<Result> => {
    for (;;) {
      const askedAt = clock.monotonic();
      const view = await ask(
        look(taskId, limits.readWaitMsMax, signal),
        parseTaskView,
        waitPatienceMs,
      );
      if (view.state === "finished") return view.result;
      if (clock.monotonic() - askedAt < hastyMs) await clock.sleep(hastyPauseMs, signal);
    }
  };
  const submit: Client["submit"] = async (request, signal) =>
    post("/tasks", signedRequest(request, clock.now()), signal);
  return {
    ...overseeing({ ask, clock }),
    submit,
    submitOld: post,
    get: (taskId, waitMs = 0, signal) => ask(look(taskId, waitMs, signal), parseTaskView),
    wait,
    async run(request, waiting = {}) {
      const { taskId } = await submit(request, waiting.signal);
      return wait(taskId, waiting);
    },
    list: (query = {}, signal) =>
      ask({ method: "GET", path: `/tasks${queryText(query)}`, signal }, parseTaskList),
    cancel: (taskId, signal) =>
      ask({ method: "POST", path: `${pathOf(taskId)}/cancel`, body: "{}", signal }, parseCancel),
    workers: (signal) => ask({ method: "GET", path: "/workers", signal }, parseWorkers),
    health: (signal) => ask({ method: "GET", path: "/health", signal }, parseHealth),
    close,
    [Symbol.dispose]: close,
  };
}

/** The calls of those who watch over workers: approvals, stops, audit. */
function overseeing({ ask, clock }: Pick<Line, "ask"> & { readonly clock: Clock }) {
  const get = <T>(path: string, parse: (reply: Reply) => T, signal?: AbortSignal): Promise<T> =>
    ask({ method: "GET", path, signal }, parse);
  const post = (path: string, body: object, signal?: AbortSignal): Asked => ({
    method: "POST",
    path,
    body: JSON.stringify(body),
    signal,
  });
  const calls: Pick<Client, Overseeing> = {
    approvals({ waitMs = 0, ...query } = {}, signal) {
      const path = `/approvals${queryText({ ...query, ...(waitMs > 0 ? { wait: waitMs } : {}) })}`;
      return ask({ method: "GET", path, deadlineMs: waitMs + answerMs, signal }, parseApprovals);
    },
    approval: (id, signal) => get(`/approvals/${encodeURIComponent(id)}`, parseApproval, signal),
    decide(approval, choice, signal) {
      const path = `/approvals/${encodeURIComponent(approval.id)}`;
      return ask(post(path, decisionOf(approval, choice, clock.now()), signal), parseDecided);
    },
    stopWorker: (name, reason, signal) =>
      ask(
        post(`${workerPath(name)}/stop`, reason === undefined ? {} : { reason }, signal),
        parseStop,
      ),
    unstopWorker: (name, choice, signal) =>
      ask(
        post(`${workerPath(name)}/unstop`, resumeOf(name, choice, clock.now()), signal),
        parseResume,
      ),
    audit: (worker, query = {}, signal) =>
      get(`/audit${queryText({ worker, ...query })}`, parseAudit, signal),
    auditCheckpoint: (worker, signal) =>
      get(`/audit/checkpoint${queryText({ worker })}`, parseCheckpoint, signal),
    auditProof: (worker, seq, signal) =>
      get(`/audit/proof${queryText({ worker, seq })}`, parseAuditProof, signal),
  };
  return calls;
}

type Overseeing =
  | "approvals"
  | "approval"
  | "decide"
  | "stopWorker"
  | "unstopWorker"
  | "audit"
  | "auditCheckpoint"
  | "auditProof";

type Asked = Omit<Exchange, "deadlineMs"> & { readonly deadlineMs?: number };

interface Line {
  /** Sends, tries again while patience lasts, and parses the answer. */
  readonly ask: <T>(exchange: Asked, parse: (reply: Reply) => T, patienceMs?: number) => Promise<T>;
  readonly close: () => void;
}

function openLine(options: ClientOptions, clock: Clock): Line {
  const { url, token, patienceMs = 10_000, random = Math.random } = options;
  const sender = createSender({ url, token, clock });
  return {
    ask: (exchange, parse, ms = patienceMs) => {
      const backoff = createBackoff({ clock, firstMs: 100, longestMs: 3_000, random });
      return patiently({ clock, ms, backoff }, exchange.signal, async () => {
        const reply = await sender.send({ deadlineMs: answerMs, ...exchange });
        if (reply.status < 200 || reply.status > 299) throw errorOf(reply);
        return parse(reply);
      });
    },
    close: () => sender.close(),
  };
}

function pathOf(taskId: string): string {
  return `/tasks/${encodeURIComponent(taskId)}`;
}

function workerPath(name: string): string {
  return `/workers/${encodeURIComponent(name)}`;
}

function queryText(query: object): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) search.set(name, String(value));
  }
  return search.size === 0 ? "" : `?${search.toString()}`;
}
