import { Problem } from "@openclaw-worker/protocol";
import type { Store } from "../store.ts";
import { prepareAct, prepareActions } from "./act.ts";
import { prepareApproval, prepareApprovals } from "./approvals.ts";
import { prepareAsk } from "./ask.ts";
import { openBatch } from "./batch.ts";
import { prepareCancel } from "./cancel.ts";
import { prepareClaim } from "./claim.ts";
import { prepareFinish } from "./finish.ts";
import { prepareHalts, prepareLiftStop, prepareOrderStop, prepareSaveStopped } from "./halt.ts";
import { prepareGiveBack, prepareRenew, prepareStart } from "./hold.ts";
import {
  prepareForgive,
  prepareMarkRead,
  prepareNote,
  preparePrune,
  prepareSaveWorker,
} from "./keep.ts";
import { prepareDecide, prepareLetters, prepareSendResume } from "./letter.ts";
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
import {
  prepareAlarms,
  prepareAuditEntries,
  prepareAuditNodes,
  prepareSaveWitness,
  prepareWitness,
} from "./witness.ts";

/**
 * The embedded store: one SQLite file, opened by one process.
 * @param file path of the database, or ":memory:"
 * @throws Error with a sentence for people when the file cannot be used
 */
export function openSqliteStore(file: string): Store {
  const db = openDatabase(file);
  const batch = openBatch(db);
  const finish = prepareFinish(db);
  const act = prepareAct(db);

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
    shared: null,
    submit: write(prepareSubmit(db, act)),
    claim: write(prepareClaim(db)),
    giveBack: write(prepareGiveBack(db)),
    start: write(prepareStart(db)),
    renew: write(prepareRenew(db)),
    settle: write(prepareSettle(db, finish)),
    cancel: write(prepareCancel(db, { finish, act })),
    sweep: write(prepareSweep(db, finish)),
    forgive: write(prepareForgive(db)),
    markRead: write(prepareMarkRead(db)),
    prune: write(preparePrune(db)),
    note: write(prepareNote(db)),
    saveWorker: write(prepareSaveWorker(db)),
    ask: write(prepareAsk(db)),
    decide: write(prepareDecide(db, act)),
    sendResume: write(prepareSendResume(db, act)),
    orderStop: write(prepareOrderStop(db, act)),
    liftStop: write(prepareLiftStop(db, act)),
    saveStopped: write(prepareSaveStopped(db)),
    saveWitness: write(prepareSaveWitness(db)),
    act: write(act),
    get: read(prepareGet(db)),
    result: read(prepareResult(db)),
    list: read(prepareList(db)),
    counts: read(prepareCounts(db)),
    sessions: read(prepareSessions(db)),
    events: read(prepareEvents(db)),
    eventCounts: read(prepareEventCounts(db)),
    workers: read(prepareWorkers(db)),
    approval: read(prepareApproval(db)),
    approvals: read(prepareApprovals(db)),
    letters: read(prepareLetters(db)),
    halts: read(prepareHalts(db)),
    witness: read(prepareWitness(db)),
    alarms: read(prepareAlarms(db)),
    auditEntries: read(prepareAuditEntries(db)),
    auditNodes: read(prepareAuditNodes(db)),
    actions: read(prepareActions(db)),
    cancelsFor: read(prepareCancelsFor(db)),
    nextSweep: read(prepareNextSweep(db)),
    async [Symbol.asyncDispose]() {
      batch.close();
      if (db.isOpen) db.close();
    },
  };
}
