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
import type { Cancelled, Settled, Store, TaskRecord } from "../store/store.ts";
import { createDeadlines } from "./deadlines.ts";
import { createPolls, type Freed, type PollRequest } from "./polls.ts";
import { createPresenceBook } from "./presence.ts";
import { createReaders } from "./readers.ts";

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
}

export interface SettleMessage {
  readonly taskId: TaskId;
  readonly fence: number | null;
  readonly report: Report;
  readonly freed: Freed | null;
}

export type Waited =
  | { readonly kind: "result"; readonly result: Result }
  | { readonly kind: "not-ready"; readonly task: TaskRecord }
  | { readonly kind: "unknown" };

export interface Queue extends AsyncDisposable {
  submit(submission: Submission): Promise<Receipt>;
  poll(request: PollRequest): Promise<PollAnswer>;
  started(held: Held): Promise<"started" | "stale" | "unknown">;
  beat(beat: Beat): Promise<BeatAnswer>;
  /** Claimed tasks go back; the worker process `leaves`. */
  leave(instance: string, held: readonly Held[]): Promise<void>;
  settle(message: SettleMessage): Promise<Settled["kind"]>;
  cancel(id: TaskId): Promise<Cancelled>;
  /** The task's result, waited for up to `waitMs`; it counts as read from then on. */
  read(id: TaskId, waitMs: number, gone: AbortSignal): Promise<Waited>;
  presences(): Promise<readonly Presence[]>;
  onlineWorkers(): number;
  /** Answers everybody who waits, and lets nobody wait any more. */
  stop(): void;
}

