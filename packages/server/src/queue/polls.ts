// Workers that wait for work, and how work finds them.
//
// No task is missed between a claim that found nothing and the moment its poll is left parked:
// `arrivals` counts what became ready, and a claim is asked for again when something did meanwhile.

import { chainOf, type Clock, type Log } from "@openclaw-worker/base";
import { limits, type Held, type PollAnswer, type Task } from "@openclaw-worker/protocol";
import type { Freed } from "../store/shared.ts";
import type { Store } from "../store/store.ts";
import { isAway } from "./away.ts";
import type { Mail } from "./mail.ts";
import { createLot, type Parked } from "./park.ts";
import type { PresenceBook } from "./presence.ts";

/** A worker's poll. `capacity` null: an old worker, which takes one task and knows no lease. */
export interface PollRequest {
  readonly name: string;
  readonly instance: string;
  /** It said which process it is, so it must have introduced itself before it gets work. */
  readonly introduces: boolean;
  readonly capacity: number | null;
  readonly order: number;
  readonly holdMs: number;
  /** Aborted when the connection is gone. */
  readonly gone: AbortSignal;
}

export interface Polls {
  poll(request: PollRequest): Promise<PollAnswer>;
  /** Tasks with these selectors became ready, one for each mention. */
  wake(selectors: readonly string[]): void;
  /** Tasks with these selectors are ready: offered until nobody takes any more. */
  offer(selectors: readonly string[]): Promise<void>;
  /** Says whether the poll of that worker process waits here. */
  freed(freed: Freed): boolean;
  giveBack(instance: string, held: readonly Held[]): Promise<void>;
  /** Asks the worker process that holds this task to end it. */
  cancel(instance: string, held: Held): void;
  /** This task has ended: nobody needs to be asked any more. */
  ended(taskId: string): void;
  /** Something is on its way to this worker. */
  readonly deliver: (name: string) => void;
  /** This worker may be handed tasks again. */
  readonly resumed: (name: string) => void;
  stop(): void;
}

export interface PollsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly presence: PresenceBook;
  readonly mail: Mail;
  readonly parkedMax: number;
  readonly leaseEnd: () => number;
  /** Tells that a lease now runs. */
  readonly claimed: () => void;
}

/**
 * Tasks of one answer, in bytes of JSON: a worker takes answers of 64 MiB. One task is never more
 * than the body that it came in; what does not fit beside it comes with the worker's next poll.
 */
const answerBytesMax = limits.bodyBytes + 1_048_576;
/** After a hang-up a living worker polls again at once. */
const hangUpGraceMs = 5_000;
/** Worker processes that something is kept for until they poll. */
const rememberedMax = 10_000;
const noPost = { decisions: [], stop: null };

