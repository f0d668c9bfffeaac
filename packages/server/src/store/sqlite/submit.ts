import { sessionOf } from "@openclaw-worker/protocol";
import type { DatabaseSync } from "node:sqlite";
import { summaryOf, type NewTask, type Submitted } from "../store.ts";
import type { Act } from "./act.ts";
import { integer, taskId, textOrNull } from "./rows.ts";

export function prepareSubmit(db: DatabaseSync, act: Act): (order: NewTask) => Submitted {
  const sameId = db.prepare("SELECT id, session, idem_digest FROM tasks WHERE id = ?");
  const sameKey = db.prepare("SELECT id, session, idem_digest FROM tasks WHERE idem_key = ?");
  const unfinished = db.prepare(
    "SELECT sum(total) AS total FROM counts WHERE status IN ('pending', 'running')",
  );
  const busySession = db.prepare(
    `SELECT 1 FROM tasks WHERE session = ?
       AND state IN ('pending', 'blocked', 'claimed', 'started') LIMIT 1`,
  );
  const insert = db.prepare(
    `INSERT INTO tasks (id, kind, status, state, selector, priority, session, timeout_ms, created_at,
       deliver_by, idem_key, idem_digest, summary)
     VALUES (?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const insertSpec = db.prepare(
    "INSERT INTO specs (seq, spec, metadata, reason, proof) VALUES (?, ?, ?, ?, ?)",
  );
  const touchSession = db.prepare(
    `INSERT INTO sessions (session, kind, tasks, last_activity) VALUES (?, ?, 1, ?)
       ON CONFLICT DO UPDATE SET tasks = tasks + 1, last_activity = excluded.last_activity`,
  );
  const note = db.prepare(
    "INSERT INTO events (type, created_at, task_id, details) VALUES ('task.created', ?, ?, ?)",
  );

  return ({ id, submission, selector, digest, deliverBy, at, queuedMax, action }) => {
    const key = submission.idempotencyKey ?? null;
    // A signed task brings its id: that names it before any key does.
    const known =
      (submission.id === undefined ? undefined : sameId.get(id)) ??
      (key === null ? undefined : sameKey.get(key));
    if (known !== undefined) {
      if (textOrNull(known, "idem_digest") !== digest) return { kind: "conflict" };
      return { kind: "same", id: taskId(known), sessionId: textOrNull(known, "session") };
    }
    const queued = integer(unfinished.get() ?? {}, "total");
    if (queued >= queuedMax) return { kind: "full", queued };

    const { spec, priority, timeoutMs, metadata, reason, proof } = submission;
    const session = sessionOf(spec);
    const ready = session === null || busySession.get(session) === undefined;
    const state = ready ? "pending" : "blocked";
    const { lastInsertRowid } = insert.run(
      id,
      spec.kind,
      state,
      selector,
      priority,
      session,
      timeoutMs,
      at,
      deliverBy,
      key,
      key === null && submission.id === undefined ? null : digest,
      summaryOf(spec),
    );
    insertSpec.run(
      lastInsertRowid,
      JSON.stringify(spec),
      metadata ? JSON.stringify(metadata) : null,
      reason ?? null,
      proof ? JSON.stringify(proof) : null,
    );
    if (session !== null) touchSession.run(session, spec.kind, at);
    note.run(at, id, JSON.stringify({ kind: spec.kind }));
    act(action);
    return { kind: "created", id, ready };
  };
}
