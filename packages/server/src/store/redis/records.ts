// Hashes of Redis become records: the only place where fields are named.

import {
  approvalRequestSchema,
  approvalSchema,
  envelopeSchema,
  kinds,
  outcomeSchema,
  parseTaskId,
  reportSchema,
  resultSchema,
  specSchema,
  statusSchema,
  stoppedSchema,
  stopOrderSchema,
  taskSchema,
  toResult,
  type Approval,
  type Kind,
  type Phase,
  type Report,
  type Result,
  type Task,
  type TaskId,
} from "@openclaw-worker/protocol";
import { z } from "zod";
import type { HaltRecord, Letter } from "../approval.ts";
import type { Holder, TaskRecord, WorkerRecord } from "../store.ts";
import { hashOf, listOf, numberOf, textOf, textOrNull } from "./replies.ts";

export function idOf(reply: unknown): TaskId {
  const id = parseTaskId(textOf(reply));
  if (id === null) throw new Error("a key is no task id");
  return id;
}

export function kindOf(text: string): Kind {
  const kind = kinds.find((one) => one === text);
  if (kind === undefined) throw new Error(`unknown kind ${text}`);
  return kind;
}

/** `ID FIELDS` as a record. */
export function recordOf(id: unknown, fields: unknown): TaskRecord {
  const hash = hashOf(fields);
  const text = (name: string): string => textOf(hash.get(name));
  const orNull = (name: string): string | null => hash.get(name) ?? null;
  const numberOrNull = (name: string): number | null => {
    const value = hash.get(name);
    return value === undefined ? null : numberOf(value);
  };
  const outcome = orNull("outcome");
  const approval = orNull("approval");
  return {
    id: idOf(id),
    seq: numberOf(hash.get("seq")),
    kind: kindOf(text("kind")),
    status: statusSchema.parse(text("status")),
    phase: phaseOf(text("state"), approval),
    outcome: outcome === null ? null : outcomeSchema.parse(outcome),
    exitCode: numberOrNull("exit"),
    selector: text("selector"),
    priority: numberOf(hash.get("priority")),
    session: orNull("session"),
    worker: orNull("worker"),
    fence: numberOf(hash.get("fence")),
    createdAt: numberOf(hash.get("created")),
    startedAt: numberOrNull("started"),
    completedAt: numberOrNull("completed"),
    cancelAsked: hash.has("cancel"),
    approval,
    timeoutMs: numberOf(hash.get("timeout")),
    summary: text("summary"),
  };
}

function phaseOf(state: string, approval: string | null): Phase | null {
  if (state !== "claimed" && state !== "started") return null;
  return approval === null ? state : "awaiting-approval";
}

/** `ID FENCE TIMEOUT CREATED SPEC METADATA REASON PROOF` as the worker gets it. */
export function taskOf(row: readonly unknown[]): Task {
  const [id, fence, timeout, created, spec, metadata, reason, proof] = row;
  const given = (name: string, value: unknown): object =>
    value === null || value === undefined ? {} : { [name]: JSON.parse(textOf(value)) };
  return taskSchema.parse({
    id: textOf(id),
    fence: numberOf(fence),
    timeoutMs: numberOf(timeout),
    createdAt: numberOf(created),
    spec: specSchema.parse(JSON.parse(textOf(spec))),
    ...given("metadata", metadata),
    ...given("reason", reason),
    ...given("proof", proof),
  });
}

const metadataSchema = z.record(z.string(), z.unknown()).nullable();
const keptResultSchema = z.object({
  at: z.int(),
  worker: z.string().nullable(),
  metadata: metadataSchema,
  report: reportSchema,
});

export interface Ended {
  readonly taskId: string;
  readonly at: number;
  /** JSON texts, as a script found them. */
  readonly worker: unknown;
  readonly metadata: unknown;
}

/** What a report and the task's own facts come to; the kept text gives the same (`resultOf`). */
export function joined(report: Report, { taskId, at, ...found }: Ended): Result {
  const worker = z
    .string()
    .nullable()
    .parse(JSON.parse(textOf(found.worker)));
  return joinParts(taskId, {
    at,
    worker,
    report,
    metadata: metadataSchema.parse(JSON.parse(textOf(found.metadata))),
  });
}

export function resultOf(taskId: string, text: string): Result {
  return joinParts(taskId, keptResultSchema.parse(JSON.parse(text)));
}

function joinParts(taskId: string, parts: z.output<typeof keptResultSchema>): Result {
  const { report, worker, at } = parts;
  const metadata = { ...parts.metadata, ...report.metadata };
  return resultSchema.parse(
    toResult(
      { ...report, ...(Object.keys(metadata).length === 0 ? {} : { metadata }) },
      { taskId, completedAt: at, worker },
    ),
  );
}

/** `FENCE WORKER INSTANCE LEASED` */
export function holderOf(taskId: TaskId, reply: unknown): Holder {
  const [fence, worker, instance, leased] = listOf(reply);
  return {
    taskId,
    fence: numberOf(fence),
    worker: textOf(worker),
    instance: textOf(instance),
    leased: textOf(leased) === "1",
  };
}

export function approvalOf(id: string, fields: unknown): Approval {
  const hash = hashOf(fields);
  const reason = hash.get("reason");
  return approvalSchema.parse({
    id,
    taskId: textOf(hash.get("task")),
    request: approvalRequestSchema.parse(JSON.parse(textOf(hash.get("request")))),
    digest: textOf(hash.get("digest")),
    levels: textOf(hash.get("levels"))
      .split("+")
      .filter((level) => level !== ""),
    state: textOf(hash.get("state")),
    decidedBy: JSON.parse(textOf(hash.get("by"))),
    reason: reason === undefined ? null : JSON.parse(reason),
    updatedAt: numberOf(hash.get("updated")),
  });
}

export function letterOf(id: unknown, hash: ReadonlyMap<string, string>): Letter {
  return {
    id: numberOf(id),
    worker: textOf(hash.get("worker")),
    about: textOf(hash.get("about")),
    envelope: envelopeSchema.parse(JSON.parse(textOf(hash.get("envelope")))),
    expiresAt: numberOf(hash.get("expires")),
  };
}

export function haltOf(worker: unknown, ordered: unknown, stopped: unknown): HaltRecord {
  const [order, stop] = [textOrNull(ordered) ?? "null", textOrNull(stopped) ?? "null"];
  return {
    worker: textOf(worker),
    order: stopOrderSchema.nullable().parse(JSON.parse(order)),
    stopped: stoppedSchema.nullable().parse(JSON.parse(stop)),
  };
}

const workerSchema = z.object({
  name: z.string(),
  instance: z.string(),
  labels: z.array(z.string()),
  version: z.string().nullable(),
  platform: z.string().nullable(),
  slots: z.number().nullable(),
  policyDigest: z.string().nullable(),
  publicKey: z.string().nullable(),
  lastSeenAt: z.number(),
});

export function workerOf(text: string): WorkerRecord {
  return workerSchema.parse(JSON.parse(text));
}
