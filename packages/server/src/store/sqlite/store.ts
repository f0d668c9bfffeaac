import { Problem } from "@openclaw-worker/protocol";
import type { Store } from "../store.ts";
import { openBatch } from "./batch.ts";
import { prepareCancel } from "./cancel.ts";
import { prepareClaim } from "./claim.ts";
import { prepareFinish } from "./finish.ts";
import { prepareGiveBack, prepareRenew, prepareStart } from "./hold.ts";
import {
  prepareForgive,
  prepareMarkRead,
  prepareNote,
  preparePrune,
  prepareSaveWorker,
} from "./keep.ts";
import { openDatabase } from "./open.ts";
import {
  prepareCancelsFor,
  prepareCounts,
  prepareEventCounts,
  prepareEvents,
  prepareGet,
  prepareList,
  prepareResult,
  prepareSessions,
  prepareWorkers,
} from "./read.ts";
import { prepareSettle } from "./settle.ts";
import { prepareSubmit } from "./submit.ts";
import { prepareNextSweep, prepareSweep } from "./sweep.ts";

/**
 * The embedded store: one SQLite file, opened by one process.
 * @param file path of the database, or ":memory:"
 * @throws Error with a sentence for people when the file cannot be used
 */
export function openSqliteStore(file: string): Store {
  const db = openDatabase(file);
  const batch = openBatch(db);
  const finish = prepareFinish(db);

  const write =
    <A extends readonly unknown[], R>(verb: (...args: A) => R) =>
    (...args: A): Promise<R> =>
      batch.write(() => verb(...args));
  const read =
    <A extends readonly unknown[], R>(verb: (...args: A) => R) =>
    async (...args: A): Promise<R> => {
      if (!db.isOpen) throw new Problem("stopping");
      return verb(...args);
    };

  return {
    submit: write(prepareSubmit(db)),
    claim: write(prepareClaim(db)),
    giveBack: write(prepareGiveBack(db)),
    start: write(prepareStart(db)),
    renew: write(prepareRenew(db)),
    settle: write(prepareSettle(db, finish)),
    cancel: write(prepareCancel(db, finish)),
    sweep: write(prepareSweep(db, finish)),
    forgive: write(prepareForgive(db)),
    markRead: write(prepareMarkRead(db)),
    prune: write(preparePrune(db)),
    note: write(prepareNote(db)),
    saveWorker: write(prepareSaveWorker(db)),
    get: read(prepareGet(db)),
    result: read(prepareResult(db)),
    list: read(prepareList(db)),
    counts: read(prepareCounts(db)),
    sessions: read(prepareSessions(db)),
    events: read(prepareEvents(db)),
    eventCounts: read(prepareEventCounts(db)),
    workers: read(prepareWorkers(db)),
    cancelsFor: read(prepareCancelsFor(db)),
    nextSweep: read(prepareNextSweep(db)),
    async [Symbol.asyncDispose]() {
      batch.close();
      if (db.isOpen) db.close();
    },
  };
}
