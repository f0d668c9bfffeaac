// All rules of the queue. The store below is atomic and has no opinions; the routes above only parse
// and shape.
//
//   submit ──▶ store.submit ─┐ one transaction: the task is on disk and already claimed by the poll
//              store.claim ──┘ that waited longest
//   settle ──▶ store.settle ─▶ wakes the readers of this task and the polls that may go on

import { chainOf, type Clock, type Log } from "@openclaw-worker/base";
import {
  canonicalJson,
  limits,
  newTaskId,
  Problem,
  selectorOf,
  sessionOf,
  type Beat,
  type BeatAnswer,
  type Held,
  type PollAnswer,
  type Presence,
  type Report,
  type Result,
  type Submission,
  type TaskId,
} from "@openclaw-worker/protocol";
import { createHash, randomBytes } from "node:crypto";
import type { Actor } from "../store/action.ts";
import type { Freed } from "../store/shared.ts";
import type { Cancelled, Settled, Store } from "../store/store.ts";
import { isAway } from "./away.ts";
import { createApprovals, type Approvals } from "./approvals.ts";
import { createDeadlines } from "./deadlines.ts";
import { createHalts, type Halts } from "./halts.ts";
import { createMail } from "./mail.ts";
import { createAnnouncer, joinNeighbors } from "./neighbors.ts";
import { createPolls, type PollRequest } from "./polls.ts";
import { createPresenceBook } from "./presence.ts";
import { createReaders } from "./readers.ts";
import { createReading, type Waited } from "./reading.ts";
import { settlePatiently } from "./settle.ts";
import { createWitness, type Witness } from "./witness.ts";

export interface QueueOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly leaseMs: number;
  readonly retentionMs: number;
  readonly queuedTasksMax: number;
  readonly parkedRequestsMax: number;
}

export interface Receipt {
  readonly id: TaskId;
  readonly sessionId: string | null;
  /** Somebody who may take the task is connected now. */
  readonly online: boolean;
  /** The one worker that it names is stopped, or shall be. */
  readonly stopped: boolean;
}

/** Waiting approvals that are remembered over a restart. */
const restoredMax = 10_000;

export interface SettleMessage {
  readonly taskId: TaskId;
  readonly fence: number | null;
  readonly report: Report;
  readonly freed: Freed | null;
}

export interface Queue extends AsyncDisposable {
  readonly approvals: Approvals;
  readonly halts: Halts;
  readonly witness: Witness;
  submit(submission: Submission, by?: Actor): Promise<Receipt>;
  poll(request: PollRequest): Promise<PollAnswer>;
  started(held: Held): Promise<"started" | "stale" | "unknown">;
  beat(beat: Beat): Promise<BeatAnswer>;
  /** Claimed tasks go back; the worker process `leaves`. */
  leave(instance: string, held: readonly Held[]): Promise<void>;
  settle(message: SettleMessage): Promise<Settled["kind"]>;
  cancel(id: TaskId, by?: Actor): Promise<Cancelled>;
  /** The task's result, waited for up to `waitMs`; it counts as read from then on. */
  read(id: TaskId, waitMs: number, gone: AbortSignal): Promise<Waited>;
  presences(): Promise<readonly Presence[]>;
  onlineWorkers(): number;
  /** It was stopped: whoever asks again should ask elsewhere. */
  isStopping(): boolean;
  /** Answers everybody who waits, and lets nobody wait any more. */
  stop(): void;
}

