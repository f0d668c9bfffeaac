// Records of another store become keys: everything that the scripts keep beside each other.

import type { ApprovalFacts, MoveRecord, TaskFacts } from "../move/record.ts";
import type { Argument } from "./connection.ts";
import { nodeBytes, nodesPerKey } from "./lua/watch.ts";

export type Write = readonly [name: string, ...args: Argument[]];

/** A held task gets this long from the moment that a server serves again: a whole usual lease. */
const leaseMs = 30_000;
const priorityStep = 17_592_186_044_416;

/** The commands that write these records, in their order. */
export function fillOf(records: readonly MoveRecord[], prefix: string): readonly Write[] {
  return records.flatMap((record) => writesOf(record, prefix));
}

function writesOf(record: MoveRecord, P: string): readonly Write[] {
  switch (record.kind) {
    case "changes":
      return [["SET", `${P}changes`, record.last]];
    case "worker":
      return [["HSET", `${P}workers`, record.worker.name, JSON.stringify(record.worker)]];
    case "session": {
      const { sessionId, kind, taskCount, lastActivity } = record.session;
      const info = ["kind", kind, "tasks", taskCount, "last", lastActivity];
      return [
        ["HSET", `${P}session-info:${sessionId}`, ...info],
        ["ZADD", `${P}sessions`, lastActivity, sessionId],
        ["ZADD", `${P}sessions-of:${kind}`, lastActivity, sessionId],
      ];
    }
    case "task":
      return taskWrites(record.task, P);
    case "event": {
      const { id, type, at, taskId, details } = record;
      const texts = [id, JSON.stringify(type), at, JSON.stringify(taskId)];
      const line = [...texts, details === null ? "" : JSON.stringify(details)].join("\t");
      return [
        ["SET", `${P}event-id`, id],
        ["RPUSH", `${P}events`, line],
        ["HINCRBY", `${P}event-counts`, JSON.stringify(type), 1],
      ];
    }
    case "approval":
      return approvalWrites(record.approval, P);
    case "letter": {
      const { id, worker, about, envelope, expiresAt } = record;
      const type = isResume(envelope) ? "resume" : "approval";
      const named = ["worker", worker, "about", about, "type", type, "expires", expiresAt];
      return [
        ["HSET", `${P}letter:${id}`, ...named, "envelope", JSON.stringify(envelope)],
        ["SET", `${P}letter-id`, id],
        ["ZADD", `${P}letters`, expiresAt, id],
        ["SADD", `${P}letters-about:${about}`, id],
        ["SADD", `${P}letters-of:${worker}`, id],
      ];
    }
    case "halt": {
      const { worker, ordered, stopped } = record;
      const fields = [
        ...(ordered === null
          ? []
          : ["ordered", JSON.stringify(ordered), "order-id", idIn(ordered)]),
        ...(stopped === null ? [] : ["stopped", JSON.stringify(stopped), "stop-id", idIn(stopped)]),
      ];
      return [
        ["ZADD", `${P}halts`, 0, worker],
        ...(fields.length === 0 ? [] : [["HSET", `${P}halt:${worker}`, ...fields] as const]),
      ];
    }
    case "witness": {
      const { worker, version, known, alarm, alarmAt, evidence } = record;
      const some = { known, alarm, "alarm-at": alarmAt, evidence };
      return [
        ["SADD", `${P}witnesses`, worker],
        ["HSET", `${P}witness:${worker}`, "version", version, ...present(some)],
      ];
    }
    case "audit-entry":
      return [["RPUSH", `${P}audit:${record.worker}`, record.entry]];
    case "audit-node": {
      const key = `${P}audit-nodes:${record.worker}:${Math.floor(record.place / nodesPerKey)}`;
      const from = (record.place % nodesPerKey) * nodeBytes;
      return [["SETRANGE", key, from, Buffer.from(record.hash, "hex")]];
    }
    case "action": {
      const { seq, hash } = record.entry;
      return [
        ["XADD", `${P}actions`, `${seq + 1}-0`, "entry", JSON.stringify(record.entry)],
        ["HSET", `${P}chain`, "seq", seq, "hash", hash],
      ];
    }
  }
}

