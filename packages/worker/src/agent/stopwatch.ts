import type { Clock, Timer } from "@openclaw-worker/base";

/** A time limit that does not count the time while it is paused. */
export interface Stopwatch extends Disposable {
  /** Pauses nest: as many `resume` as `pause` let it run again. */
  pause(): void;
  resume(): void;
  /** Starts again from the whole time. */
  restart(): void;
}

/** Calls `run` once when `limitMs` have passed that were not paused. */
export function startStopwatch(clock: Clock, limitMs: number, run: () => void): Stopwatch {
  let leftMs = limitMs;
  let pauses = 0;
  let startedAt = 0;
  let timer: Timer | null = null;
  const go = (): void => {
    startedAt = clock.monotonic();
    timer = clock.after(leftMs, run);
  };
  const halt = (): void => {
    timer?.cancel();
    timer = null;
  };
  go();
  return {
    pause() {
      pauses += 1;
      if (pauses > 1) return;
      halt();
      leftMs = Math.max(0, leftMs - (clock.monotonic() - startedAt));
    },
    resume() {
      pauses -= 1;
      if (pauses === 0) go();
    },
    restart() {
      leftMs = limitMs;
      if (pauses > 0) return;
      halt();
      go();
    },
    [Symbol.dispose]() {
      halt();
      // Nothing starts it again.
      pauses = Number.POSITIVE_INFINITY;
    },
  };
}
