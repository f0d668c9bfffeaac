// Small writes that keep the store's own house: read marks, events, workers, pruning.

import { limits, type TaskId } from "@openclaw-worker/protocol";
import type { DatabaseSync } from "node:sqlite";
import type { NewEvent, WorkerRecord } from "../store.ts";
import { integer } from "./rows.ts";

export function prepareMarkRead(db: DatabaseSync): (id: TaskId, at: number) => boolean {
  const mark = db.prepare(
    `UPDATE tasks SET read_at = ? WHERE id = ? AND read_at IS NULL AND state IN ('lost', 'finished')`,
  );
  const note = db.prepare(
    "INSERT INTO events (type, created_at, task_id) VALUES ('task.reconciled', ?, ?)",
  );
  return (id, at) => {
    if (mark.run(at, id).changes === 0) return false;
    note.run(at, id);
    return true;
  };
}

export function prepareNote(db: DatabaseSync): (event: NewEvent) => void {
  const note = db.prepare(
    "INSERT INTO events (type, created_at, task_id, details) VALUES (?, ?, ?, ?)",
  );
  return (event) => {
    const details = event.details === undefined ? null : JSON.stringify(event.details);
    note.run(event.type, event.at, event.taskId, details);
  };
}

export function prepareSaveWorker(db: DatabaseSync): (worker: WorkerRecord) => void {
  const save = db.prepare("INSERT OR REPLACE INTO workers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  return (worker) => {
    save.run(
      worker.name,
      worker.instance,
      worker.labels.join("+"),
      worker.version,
      worker.platform,
      worker.slots,
      worker.policyDigest,
      worker.lastSeenAt,
      worker.publicKey,
    );
  };
}

export function prepareForgive(db: DatabaseSync): (leaseUntil: number) => void {
  const forgive = db.prepare(
    `UPDATE tasks SET lease_until = ? + CASE WHEN leased THEN 0 ELSE timeout_ms END
       WHERE state IN ('claimed', 'started')`,
  );
  return (leaseUntil) => {
    forgive.run(leaseUntil);
  };
}

export function preparePrune(db: DatabaseSync): (endedBefore: number, max: number) => number {
  const old = db.prepare(
    "SELECT seq FROM tasks WHERE state IN ('lost', 'finished') AND completed_at < ? LIMIT ?",
  );
  const forget = ["tasks", "specs", "results"].map((table) =>
    db.prepare(`DELETE FROM ${table} WHERE seq = ?`),
  );
  const forgetEvents = db.prepare(
    "DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?",
  );
  const forgetSessions = db.prepare(
    `DELETE FROM sessions WHERE last_activity < ? AND NOT EXISTS
       (SELECT 1 FROM tasks t WHERE t.session = sessions.session
          AND t.state IN ('pending', 'blocked', 'claimed', 'started'))`,
  );
  const forgetApprovals = db.prepare(
    `DELETE FROM approvals WHERE id IN
       (SELECT id FROM approvals WHERE state <> 'waiting' AND updated_at < ? LIMIT ?)`,
  );
  const forgetLetters = db.prepare("DELETE FROM letters WHERE expires_at < ?");
  // The chain goes on from whatever entry is the oldest.
  const forgetActions = db.prepare(
    "DELETE FROM actions WHERE seq <= (SELECT max(seq) FROM actions) - ?",
  );
  return (endedBefore, max) => {
    const rows = old.all(endedBefore, max);
    for (const row of rows) for (const one of forget) one.run(integer(row, "seq"));
    forgetApprovals.run(endedBefore, max);
    forgetLetters.run(endedBefore);
    forgetActions.run(limits.actionsKept);
    forgetEvents.run(limits.eventsKept);
    forgetSessions.run(endedBefore);
    return rows.length;
  };
}
