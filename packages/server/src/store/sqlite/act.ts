// The log of API actions. Its verbs run inside the transaction of the verb that acts.

import type { DatabaseSync } from "node:sqlite";
import { chained, firstPrev, type ActionEntry } from "../../audit/chain.ts";
import type { NewAction } from "../action.ts";
import { actionOf, integer, text } from "./rows.ts";

/** Appends to the log; nothing where no action was handed in. */
export type Act = (action: NewAction | undefined) => void;

export function prepareAct(db: DatabaseSync): Act {
  const last = db.prepare("SELECT seq, hash FROM actions ORDER BY seq DESC LIMIT 1");
  const append = db.prepare("INSERT INTO actions VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  return (made) => {
    if (made === undefined) return;
    // Read anew each time: a transaction that is rolled back takes its actions with it.
    const before = last.get();
    const { at, by, action, target } = made;
    const entry = chained({
      seq: before === undefined ? 0 : integer(before, "seq") + 1,
      at,
      actor: by.name,
      from: by.from,
      action,
      target,
      prev: before === undefined ? firstPrev : text(before, "hash"),
    });
    append.run(entry.seq, at, by.name, by.from, action, target, entry.prev, entry.hash);
  };
}

export function prepareActions(
  db: DatabaseSync,
): (from: number | null, max: number) => readonly ActionEntry[] {
  const onward = db.prepare("SELECT * FROM actions WHERE seq >= ? ORDER BY seq LIMIT ?");
  const latest = db.prepare(
    "SELECT * FROM (SELECT * FROM actions ORDER BY seq DESC LIMIT ?) ORDER BY seq",
  );
  return (from, max) => (from === null ? latest.all(max) : onward.all(from, max)).map(actionOf);
}