export async function openQueue(options: QueueOptions): Promise<Queue> {
  const { store, clock, log, leaseMs } = options;
  const leaseEnd = (): number => Math.ceil(clock.monotonic() + leaseMs);
  const readers = createReaders();
  const presence = createPresenceBook(clock);
  let stopped = false;

  presence.restore(await store.workers());
  // Leases of an earlier process ran by its clock: whoever still holds a task gets a whole one.
  await store.forgive(leaseEnd());
  const deadlines = createDeadlines({
    clock,
    next: () => store.nextSweep(),
    sweep,
    // After a pause of a good part of a lease, beats may wait in the sockets unread.
    stillMsMax: leaseMs / 3,
    stoodStill: () => {
      store.forgive(leaseEnd()).catch(sweepFailed);
    },
    failed: sweepFailed,
  });
  const polls = createPolls({
    store,
    clock,
    log,
    presence,
    leaseEnd,
    parkedMax: options.parkedRequestsMax,
    claimed: () => deadlines.within(leaseMs),
  });
  deadlines.within(0);
  const pruning = clock.every(600_000, () => {
    store
      .prune(clock.now() - options.retentionMs, 5_000)
      .catch((error: unknown) => log.error("prune failed", { why: chainOf(error) }));
  });

  return {
    submit,
    poll: (request) => polls.poll(request),
    started: (held) => store.start(held, clock.now()),
    beat,
    async leave(instance, held) {
      presence.leftInstance(instance);
      await polls.giveBack(instance, held);
    },
    settle,
    cancel,
    read,
    presences,
    onlineWorkers: () => presence.onlineCount(),
    stop,
    async [Symbol.asyncDispose]() {
      stop();
      deadlines[Symbol.dispose]();
      pruning.cancel();
      await store[Symbol.asyncDispose]();
    },
  };

  async function submit(submission: Submission): Promise<Receipt> {
    if (stopped) throw new Problem("stopping");
    const at = clock.now();
    const id = newTaskId(at, randomBytes(10));
    const selector = selectorOf(submission, submission.spec);
    const stored = store.submit({
      id,
      submission,
      selector,
      digest: digestOf(submission),
      deliverBy: at + submission.ttlMs,
      at,
      queuedMax: options.queuedTasksMax,
    });
    // Asked for in the same turn: the claim shares the submit's transaction.
    polls.wake([selector]);
    deadlines.within(submission.ttlMs);
    const answer = await stored;
    switch (answer.kind) {
      case "conflict":
        throw new Problem("idempotency-conflict");
      case "full":
        throw new Problem("queue-full", {
          line: `The queue is full: ${answer.queued} tasks are unfinished.`,
          retryAfterSeconds: 5,
        });
      case "same":
        return { id: answer.id, sessionId: answer.sessionId, online: presence.anyoneFor(selector) };
      case "created":
        return { id, sessionId: sessionOf(submission.spec), online: presence.anyoneFor(selector) };
    }
  }

  async function beat({ worker, instance, held }: Beat): Promise<BeatAnswer> {
    if (worker !== undefined) {
      const record = presence.introduce(worker);
      // A worker with its hands full may be between two polls: its beat promises the next one.
      presence.seen({ name: worker.name, leased: true }, limits.beatMs * 2);
      await store.saveWorker(record);
    }
    if (held.length === 0) return { now: clock.now(), cancel: [], stale: [] };
    const renewed = await store.renew({
      instance: worker?.instance ?? instance ?? null,
      held,
      leaseUntil: leaseEnd(),
    });
    return { now: clock.now(), cancel: [...renewed.cancel], stale: [...renewed.stale] };
  }

  async function settle({ taskId, fence, report, freed }: SettleMessage): Promise<Settled["kind"]> {
    const stored = store.settle({ taskId, fence, report, at: clock.now() });
    // In the same transaction the worker's parked poll gets its next task.
    if (freed !== null) polls.freed(freed);
    const settled = await stored;
    if (settled.kind === "settled") ended(settled.result, settled.readied);
    return settled.kind;
  }

  async function cancel(id: TaskId): Promise<Cancelled> {
    const cancelled = await store.cancel(id, clock.now());
    if (cancelled.kind === "ended") ended(cancelled.result, cancelled.readied);
    if (cancelled.kind === "ended" || cancelled.kind === "asked") {
      const { holder } = cancelled;
      if (holder?.leased) polls.cancel(holder.instance, holder);
    }
    return cancelled;
  }

  async function read(id: TaskId, waitMs: number, gone: AbortSignal): Promise<Waited> {
    const known = await store.result(id);
    if (known !== null) return markRead(id, known);
    const task = await store.get(id);
    if (task === null) return { kind: "unknown" };
    if (waitMs <= 0 || stopped) return { kind: "not-ready", task };
    if (readers.size >= options.parkedRequestsMax) throw new Problem("too-many-waiting");

    const { promise, resolve } = Promise.withResolvers<Result | null>();
    const leave = readers.wait(id, resolve);
    const giveUp = (): void => resolve(null);
    if (gone.aborted) giveUp();
    gone.addEventListener("abort", giveUp, { once: true });
    using _timer = clock.after(waitMs, giveUp);
    try {
      // It may have ended between the first look and the moment this reader waits.
      const result = (await store.result(id)) ?? (await promise);
      if (result !== null) return markRead(id, result);
    } finally {
      leave();
      gone.removeEventListener("abort", giveUp);
    }
    const latest = await store.get(id);
    return latest === null ? { kind: "unknown" } : { kind: "not-ready", task: latest };
  }

  // The mark may be written after the answer: a crash in between leaves a result unread, no more.
  function markRead(id: TaskId, result: Result): Waited {
    store
      .markRead(id, clock.now())
      .catch((error: unknown) => log.warn("read mark was not written", { why: chainOf(error) }));
    return { kind: "result", result };
  }

  function ended(result: Result, readied: readonly string[]): void {
    readers.tell(result.taskId, result);
    polls.wake(readied);
  }

  async function sweep(): Promise<void> {
    const swept = await store.sweep(clock.monotonic(), clock.now());
    for (const result of swept.ended) ended(result, []);
    polls.wake(swept.readied);
  }

  function sweepFailed(error: unknown): void {
    log.error("sweep failed", { why: chainOf(error) });
  }

  async function presences(): Promise<readonly Presence[]> {
    const running = new Map<string, number>();
    for (const task of await store.list({ status: "running", max: limits.listMax * 5 })) {
      if (task.worker !== null) running.set(task.worker, (running.get(task.worker) ?? 0) + 1);
    }
    return presence.list(running);
  }

  function stop(): void {
    stopped = true;
    polls.stop();
    readers.dismiss();
  }
}

/** What makes two submits the same: everything but the key itself. */
function digestOf(submission: Submission): string {
  const { idempotencyKey, ...body } = submission;
  if (idempotencyKey === undefined) return "";
  return createHash("sha256").update(canonicalJson(body)).digest("base64url");
}
