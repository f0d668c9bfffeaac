// Verbs that only read. They run outside the write batch and see what is committed.

import type { Held, Result, TaskId } from "@openclaw-worker/protocol";
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type {
  Counts,
  EventRecord,
  ListFilter,
  SessionFilter,
  SessionRecord,
  TaskRecord,
  WorkerRecord,
} from "../store.ts";
import {
  holderOf,
  integer,
  kindOf,
  recordOf,
  resultOf,
  text,
  textOrNull,
  workerOf,
} from "./rows.ts";

const columns = `seq, id, kind, status, state, outcome, exit_code, selector, priority, session, worker,
  fence, created_at, started_at, completed_at, cancel_at, timeout_ms, summary,
  approval`;

export function prepareGet(db: DatabaseSync): (id: TaskId) => TaskRecord | null {
  const find = db.prepare(`SELECT ${columns} FROM tasks WHERE id = ?`);
  return (id) => {
    const row = find.get(id);
    return row === undefined ? null : recordOf(row);
  };
}

export function prepareResult(db: DatabaseSync): (id: TaskId) => Result | null {
  const find = db.prepare(
    `SELECT r.body FROM tasks t JOIN results r ON r.seq = t.seq
       WHERE t.id = ? AND t.state IN ('lost', 'finished')`,
  );
  return (id) => {
    const row = find.get(id);
    return row === undefined ? null : resultOf(row);
  };
}

export function prepareList(db: DatabaseSync): (filter: ListFilter) => readonly TaskRecord[] {
  // Each combination of filters is a statement of its own, so that each uses its index.
  const statements = new Map<string, ReturnType<DatabaseSync["prepare"]>>();
  const statementFor = (conditions: readonly string[]) => {
    const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
    const known = statements.get(where);
    if (known !== undefined) return known;
    const made = db.prepare(`SELECT ${columns} FROM tasks ${where} ORDER BY seq DESC LIMIT ?`);
    statements.set(where, made);
    return made;
  };
  return (filter) => {
    const asked: readonly (readonly [string, SQLInputValue | undefined])[] = [
      ["status = ?", filter.status],
      ["worker = ?", filter.worker],
      ["kind = ?", filter.kind],
      ["seq < ?", filter.beforeSeq],
    ];
    const conditions: string[] = [];
    const values: SQLInputValue[] = [];
    for (const [condition, value] of asked) {
      if (value === undefined) continue;
      conditions.push(condition);
      values.push(value);
    }
    return statementFor(conditions)
      .all(...values, filter.max)
      .map(recordOf);
  };
}

export function prepareCounts(db: DatabaseSync): () => Counts {
  const all = db.prepare("SELECT status, total, unread FROM counts");
  return () => {
    const byStatus = { pending: 0, running: 0, completed: 0, failed: 0 };
    let unread = 0;
    for (const row of all.all()) {
      const status = recordStatus(text(row, "status"));
      byStatus[status] = integer(row, "total");
      if (status === "completed" || status === "failed") unread += integer(row, "unread");
    }
    return { byStatus, unread };
  };
}

function recordStatus(status: string): keyof Counts["byStatus"] {
  if (status === "pending" || status === "running" || status === "completed") return status;
  return "failed";
}

export function prepareSessions(
  db: DatabaseSync,
): (filter: SessionFilter) => readonly SessionRecord[] {
  const select = `SELECT session, kind, tasks, last_activity,
    (SELECT count(*) FROM tasks t WHERE t.session = sessions.session
       AND t.state IN ('pending', 'blocked', 'claimed', 'started')) AS unfinished
    FROM sessions`;
  const every = db.prepare(`${select} ORDER BY last_activity DESC LIMIT ?`);
  const ofKind = db.prepare(`${select} WHERE kind = ? ORDER BY last_activity DESC LIMIT ?`);
  return (filter) => {
    const rows =
      filter.kind === undefined ? every.all(filter.max) : ofKind.all(filter.kind, filter.max);
    return rows.map((row) => ({
      sessionId: text(row, "session"),
      kind: kindOf(row),
      taskCount: integer(row, "tasks"),
      unfinished: integer(row, "unfinished"),
      lastActivity: integer(row, "last_activity"),
    }));
  };
}

export function prepareEvents(db: DatabaseSync): (max: number) => readonly EventRecord[] {
  const latest = db.prepare(
    "SELECT * FROM (SELECT * FROM events ORDER BY id DESC LIMIT ?) ORDER BY id",
  );
  return (max) =>
    latest.all(max).map((row) => {
      const details = textOrNull(row, "details");
      return {
        id: integer(row, "id"),
        type: text(row, "type"),
        createdAt: integer(row, "created_at"),
        taskId: textOrNull(row, "task_id"),
        ...(details === null ? {} : { details: JSON.parse(details) }),
      };
    });
}

export function prepareEventCounts(db: DatabaseSync): () => Readonly<Record<string, number>> {
  const count = db.prepare("SELECT type, count(*) AS total FROM events GROUP BY type");
  return () =>
    Object.fromEntries(count.all().map((row) => [text(row, "type"), integer(row, "total")]));
}

export function prepareWorkers(db: DatabaseSync): () => readonly WorkerRecord[] {
  const all = db.prepare("SELECT * FROM workers ORDER BY name");
  return () => all.all().map(workerOf);
}

export function prepareCancelsFor(db: DatabaseSync): (instance: string) => readonly Held[] {
  const find = db.prepare(
    `SELECT id, fence, worker, instance, leased FROM tasks WHERE instance = ?
       AND cancel_at IS NOT NULL AND state IN ('claimed', 'started')`,
  );
  return (instance) =>
    find.all(instance).map((row) => {
      const { taskId, fence } = holderOf(row);
      return { taskId, fence };
    });
}
