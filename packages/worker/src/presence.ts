// Being there for the server: introduces the worker, keeps exactly one poll outstanding, renews the
// leases of what is held, and notices when the computer has slept. What a task is, it does not know.

import { createBackoff, type Backoff, type Clock, type Log } from "@openclaw-worker/base";
import { limits, type Introduction } from "@openclaw-worker/protocol";
import type { Answer } from "./answer.ts";
import type { Heard, Link } from "./link.ts";
import type { Slots } from "./slots.ts";
import { verifyHeld } from "./verify.ts";
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
}

export interface Presence {
  /** Hands every entry of `tasks` to `onTask`, unparsed, until the signal is aborted. */
  keep(onTask: (value: unknown) => void, signal: AbortSignal): Promise<void>;
  /** Polls anew at once: the free slots changed without a message that says so. */
  readonly refresh: () => void;
}

const firstPauseMs = 100;
const longestPauseMs = 1_500;
// More entries than any honest server sends: the rest goes back when its leases are over.
const tasksPerAnswerMax = 128;
// Empty answers that come at once are a fault of the server; they must not keep a core busy.
const hastyAnswersMax = 3;
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

  const refresh = (): void => {
    nudge.abort();
    nudge = new AbortController();
  };

  const beat = async (signal: AbortSignal): Promise<Answer<unknown>> => {
    beating = true;
    const answer = await link.beat({ worker: introduction, held: [...slots.held()] }, signal)
      .answer;
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
    while (!signal.aborted) {
      const askedAt = clock.monotonic();
      // The first poll is not held: its answer says that the server accepts this worker.
      const answer = await poll(ready ? parts.pollMs : 0, signal);
      if (answer.kind !== "ok") {
        away ||= answer.kind === "retry";
        await pause(answer, backoff, signal);
        continue;
      }
      hear(parts, answer.value, onTask);
      if (!ready) parts.onReady();
      if (answer.value.unknown === true) await introduce(signal);
      else if (away) beatIfHolding(signal);
      const idle =
        ready && answer.value.tasks.length === 0 && clock.monotonic() - askedAt < hastyMs;
      hasty = idle ? hasty + 1 : 0;
      [ready, away] = [true, false];
      if (hasty > hastyAnswersMax)
        await backoff.wait(AbortSignal.any([signal, nudge.signal])).catch(() => {});
      else backoff.reset();
    }
  };

  return {
    refresh,
    async keep(onTask, signal) {
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

function hear({ log, slots }: PresenceParts, heard: Heard, onTask: (value: unknown) => void): void {
  for (const value of heard.tasks.slice(0, tasksPerAnswerMax)) onTask(value);
  if (heard.tasks.length > tasksPerAnswerMax) {
    log.warn(
      `the server sent ${heard.tasks.length} tasks at once; ${tasksPerAnswerMax} were looked at`,
    );
  }
  cancelAll(slots, heard.cancel);
}

function cancelAll(slots: Slots, entries: readonly unknown[]): void {
  for (const { taskId } of verifyHeld(entries)) slots.find(taskId)?.cancel("Cancelled");
}

// A stale attempt may be running elsewhere by now. Its result is still offered; the server judges it.
function dropStale(slots: Slots, entries: readonly unknown[]): void {
  for (const { taskId, fence } of verifyHeld(entries)) {
    const slot = slots.find(taskId);
    if (slot?.fence === fence)
      slot.cancel("Cancelled: the server says that this attempt is no longer this worker's");
  }
}
