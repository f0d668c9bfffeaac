import { satisfies, type Claimant, type Task } from "@openclaw-worker/protocol";
import type { DatabaseSync } from "node:sqlite";
import type { ClaimRequest } from "../store.ts";
import { integer, taskOf, text, type Row } from "./rows.ts";

export function prepareClaim(db: DatabaseSync): (request: ClaimRequest) => readonly Task[] {
  const candidates = prepareCandidates(db);
  const head = db.prepare(
    `SELECT seq, priority FROM tasks WHERE state = 'pending' AND selector = ? AND deliver_by > ?
       ORDER BY priority DESC, seq LIMIT 1`,
  );
  const measure = db.prepare(
    `SELECT octet_length(spec) + coalesce(octet_length(metadata), 0)
       + coalesce(octet_length(reason), 0) + coalesce(octet_length(proof), 0) AS bytes
       FROM specs WHERE seq = ?`,
  );
  const hold = db.prepare(
    `UPDATE tasks SET status = 'running', state = ?, fence = fence + 1, worker = ?, instance = ?,
       approval = NULL, leased = ?, lease_until = ? + CASE WHEN ? THEN 0 ELSE timeout_ms END,
       started_at = ?, cancel_at = NULL
     WHERE seq = ?`,
  );
  const read = db.prepare(
    `SELECT t.id, t.fence, t.timeout_ms, t.created_at, s.spec, s.metadata,
       s.reason, s.proof
       FROM tasks t JOIN specs s ON s.seq = t.seq WHERE t.seq = ?`,
  );
  const note = db.prepare(
    "INSERT INTO events (type, created_at, task_id, details) VALUES ('task.started', ?, ?, ?)",
  );

  // The best head over all selectors that the claimant satisfies: they are few. What expired and was
  // not swept yet, because the server was down, is nobody's any more.
  const bestHead = (claimant: Claimant, at: number): Row | null => {
    let best: Row | null = null;
    for (const selector of candidates(claimant)) {
      const row = head.get(selector, at);
      if (row !== undefined && (best === null || isBefore(row, best))) best = row;
    }
    return best;
  };

  return ({ claimant, instance, max, bytesMax = Infinity, leaseUntil, at }) => {
    const tasks: Task[] = [];
    let bytes = 0;
    while (tasks.length < max) {
      const best = bestHead(claimant, at);
      if (best === null) break;
      const seq = integer(best, "seq");
      bytes += integer(measure.get(seq) ?? {}, "bytes");
      if (tasks.length > 0 && bytes > bytesMax) break;
      const { leased } = claimant;
      const flag = leased ? 1 : 0;
      // An old worker never says that it begins: handed out is begun.
      const state = leased ? "claimed" : "started";
      hold.run(state, claimant.name, instance, flag, leaseUntil, flag, leased ? null : at, seq);
      const task = taskOf(read.get(seq) ?? {});
      if (!leased) note.run(at, task.id, JSON.stringify({ worker: claimant.name }));
      tasks.push(task);
    }
    return tasks;
  };
}

// Selectors with a ready task that this claimant satisfies. The text of a selector begins with what
// it is about, so the selectors of other workers are never looked at.
function prepareCandidates(db: DatabaseSync): (claimant: Claimant) => readonly string[] {
  const exact = db.prepare("SELECT selector FROM ready WHERE selector = ?");
  const range = db.prepare("SELECT selector FROM ready WHERE selector >= ? AND selector < ?");
  return (claimant) => {
    const found: Row[] = [];
    for (const dialect of claimant.leased ? ["0", "1"] : ["0"]) {
      found.push(
        ...exact.all(`${dialect}*`),
        ...exact.all(`${dialect}w:${claimant.name}`),
        ...range.all(`${dialect}w:${claimant.name}+`, `${dialect}w:${claimant.name},`),
        ...range.all(`${dialect}l:`, `${dialect}l;`),
      );
    }
    return found
      .map((row) => text(row, "selector"))
      .filter((selector) => satisfies(claimant, selector));
  };
}

function isBefore(a: Row, b: Row): boolean {
  const byPriority = integer(b, "priority") - integer(a, "priority");
  return byPriority === 0 ? integer(a, "seq") < integer(b, "seq") : byPriority < 0;
}
