// Rows of the database, parsed: the only place where columns become records.

import {
  outcomeSchema,
  parseTaskId,
  resultSchema,
  specSchema,
  statusSchema,
  taskSchema,
  kinds,
  type Kind,
  type Phase,
  type Result,
  type Task,
  type TaskId,
} from "@openclaw-worker/protocol";
import type { SQLOutputValue } from "node:sqlite";
import type { ActionEntry } from "../../audit/chain.ts";
import type { Holder, TaskRecord, WorkerRecord } from "../store.ts";

export type Row = Readonly<Record<string, SQLOutputValue>>;

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new Error(`column ${column} is not text`);
  return value;
}

export function textOrNull(row: Row, column: string): string | null {
  return row[column] == null ? null : text(row, column);
}

export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw new Error(`column ${column} is not an integer`);
  return value;
}

export function integerOrNull(row: Row, column: string): number | null {
  return row[column] == null ? null : integer(row, column);
}

export function taskId(row: Row): TaskId {
  const id = parseTaskId(text(row, "id"));
  if (id === null) throw new Error("column id is not a task id");
  return id;
}

export function kindOf(row: Row): Kind {
  const value = text(row, "kind");
  const kind = kinds.find((one) => one === value);
  if (kind === undefined) throw new Error(`unknown kind ${value}`);
  return kind;
}

const phases: Readonly<Record<string, Phase>> = { claimed: "claimed", started: "started" };

export function recordOf(row: Row): TaskRecord {
  const outcome = textOrNull(row, "outcome");
  return {
    id: taskId(row),
    seq: integer(row, "seq"),
    kind: kindOf(row),
    status: statusSchema.parse(text(row, "status")),
    phase: phaseOf(row),
    outcome: outcome === null ? null : outcomeSchema.parse(outcome),
    exitCode: integerOrNull(row, "exit_code"),
    selector: text(row, "selector"),
    priority: integer(row, "priority"),
    session: textOrNull(row, "session"),
    worker: textOrNull(row, "worker"),
    fence: integer(row, "fence"),
    createdAt: integer(row, "created_at"),
    startedAt: integerOrNull(row, "started_at"),
    completedAt: integerOrNull(row, "completed_at"),
    cancelAsked: row["cancel_at"] != null,
    approval: textOrNull(row, "approval"),
    timeoutMs: integer(row, "timeout_ms"),
    summary: text(row, "summary"),
  };
}

function phaseOf(row: Row): Phase | null {
  const held = phases[text(row, "state")] ?? null;
  return held !== null && row["approval"] !== null ? "awaiting-approval" : held;
}

export function taskOf(row: Row): Task {
  const metadata = textOrNull(row, "metadata");
  const reason = textOrNull(row, "reason");
  const proof = textOrNull(row, "proof");
  return taskSchema.parse({
    id: text(row, "id"),
    fence: integer(row, "fence"),
    timeoutMs: integer(row, "timeout_ms"),
    createdAt: integer(row, "created_at"),
    spec: specSchema.parse(JSON.parse(text(row, "spec"))),
    ...(metadata === null ? {} : { metadata: JSON.parse(metadata) }),
    ...(reason === null ? {} : { reason }),
    ...(proof === null ? {} : { proof: JSON.parse(proof) }),
  });
}

export function resultOf(row: Row): Result {
  return resultSchema.parse(JSON.parse(text(row, "body")));
}

export function holderOf(row: Row): Holder {
  return {
    taskId: taskId(row),
    fence: integer(row, "fence"),
    worker: text(row, "worker"),
    instance: text(row, "instance"),
    leased: integer(row, "leased") === 1,
  };
}

export function workerOf(row: Row): WorkerRecord {
  return {
    name: text(row, "name"),
    instance: text(row, "instance"),
    labels: text(row, "labels")
      .split("+")
      .filter((label) => label !== ""),
    version: textOrNull(row, "version"),
    platform: textOrNull(row, "platform"),
    slots: integerOrNull(row, "slots"),
    policyDigest: textOrNull(row, "policy_digest"),
    publicKey: textOrNull(row, "public_key"),
    lastSeenAt: integer(row, "last_seen_at"),
  };
}

export function actionOf(row: Row): ActionEntry {
  return {
    seq: integer(row, "seq"),
    at: integer(row, "at"),
    actor: text(row, "actor"),
    from: text(row, "source"),
    action: text(row, "action"),
    target: text(row, "target"),
    prev: text(row, "prev"),
    hash: text(row, "hash"),
  };
}
