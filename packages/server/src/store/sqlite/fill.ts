// Records of another store become rows.

import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { MoveRecord, TaskFacts } from "../move/record.ts";

/** Writes records of another store, inside the transaction of the caller. */
export function preparePut(db: DatabaseSync): (record: MoveRecord) => void {
  const known = new Map<string, ReturnType<DatabaseSync["prepare"]>>();
  const insert = (table: string, row: Readonly<Record<string, SQLInputValue>>): void => {
    const columns = Object.keys(row);
    const statement =
      known.get(table) ??
      db.prepare(
        `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`,
      );
    known.set(table, statement);
    statement.run(...Object.values(row));
  };
  return (record) => {
    switch (record.kind) {
      case "changes":
        return void db.prepare("UPDATE changes SET last = ?").run(record.last);
      case "worker": {
        const { labels, policyDigest, publicKey, lastSeenAt, ...worker } = record.worker;
        const more = {
          policy_digest: policyDigest,
          last_seen_at: lastSeenAt,
          public_key: publicKey,
        };
        return insert("workers", { ...worker, labels: labels.join("+"), ...more });
      }
      case "session": {
        const { sessionId, kind, taskCount, lastActivity } = record.session;
        const row = { session: sessionId, kind, tasks: taskCount, last_activity: lastActivity };
        return insert("sessions", row);
      }
      case "task":
        return putTask(insert, record.task);
      case "event":
        return insert("events", {
          id: record.id,
          type: record.type,
          created_at: record.at,
          task_id: record.taskId,
          details: textOfJson(record.details),
        });
      case "approval": {
        const { taskId, request, decidedBy, updatedAt, expiresAt, ...same } = record.approval;
        const times = { updated_at: updatedAt, expires_at: expiresAt };
        const more = { task_id: taskId, request: JSON.stringify(request), decided_by: decidedBy };
        return insert("approvals", { ...same, ...more, ...times });
      }
      case "letter": {
        const { kind: _, envelope, expiresAt, ...same } = record;
        const more = { envelope: JSON.stringify(envelope), expires_at: expiresAt };
        return insert("letters", { ...same, ...more });
      }
      case "halt":
        return insert("halts", {
          worker: record.worker,
          ordered: textOfJson(record.ordered),
          stopped: textOfJson(record.stopped),
        });
      case "witness": {
        const { kind: _, alarmAt, ...same } = record;
        return insert("witness", { ...same, alarm_at: alarmAt });
      }
      case "audit-entry": {
        const { kind: _, ...row } = record;
        return insert("audit_entries", row);
      }
      case "audit-node": {
        const { kind: _, hash, ...same } = record;
        return insert("audit_nodes", { ...same, hash: Buffer.from(hash, "hex") });
      }
      case "action": {
        const { from, ...same } = record.entry;
        return insert("actions", { ...same, source: from });
      }
    }
  };
}

type Insert = (table: string, row: Readonly<Record<string, SQLInputValue>>) => void;

function putTask(insert: Insert, task: TaskFacts): void {
  const { seq, leased, spec, metadata, reason, proof, result } = task;
  insert("tasks", {
    seq,
    id: task.id,
    kind: task.taskKind,
    status: task.status,
    state: task.state,
    selector: task.selector,
    priority: task.priority,
    session: task.session,
    timeout_ms: task.timeoutMs,
    created_at: task.createdAt,
    deliver_by: task.deliverBy,
    fence: task.fence,
    worker: task.worker,
    instance: task.instance,
    leased: leased ? 1 : 0,
    // The server gives whoever holds a task a whole lease when it starts.
    lease_until: task.state === "claimed" || task.state === "started" ? 0 : null,
    started_at: task.startedAt,
    completed_at: task.completedAt,
    cancel_at: task.cancelAt,
    read_at: task.readAt,
    outcome: task.outcome,
    exit_code: task.exitCode,
    idem_key: task.key,
    idem_digest: task.digest,
    approval: task.approval,
    summary: task.summary,
  });
  insert("specs", {
    seq,
    spec: JSON.stringify(spec),
    metadata: textOfJson(metadata),
    reason,
    proof: textOfJson(proof),
  });
  if (result !== null) insert("results", { seq, body: JSON.stringify(result) });
}

function textOfJson(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}