function taskWrites(task: TaskFacts, P: string): readonly Write[] {
  const { id, seq, state, selector, session, key, digest } = task;
  const isHeld = state === "claimed" || state === "started";
  const isOver = state === "lost" || state === "finished";
  const writes: Write[] = [
    [
      "HSET",
      `${P}task:${id}`,
      "seq",
      seq,
      "kind",
      task.taskKind,
      "status",
      task.status,
      "state",
      state,
      "selector",
      selector,
      "priority",
      task.priority,
      "timeout",
      task.timeoutMs,
      "created",
      task.createdAt,
      "deliver",
      task.deliverBy,
      "fence",
      task.fence,
      "leased",
      task.leased ? 1 : 0,
      "summary",
      task.summary,
      ...present({
        session,
        digest,
        idem: key === null ? null : JSON.stringify(key),
        worker: task.worker,
        instance: task.instance,
        started: task.startedAt,
        completed: task.completedAt,
        cancel: task.cancelAt,
        read: task.readAt,
        outcome: task.outcome,
        exit: task.exitCode,
        approval: task.approval,
      }),
    ],
    ["HSET", `${P}body:${id}`, "spec", JSON.stringify(task.spec), ...bodyOf(task)],
    ["SET", `${P}seq`, seq],
    ["ZADD", `${P}all`, seq, id],
    ["ZADD", `${P}kind:${task.taskKind}`, seq, id],
    ["ZADD", `${P}status:${task.status}`, seq, id],
  ];
  if (key !== null) writes.push(["HSET", `${P}idem`, JSON.stringify(key), id]);
  if (task.worker !== null) writes.push(["ZADD", `${P}worker:${task.worker}`, seq, id]);
  if (state === "pending") {
    writes.push(["ZADD", `${P}ready:${selector}`, seq - task.priority * priorityStep, id]);
    writes.push(["ZADD", `${P}selectors`, 0, selector]);
  }
  if (state === "pending" || state === "blocked")
    writes.push(["ZADD", `${P}deliver`, task.deliverBy, id]);
  if (isHeld) {
    // The new store's lease clock begins at 0, and stands still until a server serves.
    const lease = leaseMs + (task.leased ? 0 : task.timeoutMs);
    writes.push(["ZADD", `${P}leases`, lease, id]);
    if (task.cancelAt !== null) writes.push(["SADD", `${P}cancels:${task.instance ?? ""}`, id]);
  }
  if (session !== null && !isOver) writes.push(["ZADD", `${P}session:${session}`, seq, id]);
  if (isOver) {
    const kept = { at: task.completedAt, worker: task.worker, metadata: null, report: task.result };
    writes.push(["ZADD", `${P}ended`, task.completedAt ?? 0, id]);
    writes.push(["SET", `${P}result:${id}`, JSON.stringify(kept)]);
    if (task.readAt === null) writes.push(["INCR", `${P}unread`]);
  }
  return writes;
}

function bodyOf({ metadata, reason, proof }: TaskFacts): readonly Argument[] {
  return Object.entries({ metadata, reason, proof }).flatMap(([name, value]) =>
    value === null ? [] : [name, JSON.stringify(value)],
  );
}

function approvalWrites(approval: ApprovalFacts, P: string): readonly Write[] {
  const { id, change, taskId, worker, state, updatedAt, reason } = approval;
  const writes: Write[] = [
    [
      "HSET",
      `${P}approval:${id}`,
      "task",
      taskId,
      "worker",
      worker,
      "fence",
      approval.fence,
      "state",
      state,
      "digest",
      approval.digest,
      "request",
      JSON.stringify(approval.request),
      "levels",
      approval.levels,
      "by",
      JSON.stringify(approval.decidedBy),
      "updated",
      updatedAt,
      "expires",
      approval.expiresAt,
      "change",
      change,
      ...(reason === null ? [] : ["reason", JSON.stringify(reason)]),
    ],
    ["ZADD", `${P}approvals`, change, id],
    ["ZADD", `${P}approvals:${state}`, change, id],
    ["SADD", `${P}asked:${taskId}`, id],
  ];
  if (state !== "waiting") return [...writes, ["ZADD", `${P}approvals-ended`, updatedAt, id]];
  return [
    ...writes,
    ["ZADD", `${P}waiting-of:${taskId}`, change, id],
    ["SADD", `${P}waiting-at:${worker}`, id],
  ];
}

function present(fields: Readonly<Record<string, Argument | null>>): readonly Argument[] {
  return Object.entries(fields).flatMap(([name, value]) => (value === null ? [] : [name, value]));
}

function isResume(envelope: unknown): boolean {
  return isObject(envelope) && envelope["type"] === "resume";
}

function idIn(value: unknown): string {
  return isObject(value) ? String(value["id"]) : "";
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
