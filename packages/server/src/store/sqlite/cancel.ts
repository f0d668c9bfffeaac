import { reportOf, type TaskId } from "@openclaw-worker/protocol";
import type { DatabaseSync } from "node:sqlite";
import type { NewAction } from "../action.ts";
import type { Cancelled } from "../store.ts";
import type { Act } from "./act.ts";
import type { Finish } from "./finish.ts";
import { holderOf, integer, resultOf, text } from "./rows.ts";

export function prepareCancel(
  db: DatabaseSync,
  { finish, act }: { readonly finish: Finish; readonly act: Act },
): (id: TaskId, at: number, action?: NewAction) => Cancelled {
  const find = db.prepare(
    "SELECT seq, id, state, fence, leased, worker, instance, session FROM tasks WHERE id = ?",
  );
  const mark = db.prepare("UPDATE tasks SET cancel_at = ? WHERE seq = ?");
  const result = db.prepare("SELECT body FROM results WHERE seq = ?");
  return (id, at, action) => {
    const row = find.get(id);
    if (row === undefined) return { kind: "unknown" };
    switch (text(row, "state")) {
      case "started":
        act(action);
        mark.run(at, integer(row, "seq"));
        return { kind: "asked", holder: holderOf(row) };
      case "lost":
      case "finished":
        return { kind: "over", result: resultOf(result.get(integer(row, "seq")) ?? {}) };
      default: {
        // Not begun: it ends here, and the worker's `started` will be refused.
        act(action);
        const holder = row["state"] === "claimed" ? holderOf(row) : null;
        return {
          kind: "ended",
          holder,
          ...finish(row, { report: reportOf("cancelled", "Cancelled"), at }),
        };
      }
    }
  };
}
