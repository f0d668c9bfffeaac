// Being there for the server: introduces the worker, keeps exactly one poll outstanding, renews the
// leases of what is held, and notices when the computer has slept. What a task is, it does not know.

import { createBackoff, type Backoff, type Clock, type Log } from "@openclaw-worker/base";
import { limits, type Introduction, type Stopped, type TaskId } from "@openclaw-worker/protocol";
import type { Answer } from "./answer.ts";
import type { Heard, Link } from "./link.ts";
import type { Overreach } from "./overreach.ts";
import type { Slots } from "./slots.ts";
import type { StopHeard } from "./stop.ts";
import { labelOf, verifyHeld } from "./verify.ts";
import { watchWake } from "./wake.ts";

export interface PresenceParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly link: Link;
  readonly slots: Slots;
  readonly introduction: Introduction;
  /** How long the server shall hold a poll, in milliseconds. */
  readonly pollMs: number;
  /** Called once, when the server has accepted the first poll. */
  readonly onReady: () => void;
  /** What else the server may bring, unparsed. */
  readonly orders: Orders;
  /** Writes down what the server says that is not its to say. */
  readonly overreach: Overreach;
}

/** Stops, and decisions of people on their way through the server. */
export interface Orders {
  /** The stop in force, for the server to show; undefined: this worker cannot be stopped. */
  readonly stopped: () => Stopped | null | undefined;
  /** The server's newest order to stop that was carried out. */
  readonly stopSeen: () => TaskId | undefined;
  hearStop(value: unknown): StopHeard;
  /** Says whether one of them changed anything. */
  hearDecisions(values: readonly unknown[]): boolean;
}

export interface Presence {
  /** Hands every entry of `tasks` to `onTask`, unparsed, until the signal is aborted. */
  keep(onTask: (value: unknown) => void, signal: AbortSignal): Promise<void>;
  /** Polls anew at once: the free slots changed without a message that says so. */
  readonly refresh: () => void;
  /** Tells the server anew what this worker is, until it knows: something about its stop is news. */
  readonly announce: () => void;
}

const firstPauseMs = 100;
const longestPauseMs = 1_500;
// More entries than any honest server sends: the rest goes back when its leases are over.
const tasksPerAnswerMax = 128;
const decisionsMax = 1_000;
// Answers that come at once and bring nothing new are a fault of the server; they must not keep a
// core busy, nor fill a log.
const hastyAnswersMax = 3;
const rememberedIdsMax = 1_024;
const hastyMs = 50;

export function createPresence(parts: PresenceParts): Presence {
  const { clock, link, slots, introduction, log } = parts;
  const pauses = (): Backoff =>
    createBackoff({
      clock,
      firstMs: firstPauseMs,
      longestMs: longestPauseMs,
      random: parts.random,
    });
  let nudge = new AbortController();
  let beating = false;
  let announcing = false;
  let news = 0;
  let life: AbortSignal | null = null;

  const refresh = (): void => {
    nudge.abort();
    nudge = new AbortController();
  };

  const beat = async (signal: AbortSignal): Promise<Answer<unknown>> => {
    beating = true;
    const message = {
      worker: introduction,
      held: [...slots.held()],
      asking: [...slots.asking()],
      stopped: parts.orders.stopped(),
      stopSeen: parts.orders.stopSeen(),
    };
    const answer = await link.beat(message, signal).answer;
    beating = false;
    if (answer.kind === "ok") {
      cancelAll(slots, answer.value.cancel);
      dropStale(slots, answer.value.stale);
    }
    return answer;
  };

  const beatIfHolding = (signal: AbortSignal): void => {
    if (!beating && slots.held().length > 0) void beat(signal);
  };

  const introduce = async (signal: AbortSignal): Promise<void> => {
    const backoff = pauses();
    while (!signal.aborted) {
      const answer = await beat(signal);
      if (answer.kind === "ok") return;
      await pause(answer, backoff, signal);
    }
  };

  const announce = async (): Promise<void> => {
    news += 1;
    if (announcing || life === null) return;
    announcing = true;
    // What changes while a beat is on its way is told by another.
    for (let told = 0; !life.aborted && told !== news;) {
      const now = news;
      await introduce(life);
      told = now;
    }
    announcing = false;
  };

  const pause = async (
    answer: Answer<unknown>,
    backoff: Backoff,
    signal: AbortSignal,
  ): Promise<void> => {
    if (answer.kind === "interrupted") return;
    const either = AbortSignal.any([signal, nudge.signal]);
    const asked = answer.kind === "retry" ? answer.afterMs : null;
    await (asked === null ? backoff.wait(either) : clock.sleep(asked, either)).catch(() => {});
  };

  const poll = (wait: number, signal: AbortSignal): Promise<Answer<Heard>> => {
    const query = {
      wait,
      workerId: introduction.name,
      instance: introduction.instance,
      ...slots.tell(),
    };
    return link.poll(query, AbortSignal.any([signal, nudge.signal])).answer;
  };

  const keepPolling = async (
    onTask: (value: unknown) => void,
    signal: AbortSignal,
  ): Promise<void> => {
    const backoff = pauses();
    let [ready, away, hasty] = [false, false, 0];
    const isNew = createMemory(rememberedIdsMax);
    while (!signal.aborted) {
      const askedAt = clock.monotonic();
      // The first poll is not held: its answer says that the server accepts this worker.
      const answer = await poll(ready ? parts.pollMs : 0, signal);
      if (answer.kind !== "ok") {
        away ||= answer.kind === "retry";
        await pause(answer, backoff, signal);
        continue;
      }
      if (away) parts.overreach.renew();
      const again = (): void => void announce();
      const brought = hear(parts, answer.value, { onTask, isNew, again });
      if (!ready) parts.onReady();
      if (answer.value.unknown === true) await introduce(signal);
      else if (away) beatIfHolding(signal);
      const idle = ready && !brought && clock.monotonic() - askedAt < hastyMs;
      hasty = idle ? hasty + 1 : 0;
      [ready, away] = [true, false];
      if (hasty > hastyAnswersMax)
        await backoff.wait(AbortSignal.any([signal, nudge.signal])).catch(() => {});
      else backoff.reset();
    }
  };

  return {
    refresh,
    announce: () => void announce(),
    async keep(onTask, signal) {
      life = signal;
      using _wake = watchWake(clock, (goneMs) => {
        log.info(`awake after ${Math.round(goneMs / 1000)} s: connecting anew`);
        link.reset();
        refresh();
        beatIfHolding(signal);
      });
      using _beats = clock.every(limits.beatMs, () => beatIfHolding(signal));
      await introduce(signal);
      await keepPolling(onTask, signal);
    },
  };
}

