// Answers that several routes give in the same shape.

import {
  limits,
  parseTaskId,
  Problem,
  specSchema,
  type Accepted,
  type Submission,
  type TaskId,
} from "@openclaw-worker/protocol";
import type { FastifyReply, FastifyRequest } from "fastify";
import { parse } from "../answer.ts";
import type { Queue, Receipt } from "../queue/queue.ts";
import type { Actor } from "../store/action.ts";
import type { TaskRecord } from "../store/store.ts";

/** Puts a submission into the queue and says so in the guide's words. */
export async function accept(
  queue: Queue,
  request: FastifyRequest,
  submission: Submission,
): Promise<Accepted> {
  // The guide's routes let through what no worker could be handed: a queue that cannot hand out its
  // first task stands still.
  const spec = parse(specSchema, submission.spec);
  // The header wins over the field.
  const idempotencyKey = keyOf(request) ?? submission.idempotencyKey;
  const receipt = await queue.submit({ ...submission, spec, idempotencyKey }, actorOf(request));
  return {
    taskId: receipt.id,
    ...(receipt.sessionId === null ? {} : { sessionId: receipt.sessionId }),
    message: messageOf(receipt, submission.worker),
    status: "pending",
    worker: submission.worker ?? null,
    online: receipt.online,
  };
}

function messageOf({ online, stopped }: Receipt, worker: string | undefined): string {
  if (stopped) return `Task queued: worker ${worker} is stopped; it waits until it is resumed`;
  if (online) return "Task queued";
  const where = worker === undefined ? "worker" : `worker ${worker}`;
  return `Task queued: no ${where} that may take it is online now; it waits until one is`;
}

/** Whose token it was, and where from, for the log of actions. */
export function actorOf(request: FastifyRequest): Actor {
  return { name: request.caller?.name ?? "nobody", from: request.ip };
}

/** The idempotency key in the request's header. */
export function keyOf(request: FastifyRequest): string | undefined {
  const header = request.headers["idempotency-key"];
  if (typeof header !== "string" || header === "") return undefined;
  if (header.length > 200)
    throw new Problem("invalid-request", { line: "Idempotency-Key: at most 200 characters" });
  return header;
}

/** @throws Problem task-not-found when the text is no task id at all */
export function taskIdOf(text: string): TaskId {
  const id = parseTaskId(text);
  if (id === null) throw new Problem("task-not-found");
  return id;
}

/** A number of milliseconds from a query, as old clients send it: anything strange counts as 0. */
export function millisecondsOf(value: unknown, max: number = limits.readWaitMsMax): number {
  const number = typeof value === "string" ? Number.parseInt(value, 10) : Number.NaN;
  return Number.isFinite(number) ? Math.min(Math.max(number, 0), max) : 0;
}

/** Aborted when the other end hangs up before the answer was sent. */
export function hangUpOf(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  const { raw } = reply;
  const { socket } = reply.request.raw;
  const gone = (): void => {
    if (!raw.writableFinished) controller.abort(new Error("the other end hung up"));
  };
  // The end of what the other side sends is heard a turn earlier than the close of the connection:
  // early enough that a commit of this turn does not hand a task to nobody.
  socket.once("end", gone);
  // A response that stands behind another one has no socket yet and would never hear of its end.
  (raw.socket === null ? socket : raw).once("close", gone);
  raw.once("close", () => socket.off("end", gone));
  return controller.signal;
}

/** A task as lists and not-ready answers show it. */
export function taskView(task: TaskRecord): Readonly<Record<string, unknown>> {
  return {
    taskId: task.id,
    kind: task.kind,
    status: task.status,
    phase: task.phase,
    outcome: task.outcome,
    exitCode: task.exitCode,
    worker: task.worker,
    priority: task.priority,
    createdAt: task.createdAt,
    startedAt: task.startedAt,
    completedAt: task.completedAt,
    summary: task.summary,
    ...(task.approval === null || task.status !== "running" ? {} : { approval: task.approval }),
    ...(task.session === null ? {} : { sessionId: task.session }),
    ...(task.cancelAsked && task.completedAt === null ? { cancelAsked: true } : {}),
  };
}
