import type { Clock, Timer } from "@openclaw-worker/base";

/** A clock that stands still until a test moves it. */
export interface ManualClock extends Clock {
  /** Moves both clocks on, and calls every timer that is due on the way, in order. */
  advance(ms: number): void;
  /** As `advance`, and lets what each timer began come to its end before time goes on. */
  pass(ms: number): Promise<void>;
  /** The process stood still: time passed, and every timer is late by the whole pause. */
  stall(ms: number): void;
  /** How many timers are set. */
  readonly timers: number;
}

interface Waiting {
  dueAt: number;
  readonly periodMs: number | null;
  readonly run: () => void;
}

export const startMs = 1_700_000_000_000;

export function manualClock(): ManualClock {
  let elapsed = 0;
  const waiting = new Set<Waiting>();

  const add = (one: Waiting): Timer => {
    waiting.add(one);
    const cancel = (): void => {
      waiting.delete(one);
    };
    return { cancel, [Symbol.dispose]: cancel };
  };
  const nextDue = (until: number): Waiting | null => {
    let next: Waiting | null = null;
    for (const one of waiting) {
      if (one.dueAt <= until && (next === null || one.dueAt < next.dueAt)) next = one;
    }
    return next;
  };
  const fire = (one: Waiting): void => {
    if (one.periodMs === null) waiting.delete(one);
    else one.dueAt = Math.max(one.dueAt, elapsed) + one.periodMs;
    one.run();
  };
  const after = (delayMs: number, run: () => void): Timer =>
    add({ dueAt: elapsed + Math.max(0, delayMs), periodMs: null, run });

  return {
    now: () => startMs + elapsed,
    monotonic: () => elapsed,
    after,
    every: (periodMs, run) => add({ dueAt: elapsed + periodMs, periodMs, run }),
    sleep: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        const timer = after(delayMs, resolve);
        signal?.addEventListener("abort", () => {
          timer.cancel();
          reject(signal.reason);
        });
      }),
    advance(ms) {
      const until = elapsed + ms;
      for (let next = nextDue(until); next !== null; next = nextDue(until)) {
        elapsed = Math.max(elapsed, next.dueAt);
        fire(next);
      }
      elapsed = until;
    },
    async pass(ms) {
      const until = elapsed + ms;
      for (let next = nextDue(until); next !== null; next = nextDue(until)) {
        elapsed = Math.max(elapsed, next.dueAt);
        fire(next);
        await turns();
      }
      elapsed = until;
    },
    stall(ms) {
      elapsed += ms;
      for (let next = nextDue(elapsed); next !== null; next = nextDue(elapsed)) fire(next);
    },
    get timers() {
      return waiting.size;
    },
  };
}

/** A few turns of the event loop: a write of the store and what follows from it take two. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