export function createPolls(options: PollsOptions): Polls {
  const { store, clock, log, presence, mail } = options;
  const lot = createLot((name) => mail.isHalted(name));
  const cancels = new Map<string, Map<string, Held>>();
  const newestFreed = new Map<string, Freed>();
  let arrivals = 0;
  let stopped = false;

  return { poll, wake, offer, freed, giveBack, cancel, ended, deliver, resumed, stop };

  async function poll(asked: PollRequest): Promise<PollAnswer> {
    const request = withNewest(asked);
    const { name, instance, gone } = request;
    const leased = request.capacity !== null;
    presence.seen({ name, leased }, request.holdMs);
    // A worker process has one poll: a newer one means that the older is dead.
    if (leased) lot.of(instance)?.answer([], []);

    const unknown = request.introduces && !presence.knows(name, instance);
    const { promise, resolve } = Promise.withResolvers<PollAnswer>();
    const parked: Parked = {
      claimant: { name, labels: leased ? presence.labelsOf(name) : [], leased },
      instance,
      capacity: request.capacity ?? 1,
      order: request.order,
      busy: false,
      over: false,
      answer: (tasks, cancelled) => {
        lot.remove(parked);
        // Who hung up was handed nothing; an old worker cannot be told anything.
        const post = leased && !unknown && !gone.aborted ? mail.collect(request) : noPost;
        resolve({
          tasks: [...tasks],
          cancel: [...cancelled],
          decisions: [...post.decisions],
          stop: post.stop,
          ...(unknown ? { unknown: true } : {}),
        });
      },
    };
    const waitingCancels = takeCancels(instance);
    const hasNews = waitingCancels.length > 0 || (leased && mail.isNew(request));
    if (stopped || unknown || hasNews || lot.size >= options.parkedMax) {
      // Answered at once; a worker that is not known yet gets no work before it said who it is.
      parked.answer([], waitingCancels);
      return promise;
    }
    const hangUp = (): void => {
      presence.left(name, hangUpGraceMs);
      parked.answer([], []);
    };
    gone.addEventListener("abort", hangUp, { once: true });
    const holdMs = leased ? Math.min(request.holdMs, mail.holdMsMax(request)) : request.holdMs;
    using _hold = clock.after(holdMs, () => end(parked));
    lot.add(parked);
    if (parked.capacity > 0 && !mail.isHalted(name)) await claimFor(parked);
    const answer = await promise;
    gone.removeEventListener("abort", hangUp);
    if (gone.aborted && answer.tasks.length > 0) {
      await giveBack(instance, heldOf(answer.tasks));
      return { ...answer, tasks: [] };
    }
    return answer;
  }

  // A message that was sent later may have arrived earlier, and knows better.
  function withNewest(request: PollRequest): PollRequest {
    const newest = newestFreed.get(request.instance);
    newestFreed.delete(request.instance);
    if (newest === undefined || newest.order <= request.order) return request;
    return { ...request, capacity: newest.capacity, order: newest.order };
  }

  // Claims for a parked poll and answers it when there was something; else it stays parked. Says
  // whether there was something.
  async function claimFor(parked: Parked): Promise<boolean> {
    parked.busy = true;
    try {
      for (;;) {
        const seen = arrivals;
        const tasks = await store.claim({
          claimant: parked.claimant,
          instance: parked.instance,
          max: parked.capacity,
          bytesMax: answerBytesMax,
          leaseUntil: options.leaseEnd() + (parked.claimant.leased ? 0 : limits.oldWorkerGraceMs),
          at: clock.now(),
        });
        if (tasks.length > 0) {
          options.claimed();
          if (lot.has(parked)) parked.answer(tasks, []);
          else await giveBack(parked.instance, heldOf(tasks));
          return true;
        }
        if (seen === arrivals) return false;
      }
    } catch (error) {
      // A shared store that is away says so when it is back, and the poll is offered work again. Else
      // the worker would ask in vain as fast as it can.
      if (store.shared !== null && isAway(error)) return false;
      log.error("claim failed", { why: chainOf(error) });
      parked.over = true;
      return false;
    } finally {
      parked.busy = false;
      settleParked(parked);
    }
  }

  // What came for a poll while its claim was under way.
  function settleParked(parked: Parked): void {
    if (!lot.has(parked)) return;
    const waiting = takeCancels(parked.instance);
    if (waiting.length > 0 || hasMail(parked) || parked.over || stopped) parked.answer([], waiting);
  }

  function wake(selectors: readonly string[]): void {
    const claims: Promise<boolean>[] = [];
    for (const selector of selectors) {
      arrivals += 1;
      const parked = lot.pick(selector);
      if (parked !== null) claims.push(claimFor(parked));
    }
    if (selectors.length > 1 && claims.length > 0) void wakeRest(selectors, claims);
  }

  async function offer(selectors: readonly string[]): Promise<void> {
    for (;;) {
      const claims = selectors.flatMap((selector) => {
        const parked = lot.pick(selector);
        return parked === null ? [] : [claimFor(parked)];
      });
      if (!(await Promise.all(claims)).includes(true)) return;
    }
  }

  // Of several tasks that became ready at once, a poll may have taken another one than it was woken
  // for: those that are left are offered again, until nobody takes any.
  async function wakeRest(
    selectors: readonly string[],
    claims: readonly Promise<boolean>[],
  ): Promise<void> {
    const took = await Promise.all(claims);
    if (took.includes(true)) wake([...new Set(selectors)]);
  }

  function freed(message: Freed): boolean {
    const parked = lot.of(message.instance);
    if (parked === null) {
      const known = newestFreed.get(message.instance);
      if (known === undefined || known.order < message.order)
        newestFreed.set(message.instance, message);
      bound(newestFreed);
      return false;
    }
    if (message.order <= parked.order) return true;
    parked.order = message.order;
    parked.capacity = message.capacity;
    claimAnew(parked);
    return true;
  }

  function claimAnew(parked: Parked): void {
    if (parked.busy || parked.capacity === 0 || mail.isHalted(parked.claimant.name)) return;
    void claimFor(parked);
  }

  function deliver(name: string): void {
    for (const parked of lot.named(name)) {
      if (!parked.busy && hasMail(parked)) parked.answer([], []);
    }
  }

  function hasMail({ claimant, instance }: Parked): boolean {
    return claimant.leased && mail.isNew({ name: claimant.name, instance });
  }

  function resumed(name: string): void {
    for (const parked of lot.named(name)) claimAnew(parked);
  }

  async function giveBack(instance: string, held: readonly Held[]): Promise<void> {
    wake(await store.giveBack(instance, held, clock.now()));
  }

  function cancel(instance: string, { taskId, fence }: Held): void {
    const parked = lot.of(instance);
    if (parked !== null && !parked.busy) return parked.answer([], [{ taskId, fence }]);
    // Between two polls: the next one carries it. Beats carry it too, so memory is enough here.
    const waiting = cancels.get(instance) ?? new Map<string, Held>();
    cancels.set(instance, waiting.set(taskId, { taskId, fence }));
    bound(cancels);
  }

  function ended(taskId: string): void {
    for (const [instance, waiting] of cancels) {
      if (waiting.delete(taskId) && waiting.size === 0) cancels.delete(instance);
    }
  }

  function takeCancels(instance: string): readonly Held[] {
    const waiting = cancels.get(instance);
    if (waiting === undefined) return [];
    cancels.delete(instance);
    return [...waiting.values()];
  }

  function end(parked: Parked): void {
    if (parked.busy) parked.over = true;
    else parked.answer([], []);
  }

  function stop(): void {
    stopped = true;
    for (const parked of lot.all()) end(parked);
  }
}

// What is said to a worker process that never polls here again would stay for good.
function bound(map: Map<string, unknown>): void {
  const [oldest] = map.keys();
  if (map.size > rememberedMax && oldest !== undefined) map.delete(oldest);
}

function heldOf(tasks: readonly Task[]): readonly Held[] {
  return tasks.map((task) => ({ taskId: task.id, fence: task.fence }));
}
