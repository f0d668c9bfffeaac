import { reportOf, type Result } from "@openclaw-worker/protocol";
import type { DatabaseSync } from "node:sqlite";
import type { NextSweep, Swept } from "../store.ts";
import type { Finish } from "./finish.ts";
import { prepareRelease } from "./hold.ts";
import { text } from "./rows.ts";

export function prepareSweep(db: DatabaseSync, finish: Finish): (now: number, at: number) => Swept {
  const overdue = db.prepare(
    `SELECT seq, id, state, selector, worker, session FROM tasks
       WHERE state IN ('claimed', 'started') AND lease_until <= ? LIMIT 1000`,
  );
  const expired = db.prepare(
    `SELECT seq, id, worker, session FROM tasks
       WHERE state IN ('pending', 'blocked') AND deliver_by <= ? LIMIT 1000`,
  );
  const release = prepareRelease(db);

  return (now, at) => {
    const ended: Result[] = [];
    const readied: string[] = [];
    for (const row of overdue.all(now)) {
      if (row["state"] === "claimed") {
        release(row, at);
        readied.push(text(row, "selector"));
        continue;
      }
      const sentence =
        `Worker ${text(row, "worker")} vanished while this task was running; it may have run in part. ` +
        "It is not run again. If the worker comes back with the result, it is shown here.";
      const end = finish(row, { report: reportOf("lost", sentence), at });
      ended.push(end.result);
      readied.push(...end.readied);
    }
    for (const row of expired.all(at)) {
      const sentence = "Expired: no worker took this task before its ttlMs was over. It never ran.";
      const end = finish(row, { report: reportOf("expired", sentence), at });
      ended.push(end.result);
      readied.push(...end.readied);
    }
    return { ended, readied };
  };
}

/** When `sweep` has something to do next, by each of its two clocks. */
export function prepareNextSweep(db: DatabaseSync): () => NextSweep {
  const lease = db.prepare(
    "SELECT min(lease_until) AS next FROM tasks WHERE state IN ('claimed', 'started')",
  );
  const deliver = db.prepare(
    "SELECT min(deliver_by) AS next FROM tasks WHERE state IN ('pending', 'blocked')",
  );
  const next = (value: unknown): number | null => (typeof value === "number" ? value : null);
  return () => ({
    leaseUntil: next(lease.get()?.["next"]),
    deliverBy: next(deliver.get()?.["next"]),
  });
}
