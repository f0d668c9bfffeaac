import type { DatabaseSync } from "node:sqlite";
import type { Settled, SettleRequest } from "../store.ts";
import type { Finish } from "./finish.ts";
import { integer, text, type Row } from "./rows.ts";

export function prepareSettle(
  db: DatabaseSync,
  finish: Finish,
): (request: SettleRequest) => Settled {
  const find = db.prepare(
    "SELECT seq, id, state, fence, leased, worker, session FROM tasks WHERE id = ?",
  );
  return ({ taskId, fence, report, at }) => {
    const row = find.get(taskId);
    if (row === undefined) return { kind: "unknown" };
    const verdict = judge(row, fence);
    if (verdict !== "take") return { kind: verdict };
    return { kind: "settled", ...finish(row, { report, at }) };
  };
}

/**
 * Whether a report is taken. It must be of the newest attempt. A task that waits again because the
 * lease was over, and was not handed out since, takes it too: the work was done once.
 */
function judge(row: Row, fence: number | null): "take" | "duplicate" | "stale" {
  const newest = integer(row, "fence");
  // Never handed out: nobody can have a result.
  if (newest === 0) return "stale";
  const ofNewest = fence === null ? row["leased"] === 0 : fence === newest;
  if (!ofNewest) return "stale";
  return text(row, "state") === "finished" ? "duplicate" : "take";
}
