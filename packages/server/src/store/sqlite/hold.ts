// What happens to a task while a worker holds it: begins, keeps it, gives it back.

import type { Held } from "@openclaw-worker/protocol";
import type { DatabaseSync } from "node:sqlite";
import type { Holder, Readied, Renewed, RenewRequest } from "../store.ts";
import { prepareWithdraw } from "./ask.ts";
import { holderOf, integer, text, type Row } from "./rows.ts";

export function prepareStart(
  db: DatabaseSync,
): (held: Held, at: number) => "started" | "stale" | "unknown" {
  const find = db.prepare("SELECT seq, state, fence, worker FROM tasks WHERE id = ?");
  // What it waited for before it began was decided, whatever was heard of that yet.
  const begin = db.prepare(
    "UPDATE tasks SET state = 'started', started_at = ?, approval = NULL WHERE seq = ?",
  );
  const note = db.prepare(
    "INSERT INTO events (type, created_at, task_id, details) VALUES ('task.started', ?, ?, ?)",
  );
  return (held, at) => {
    const row = find.get(held.taskId);
    if (row === undefined) return "unknown";
    if (integer(row, "fence") !== held.fence) return "stale";
    // Said twice, because the first answer was lost on the way.
    if (row["state"] === "started") return "started";
    if (row["state"] !== "claimed") return "stale";
    begin.run(at, integer(row, "seq"));
    note.run(at, held.taskId, JSON.stringify({ worker: row["worker"] }));
    return "started";
  };
}

export function prepareRenew(db: DatabaseSync): (request: RenewRequest) => Renewed {
  const find = db.prepare(
    `SELECT seq, id, fence, worker, instance, leased, cancel_at FROM tasks
       WHERE id = ? AND state IN ('claimed', 'started')`,
  );
  const extend = db.prepare("UPDATE tasks SET lease_until = ? WHERE seq = ?");
  return ({ instance, held, leaseUntil }) => {
    const cancel: Held[] = [];
    const stale: Held[] = [];
    for (const one of held) {
      const row = find.get(one.taskId);
      if (row === undefined || !isHeld(holderOf(row), one, instance)) {
        stale.push(one);
        continue;
      }
      extend.run(leaseUntil, integer(row, "seq"));
      if (row["cancel_at"] != null) cancel.push(one);
    }
    return { cancel, stale };
  };
}

function isHeld(holder: Holder, held: Held, instance: string | null): boolean {
  return holder.fence === held.fence && (instance === null || holder.instance === instance);
}

export function prepareGiveBack(
  db: DatabaseSync,
): (instance: string, held: readonly Held[], at: number) => Readied {
  const find = db.prepare(
    `SELECT seq, id, selector FROM tasks WHERE id = ? AND fence = ? AND instance = ?
       AND (state = 'claimed' OR (state = 'started' AND leased = 0))`,
  );
  const release = prepareRelease(db);
  return (instance, held, at) => {
    const readied: string[] = [];
    for (const { taskId, fence } of held) {
      const row = find.get(taskId, fence, instance);
      if (row === undefined) continue;
      release(row, at);
      readied.push(text(row, "selector"));
    }
    return readied;
  };
}

/** Back to where it stood: its place in the order of acceptance never changed. */
export function prepareRelease(db: DatabaseSync): (row: Row, at: number) => void {
  const withdraw = prepareWithdraw(db);
  const release = db.prepare(
    `UPDATE tasks SET status = 'pending', state = 'pending', worker = NULL, instance = NULL,
       lease_until = NULL, started_at = NULL WHERE seq = ?`,
  );
  return (row, at) => {
    withdraw(text(row, "id"), at);
    release.run(integer(row, "seq"));
  };
}