export async function openQueue(options: QueueOptions): Promise<Queue> {
  const { store, clock, log, leaseMs } = options;
  const leaseEnd = (): number => Math.ceil(clock.monotonic() + leaseMs);
  const readers = createReaders();
  const mail = createMail(clock);
  const { shared } = store;
  const announcer = shared === null ? null : createAnnouncer(shared, clock, log);
  const presence = createPresenceBook(
    clock,
    (name) => mail.isHalted(name),
    (sighting, news) => announcer?.note(sighting, news),
  );
  const parkedMax = options.parkedRequestsMax;
  let stopped = false;

  presence.restore(await store.workers());
  mail.restore(await store.letters(), await store.halts());
  // Leases of an earlier process ran by its clock: whoever still holds a task gets a whole one. The
  // clock of a shared store goes on without this process, and stands still while nobody serves.
  if (shared === null) await store.forgive(leaseEnd());
  const deadlines = createDeadlines({
    clock,
    next: () => store.nextSweep(),
    sweep,
    // After a pause of a good part of a lease, beats may wait in the sockets unread.
    stillMsMax: leaseMs / 3,
    stoodStill: () => {
      if (shared !== null) return;
      store.forgive(leaseEnd()).catch(sweepFailed);
    },
    failed: sweepFailed,
  });
  const polls = createPolls({
    store,
    clock,
    log,
    presence,
    mail,
    leaseEnd,
    parkedMax,
    claimed: () => deadlines.within(leaseMs),
  });
  const { deliver, resumed } = polls;
  const approvals = createApprovals({ store, clock, mail, parkedMax, deliver });
  approvals.restore((await store.approvals({ state: "waiting", max: restoredMax })).approvals);
  const halts = createHalts({ store, clock, mail, presence, deliver, resumed });
  const witness = createWitness({ store, clock, log, presence });
  deadlines.within(0);
  const neighbors =
    shared === null
      ? null
      : joinNeighbors({
          store,
          shared,
          clock,
          log,
          presence,
          mail,
          polls,
          readers,
          approvals,
          deadlines,
          netMs: leaseMs / 9,
        });
  await neighbors?.lookAgain();
  const pruning = clock.every(600_000, () => {
    store
      .prune(clock.now() - options.retentionMs, 5_000)
      .catch((error: unknown) => log.error("prune failed", { why: chainOf(error) }));
  });

  return {
    approvals,
    halts,
    witness,
    submit,
    poll: (request) => polls.poll(request),
    started: (held) => store.start(held, clock.now()),
    beat,
    async leave(instance, held) {
      presence.leftInstance(instance);
      await polls.giveBack(instance, held);
      approvals.changed();
    },
    settle,
    cancel,
    read: createReading({ store, clock, log, readers, parkedMax, isStopped: () => stopped }),
    presences,
    onlineWorkers: () => presence.onlineCount(),
    isStopping: () => stopped,
    stop,
    async [Symbol.asyncDispose]() {
      stop();
      deadlines[Symbol.dispose]();
      announcer?.[Symbol.dispose]();
      neighbors?.[Symbol.dispose]();
      pruning.cancel();
      await store[Symbol.asyncDispose]();
    },
  };

  async function submit(submission: Submission, by?: Actor): Promise<Receipt> {
    // Of several processes one may stop while the store stays: what still arrives is taken.
    if (stopped && shared === null) throw new Problem("stopping");
    const at = clock.now();
    const id = submission.id ?? newTaskId(at, randomBytes(10));
    const selector = selectorOf(submission, submission.spec);
    const stored = store.submit({
      id,
      submission,
      selector,
      digest: digestOf(submission),
      deliverBy: at + submission.ttlMs,
      at,
      queuedMax: options.queuedTasksMax,
      action: by === undefined ? undefined : { by, action: "task.submit", target: id, at },
    });
    // Asked for in the same turn: the claim shares the submit's transaction.
    polls.wake([selector]);
    deadlines.within(submission.ttlMs);
    const answer = await stored;
    const { worker } = submission;
    const chances = {
      online: presence.anyoneFor(selector),
      stopped: worker !== undefined && mail.isHalted(worker),
    };
    switch (answer.kind) {
      case "conflict":
        throw new Problem(
          "idempotency-conflict",
          submission.id === undefined ? {} : { line: "This id was used for another task" },
        );
      case "full":
        throw new Problem("queue-full", {
          line: `The queue is full: ${answer.queued} tasks are unfinished.`,
          retryAfterSeconds: 5,
        });
      case "same":
        return { id: answer.id, sessionId: answer.sessionId, ...chances };
      case "created":
        return { id, sessionId: sessionOf(submission.spec), ...chances };
    }
  }

  async function beat({ worker, instance, held, ...told }: Beat): Promise<BeatAnswer> {
    if (worker !== undefined) {
      const record = presence.introduce(worker);
      // A worker with its hands full may be between two polls: its beat promises the next one.
      presence.seen({ name: worker.name, leased: true }, limits.beatMs * 2);
      await store.saveWorker(record);
    }
    const process = worker?.instance ?? instance ?? null;
    if (told.stopped !== undefined) {
      const name = worker?.name ?? (process === null ? null : presence.nameOf(process));
      if (name !== null) await halts.told(name, told.stopped, told.stopSeen ?? null);
    }
    // What waits for a person is held as well, begun or not.
    const keeps = new Map(
      [...held, ...(told.asking ?? [])].map((one) => [`${one.taskId} ${one.fence}`, one]),
    );
    if (keeps.size === 0) return { now: clock.now(), cancel: [], stale: [] };
    const renewed = await store.renew({
      instance: process,
      held: [...keeps.values()],
      leaseUntil: leaseEnd(),
    });
    return { now: clock.now(), cancel: [...renewed.cancel], stale: [...renewed.stale] };
  }

  async function settle({ taskId, fence, report, freed }: SettleMessage): Promise<Settled["kind"]> {
    const stored = settlePatiently(store, clock, { taskId, fence, report, at: clock.now() });
    // In the same transaction the worker's parked poll gets its next task.
    const isHere = freed === null || polls.freed(freed);
    const settled = await stored;
    // Its poll may wait at another process.
    if (freed !== null && !isHere) await shared?.freed(freed);
    if (settled.kind === "settled") ended(settled.result, settled.readied);
    return settled.kind;
  }

  async function cancel(id: TaskId, by?: Actor): Promise<Cancelled> {
    const at = clock.now();
    const action = by === undefined ? undefined : { by, action: "task.cancel", target: id, at };
    const cancelled = await store.cancel(id, at, action);
    if (cancelled.kind === "ended") ended(cancelled.result, cancelled.readied);
    if (cancelled.kind === "ended" || cancelled.kind === "asked") {
      const { holder } = cancelled;
      if (holder?.leased) polls.cancel(holder.instance, holder);
    }
    return cancelled;
  }

  function ended(result: Result, readied: readonly string[]): void {
    readers.tell(result.taskId, result);
    approvals.ended(result.taskId);
    polls.wake(readied);
  }

  async function sweep(): Promise<void> {
    const swept = await store.sweep(clock.monotonic(), clock.now());
    for (const result of swept.ended) ended(result, []);
    if (swept.readied.length > 0) approvals.changed();
    polls.wake(swept.readied);
  }

  function sweepFailed(error: unknown): void {
    if (shared !== null && isAway(error)) return;
    log.error("sweep failed", { why: chainOf(error) });
  }

  async function presences(): Promise<readonly Presence[]> {
    const running = new Map<string, number>();
    for (const task of await store.list({ status: "running", max: limits.listMax * 5 })) {
      if (task.worker !== null) running.set(task.worker, (running.get(task.worker) ?? 0) + 1);
    }
    const alarms = await store.alarms();
    return presence.list({ running, alarms, haltOf: (name) => mail.haltOf(name) });
  }

  function stop(): void {
    stopped = true;
    polls.stop();
    readers.dismiss();
    approvals.dismiss();
  }
}

/** What makes two submits the same: everything but the key itself. A signed one has its id as key. */
function digestOf(submission: Submission): string {
  const { idempotencyKey, ...body } = submission;
  if (idempotencyKey === undefined && body.id === undefined) return "";
  return createHash("sha256").update(canonicalJson(body)).digest("base64url");
}
