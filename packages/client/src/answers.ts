// Answers of the Task API, parsed: a server is not trusted to keep its word. The schemas are put
// together from those of the protocol package, so that the words stay the same.

import {
  acceptedSchema,
  outcomeSchema,
  phaseSchema,
  presenceSchema,
  problemSchema,
  resultSchema,
  statusSchema,
  type Accepted,
  type Outcome,
  type Phase,
  type Presence,
  type Result,
  type Status,
} from "@openclaw-worker/protocol";
import { ClientError, isProblemCode } from "./failure.ts";
import type { Reply } from "./send.ts";

/** The answer to a submit: the task is on the server's disk. */
export type AcceptedTask = Accepted;

/** A task as a reader sees it: finished with its result, or not yet. */
export type TaskView =
  | { readonly state: "finished"; readonly result: Result }
  | {
      readonly state: "waiting";
      readonly status: "pending" | "running";
      readonly phase: Phase | null;
      /** Id of the approval that it waits for, or null. */
      readonly approval: string | null;
      readonly message: string;
    };

/** One row of `GET /tasks`. Times in milliseconds since the epoch. */
export interface TaskSummary {
  readonly taskId: string;
  readonly kind: string;
  readonly status: Status;
  readonly phase: Phase | null;
  readonly outcome: Outcome | null;
  readonly worker: string | null;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly completedAt: number | null;
  readonly exitCode: number | null;
  readonly priority: number;
  readonly summary: string;
}

export interface TaskList {
  readonly tasks: readonly TaskSummary[];
  /** Hand it to the next call; null: this was the last page. */
  readonly cursor: string | null;
}

export interface CancelAnswer {
  readonly taskId: string;
  readonly status: Status;
  readonly outcome: Outcome | null;
  readonly message: string;
}

export interface Health {
  readonly status: string;
  /** Tasks that wait, run, or finished unread. */
  readonly tasks: number;
  /** Finished and unread. */
  readonly results: number;
  /** How many workers are connected, or null when the server does not say. */
  readonly workers: number | null;
  readonly version: string | null;
  /** The server's wall clock when it answered (whole seconds), or null when it did not say. */
  readonly serverNowMs: number | null;
}

// The pieces: a text, a whole number, and an object to extend.
const text = presenceSchema.shape.name;
const whole = presenceSchema.shape.lastSeenAt;
const object = presenceSchema.pick({});

const waitingSchema = object.extend({
  status: statusSchema.extract(["pending", "running"]),
  phase: phaseSchema.nullish(),
  approval: text.nullish(),
  message: text.default(""),
});

const listSchema = object.extend({
  tasks: object
    .extend({
      taskId: text,
      kind: text,
      status: statusSchema,
      phase: phaseSchema.nullish(),
      outcome: outcomeSchema.nullish(),
      worker: text.nullish(),
      createdAt: whole,
      startedAt: whole.nullish(),
      completedAt: whole.nullish(),
      exitCode: whole.nullish(),
      priority: whole.default(0),
      summary: text.default(""),
    })
    .array(),
  cursor: text.nullish(),
});

const cancelSchema = object.extend({
  taskId: text,
  status: statusSchema,
  outcome: outcomeSchema.nullish(),
  message: text.default(""),
});

const workersSchema = object.extend({ workers: presenceSchema.array() });

const healthSchema = object.extend({
  status: text,
  tasks: whole,
  results: whole,
  workers: whole.nullish(),
  version: text.nullish(),
});

export function parseAccepted(reply: Reply): AcceptedTask {
  return parsed(reply, acceptedSchema.safeParse(json(reply)));
}

/** Finished is told as old clients tell it: `stdout` is there, or a status that is not a waiting one. */
export function parseTaskView(reply: Reply): TaskView {
  const body = json(reply);
  const waiting = waitingSchema.safeParse(body);
  if (waiting.success) {
    const { status, phase, approval, message } = waiting.data;
    return { state: "waiting", status, phase: phase ?? null, approval: approval ?? null, message };
  }
  return { state: "finished", result: parsed(reply, resultSchema.safeParse(body)) };
}

export function parseTaskList(reply: Reply): TaskList {
  const list = parsed(reply, listSchema.safeParse(json(reply)));
  const tasks = list.tasks.map((task) => ({
    ...task,
    phase: task.phase ?? null,
    outcome: task.outcome ?? null,
    worker: task.worker ?? null,
    startedAt: task.startedAt ?? null,
    completedAt: task.completedAt ?? null,
    exitCode: task.exitCode ?? null,
  }));
  return { tasks, cursor: list.cursor ?? null };
}

export function parseCancel(reply: Reply): CancelAnswer {
  const answer = parsed(reply, cancelSchema.safeParse(json(reply)));
  return { ...answer, outcome: answer.outcome ?? null };
}

export function parseWorkers(reply: Reply): readonly Presence[] {
  return parsed(reply, workersSchema.safeParse(json(reply))).workers;
}

export function parseHealth(reply: Reply): Health {
  const health = parsed(reply, healthSchema.safeParse(json(reply)));
  return {
    ...health,
    workers: health.workers ?? null,
    version: health.version ?? null,
    serverNowMs: reply.date,
  };
}

/** The error that an answer other than 2xx means. */
export function errorOf(reply: Reply): ClientError {
  const { status, retryAfterMs } = reply;
  if (status >= 300 && status < 400) {
    const why = `it redirects to ${reply.location ?? "another address"}, and a token is never sent on`;
    return new ClientError("bad-answer", { why, status });
  }
  const problem = problemSchema.safeParse(jsonOrNull(reply.text));
  if (problem.success && isProblemCode(problem.data.code)) {
    return new ClientError(problem.data.code, { why: problem.data.error, status, retryAfterMs });
  }
  if (status === 401) return new ClientError("unauthorized", { why: "401 Unauthorized", status });
  // A gateway whose server is away (restarting, say) is as good as no answer.
  if (status === 502 || status === 503 || status === 504) {
    return new ClientError("unreachable", {
      why: `a gateway answered ${status}`,
      status,
      retryAfterMs,
    });
  }
  return new ClientError("bad-answer", { why: `HTTP ${status}: ${excerpt(reply.text)}`, status });
}

interface Parsed<T> {
  readonly success: boolean;
  readonly data?: T;
  readonly error?: { readonly message: string } | undefined;
}

/** The answer, parsed; or the error that it is another one. */
export function parsed<T>(reply: Reply, outcome: Parsed<T>): T {
  if (outcome.success && outcome.data !== undefined) return outcome.data;
  const why = `HTTP ${reply.status} with an unexpected body: ${excerpt(reply.text)}`;
  throw new ClientError("bad-answer", { why, status: reply.status, cause: outcome.error });
}

export function json(reply: Reply): unknown {
  const body = jsonOrNull(reply.text);
  if (body !== null) return body;
  const why = `HTTP ${reply.status} without JSON: ${excerpt(reply.text)}`;
  throw new ClientError("bad-answer", { why, status: reply.status });
}

function jsonOrNull(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

function excerpt(body: string): string {
  const line = body.replaceAll(/\s+/g, " ").trim();
  if (line === "") return "(empty)";
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
}
