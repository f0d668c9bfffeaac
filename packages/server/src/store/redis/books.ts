// Lists, counts, events, workers, and keeping house.

import { limits } from "@openclaw-worker/protocol";
import type { ListFilter, Store, TaskRecord } from "../store.ts";
import * as keep from "./lua/keep.ts";
import { idOf, kindOf, recordOf, resultOf, workerOf } from "./records.ts";
import { hashOf, listOf, numberOf, rowsOf, textOf } from "./replies.ts";
import type { Parts } from "./verbs.ts";

type BookVerbs = Pick<
  Store,
  | "markRead"
  | "prune"
  | "note"
  | "saveWorker"
  | "get"
  | "result"
  | "list"
  | "counts"
  | "sessions"
  | "events"
  | "eventCounts"
  | "workers"
  | "cancelsFor"
>;

/** Tasks that one step of a list looks at: bounds how long Redis does nothing else. */
const stretch = 2_000;
/** Tasks that one step of pruning removes, for the same reason. */
const pruneStep = 500;

export function bookVerbs({ connection, prefix }: Parts & { readonly prefix: string }): BookVerbs {
  return {
    list,
    async markRead(id, at) {
      return numberOf(await connection.run(keep.markRead, [id, at])) === 1;
    },
    async prune(endedBefore, max) {
      let forgotten = 0;
      for (;;) {
        const step = Math.min(pruneStep, max - forgotten);
        const args = [endedBefore, step, limits.actionsKept];
        const count = numberOf(await connection.run(keep.prune, args));
        forgotten += count;
        if (count < step || forgotten >= max) return forgotten;
      }
    },
    async note({ type, taskId, at, details }) {
      const text = details === undefined ? "" : JSON.stringify(details);
      const args = [JSON.stringify(type), at, JSON.stringify(taskId), text];
      await connection.run(keep.noteEvent, args);
    },
    async saveWorker(worker) {
      await connection.run(keep.saveWorker, [worker.name, JSON.stringify(worker)]);
    },
    async get(id) {
      const fields = listOf(await connection.call("HGETALL", `${prefix}task:${id}`));
      return fields.length === 0 ? null : recordOf(id, fields);
    },
    async result(id) {
      const text = await connection.call("GET", `${prefix}result:${id}`);
      return text === null ? null : resultOf(id, textOf(text));
    },
    async counts() {
      const numbers = listOf(await connection.run(keep.counts, [])).map(numberOf);
      const [pending = 0, running = 0, completed = 0, failed = 0, unread = 0] = numbers;
      return { byStatus: { pending, running, completed, failed }, unread };
    },
    async sessions({ kind, max }) {
      const rows = rowsOf(await connection.run(keep.listSessions, [kind ?? "", max]));
      return rows.map(([session, of, tasks, unfinished, last]) => ({
        sessionId: textOf(session),
        kind: kindOf(textOf(of)),
        taskCount: numberOf(tasks),
        unfinished: numberOf(unfinished),
        lastActivity: numberOf(last),
      }));
    },
    async events(max) {
      const lines = listOf(await connection.call("LRANGE", `${prefix}events`, -max, -1));
      return lines.map((line) => {
        const [id, type, at, taskId, details] = textOf(line).split("\t");
        return {
          id: numberOf(id),
          type: String(JSON.parse(textOf(type))),
          createdAt: numberOf(at),
          taskId: JSON.parse(textOf(taskId)),
          ...(details === undefined || details === "" ? {} : { details: JSON.parse(details) }),
        };
      });
    },
    async eventCounts() {
      const counts = hashOf(await connection.call("HGETALL", `${prefix}event-counts`));
      return Object.fromEntries(
        counts.entries().map(([type, total]) => [String(JSON.parse(type)), Number(total)]),
      );
    },
    async workers() {
      const records = listOf(await connection.call("HVALS", `${prefix}workers`));
      return records
        .map((record) => workerOf(textOf(record)))
        .toSorted((one, other) => (one.name < other.name ? -1 : 1));
    },
    async cancelsFor(instance) {
      const rows = rowsOf(await connection.run(keep.cancelsFor, [instance]));
      return rows.map(([id, fence]) => ({ taskId: idOf(id), fence: numberOf(fence) }));
    },
  };

  // Filters that are rare together may be far apart: the walk goes on in steps until the page is full.
  async function list(filter: ListFilter): Promise<readonly TaskRecord[]> {
    const { status = "", worker = "", kind = "", max } = filter;
    const found: TaskRecord[] = [];
    let before = filter.beforeSeq === undefined ? "" : String(filter.beforeSeq);
    for (;;) {
      const args = [before, max - found.length, stretch, status, worker, kind];
      const [next, rows] = listOf(await connection.run(keep.list, args));
      found.push(...rowsOf(rows).map(([id, fields]) => recordOf(id, fields)));
      if (next === null) return found;
      before = textOf(next);
    }
  }
}
