import { toResult, type Report, type Result } from "@openclaw-worker/protocol";
import type { DatabaseSync } from "node:sqlite";
import { prepareWithdraw } from "./ask.ts";
import { integer, text, textOrNull, type Row } from "./rows.ts";

export interface Ending {
  readonly report: Report;
  readonly at: number;
}

/**
 * Ends a task, inside the transaction of its caller: writes its result and the event, and frees the
 * next task of its session. `row` has seq, id, worker, session and spec's metadata.
 */
export type Finish = (
  row: Row,
  ending: Ending,
) => { readonly result: Result; readonly readied: readonly string[] };

export function prepareFinish(db: DatabaseSync): Finish {
  const close = db.prepare(
    `UPDATE tasks SET status = ?, state = ?, outcome = ?, exit_code = ?, completed_at = ?,
       lease_until = NULL, read_at = NULL WHERE seq = ?`,
  );
  const keep = db.prepare("INSERT OR REPLACE INTO results (seq, body) VALUES (?, ?)");
  const metadataOf = db.prepare("SELECT metadata FROM specs WHERE seq = ?");
  const note = db.prepare(
    "INSERT INTO events (type, created_at, task_id, details) VALUES (?, ?, ?, ?)",
  );
  const freeNext = prepareFreeNext(db);
  const withdraw = prepareWithdraw(db);

  return (row, { report, at }) => {
    const seq = integer(row, "seq");
    const taskId = text(row, "id");
    const asked = metadataOf.get(seq)?.["metadata"];
    const metadata = {
      ...(typeof asked === "string" ? JSON.parse(asked) : {}),
      ...report.metadata,
    };
    const result = toResult(
      { ...report, ...(Object.keys(metadata).length === 0 ? {} : { metadata }) },
      { taskId, completedAt: at, worker: textOrNull(row, "worker") },
    );
    const state = result.outcome === "lost" ? "lost" : "finished";
    close.run(result.status, state, result.outcome, result.exitCode, at, seq);
    withdraw(taskId, at);
    keep.run(seq, JSON.stringify(result));
    const details = JSON.stringify({
      outcome: result.outcome,
      exitCode: result.exitCode,
      worker: result.worker,
    });
    note.run(`task.${result.status}`, at, taskId, details);
    const session = textOrNull(row, "session");
    return { result, readied: session === null ? [] : freeNext(session, at) };
  };
}

// The oldest waiting task of a session may go when none of that session is held or ready.
function prepareFreeNext(db: DatabaseSync): (session: string, at: number) => readonly string[] {
  const head = db.prepare(
    `SELECT seq, state, selector FROM tasks WHERE session = ?
       AND state IN ('pending', 'blocked', 'claimed', 'started') ORDER BY seq LIMIT 1`,
  );
  const free = db.prepare("UPDATE tasks SET state = 'pending' WHERE seq = ?");
  const touch = db.prepare("UPDATE sessions SET last_activity = ? WHERE session = ?");
  return (session, at) => {
    touch.run(at, session);
    const row = head.get(session);
    if (row === undefined || row["state"] !== "blocked") return [];
    free.run(integer(row, "seq"));
    return [text(row, "selector")];
  };
}