interface Ear {
  readonly onTask: (value: unknown) => void;
  readonly isNew: (taskId: string) => boolean;
  /** The server has not heard that its order was carried out. */
  readonly again: () => void;
}

/** True when the answer changed something: a task that was not heard of just now, an end, a yes. */
function hear(parts: PresenceParts, heard: Heard, { onTask, isNew, again }: Ear): boolean {
  const { log, slots, orders } = parts;
  let brought = false;
  let strange = 0;
  parts.overreach.inAnswer(Object.keys(heard));
  // A stop comes before all that is beside it: tasks are given back, and a yes begins nothing.
  if (heard.stop !== undefined && heard.stop !== null) {
    const stop = orders.hearStop(heard.stop);
    brought = stop === "stopped";
    if (stop === "again") again();
  }
  for (const value of heard.tasks.slice(0, tasksPerAnswerMax)) {
    const label = labelOf(value);
    if (label === null) {
      strange += 1;
      continue;
    }
    if (isNew(label.taskId)) brought = true;
    onTask(value);
  }
  if (strange > 0) log.warn(`the server sent ${strange} things that are no tasks`);
  if (heard.tasks.length > tasksPerAnswerMax) {
    log.warn(
      `the server sent ${heard.tasks.length} tasks at once; ${tasksPerAnswerMax} were looked at`,
    );
  }
  // What was cancelled is not begun by a yes that came with it.
  if (cancelAll(slots, heard.cancel)) brought = true;
  if (heard.decisions.length === 0) return brought;
  return orders.hearDecisions(heard.decisions.slice(0, decisionsMax)) || brought;
}

/** Says of each word whether it was not among the latest `max`. */
function createMemory(max: number): (word: string) => boolean {
  const words = new Set<string>();
  return (word) => {
    if (words.has(word)) return false;
    words.add(word);
    const [oldest] = words;
    if (words.size > max && oldest !== undefined) words.delete(oldest);
    return true;
  };
}

/** Says whether there was one that was not cancelled before. */
function cancelAll(slots: Slots, entries: readonly unknown[]): boolean {
  let any = false;
  for (const { taskId } of verifyHeld(entries)) {
    const slot = slots.find(taskId);
    if (slot === undefined || slot.signal.aborted) continue;
    slot.cancel("Cancelled");
    any = true;
  }
  return any;
}

// A stale attempt may be running elsewhere by now. Its result is still offered; the server judges it.
function dropStale(slots: Slots, entries: readonly unknown[]): void {
  for (const { taskId, fence } of verifyHeld(entries)) {
    const slot = slots.find(taskId);
    if (slot?.fence === fence)
      slot.cancel("Cancelled: the server says that this attempt is no longer this worker's");
  }
}
