// Approvals: the latest state of each, as its worker told it.

import type { ApprovalState, Ask } from "@openclaw-worker/protocol";
import type { DatabaseSync } from "node:sqlite";
import type { Asked, AskRequest } from "../approval.ts";
import { integer, text, textOrNull, type Row } from "./rows.ts";

export interface Ending {
  readonly state: Exclude<ApprovalState, "waiting">;
  readonly decidedBy: string | null;
  readonly at: number;
}

/** Ends an approval that waits, inside the transaction of its caller. */
type Close = (row: Row, ending: Ending) => void;

export function prepareAsk(db: DatabaseSync): (request: AskRequest) => Asked {
  const find = db.prepare("SELECT id, task_id, state, fence, digest FROM approvals WHERE id = ?");
  const findTask = db.prepare(
    `SELECT t.seq, t.fence, t.worker, t.instance, s.reason FROM tasks t JOIN specs s ON s.seq = t.seq
       WHERE t.id = ? AND t.state IN ('claimed', 'started')`,
  );
  const isTask = db.prepare("SELECT 1 FROM tasks WHERE id = ?");
  const tooMany = prepareTooMany(db);
  const insert = prepareInsert(db);
  const close = prepareClose(db);

  return ({ ask, at, ...bounds }) => {
    const { taskId, fence, instance, request, digest, state } = ask;
    const known = find.get(request.id);
    if (known !== undefined) {
      const isSame =
        known["task_id"] === taskId && known["fence"] === fence && known["digest"] === digest;
      if (!isSame) return { kind: "stale" };
      // The first end stays, and what ended waits no more: messages may overtake each other.
      if (known["state"] !== "waiting" || state === "waiting")
        return { kind: "noted", changed: false };
      close(known, { state, decidedBy: ask.decidedBy, at });
      return { kind: "noted", changed: true };
    }
    const task = findTask.get(taskId);
    if (task === undefined) return { kind: isTask.get(taskId) === undefined ? "unknown" : "stale" };
    const isHolder =
      task["fence"] === fence &&
      task["instance"] === instance &&
      task["worker"] === request.worker &&
      request.taskId === taskId;
    if (!isHolder) return { kind: "stale" };
    const line = tooMany(ask, bounds);
    if (line !== null) return { kind: "full", line };
    insert(ask, { task, at });
    return { kind: "noted", changed: true };
  };
}

function prepareTooMany(
  db: DatabaseSync,
): (ask: Ask, bounds: Pick<AskRequest, "perTaskMax" | "waitingMax">) => string | null {
  const ofTask = db.prepare("SELECT count(*) AS total FROM approvals WHERE task_id = ?");
  const ofWorker = db.prepare(
    "SELECT count(*) AS total FROM approvals WHERE worker = ? AND state = 'waiting'",
  );
  return ({ taskId, request, state }, { perTaskMax, waitingMax }) => {
    if (integer(ofTask.get(taskId) ?? {}, "total") >= perTaskMax)
      return `This task has asked ${perTaskMax} times already.`;
    if (state === "waiting" && integer(ofWorker.get(request.worker) ?? {}, "total") >= waitingMax)
      return `${waitingMax} approvals of this worker wait already.`;
    return null;
  };
}

function prepareInsert(
  db: DatabaseSync,
): (ask: Ask, about: { readonly task: Row; readonly at: number }) => void {
  const insert = db.prepare("INSERT INTO approvals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const point = db.prepare("UPDATE tasks SET approval = ? WHERE seq = ?");
  const nextChange = prepareNextChange(db);
  const note = prepareNoteApproval(db);
  return (ask, { task, at }) => {
    const { request, state, decidedBy } = ask;
    insert.run(
      request.id,
      nextChange(),
      ask.taskId,
      request.worker,
      ask.fence,
      state,
      ask.digest,
      JSON.stringify(request),
      ask.levels.join("+"),
      textOrNull(task, "reason"),
      decidedBy,
      at,
      request.expiresAt,
    );
    const { id, worker, rule } = request;
    note("approval.asked", { taskId: ask.taskId, at, details: { approvalId: id, worker, rule } });
    if (state === "waiting") point.run(id, integer(task, "seq"));
    else {
      const details = { approvalId: id, state, decidedBy };
      note("approval.decided", { taskId: ask.taskId, at, details });
    }
  };
}

function prepareClose(db: DatabaseSync): Close {
  const close = db.prepare(
    "UPDATE approvals SET state = ?, decided_by = ?, updated_at = ?, change = ? WHERE id = ?",
  );
  // Another one of the same task may still wait.
  const point = db.prepare(
    `UPDATE tasks SET approval = (SELECT id FROM approvals WHERE task_id = tasks.id
       AND state = 'waiting' ORDER BY change DESC LIMIT 1) WHERE id = ? AND approval = ?`,
  );
  const forget = db.prepare("DELETE FROM letters WHERE about = ?");
  const nextChange = prepareNextChange(db);
  const note = prepareNoteApproval(db);
  return (row, { state, decidedBy, at }) => {
    const id = text(row, "id");
    const taskId = text(row, "task_id");
    close.run(state, decidedBy, at, nextChange(), id);
    point.run(taskId, id);
    forget.run(id);
    note("approval.decided", { taskId, at, details: { approvalId: id, state, decidedBy } });
  };
}

/** Withdraws what waits for a task whose attempt ends, inside the transaction of its caller. */
export function prepareWithdraw(db: DatabaseSync): (taskId: string, at: number) => void {
  const waiting = db.prepare(
    "SELECT id, task_id FROM approvals WHERE task_id = ? AND state = 'waiting'",
  );
  const close = prepareClose(db);
  return (taskId, at) => {
    for (const row of waiting.all(taskId)) close(row, { state: "withdrawn", decidedBy: null, at });
  };
}

function prepareNextChange(db: DatabaseSync): () => number {
  const next = db.prepare("UPDATE changes SET last = last + 1 RETURNING last");
  return () => integer(next.get() ?? {}, "last");
}

interface Noted {
  readonly taskId: string;
  readonly at: number;
  readonly details: unknown;
}

function prepareNoteApproval(db: DatabaseSync): (type: string, noted: Noted) => void {
  const note = db.prepare(
    "INSERT INTO events (type, created_at, task_id, details) VALUES (?, ?, ?, ?)",
  );
  return (type, { taskId, at, details }) => {
    note.run(type, at, taskId, JSON.stringify(details));
  };
}
