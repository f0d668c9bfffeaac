// One timer for everything that has a deadline: leases and expiries. It is set for the earliest of
// them and looks at the store only then.

import type { Clock, Timer } from "@openclaw-worker/base";
import type { NextSweep } from "../store/store.ts";

export interface Deadlines extends Disposable {
  /** Something new ends in `inMs`: the timer is moved when that is earlier than what it is set for. */
  within(inMs: number): void;
}

export interface DeadlineOptions {
  readonly clock: Clock;
  readonly next: () => Promise<NextSweep>;
  /** Ends what is due. `lateMs`: how much later than planned the timer fired. */
  readonly sweep: (lateMs: number) => Promise<void>;
  readonly failed: (error: unknown) => void;
}

/** After a failed sweep, and the shortest pause between two sweeps. */
const retryMs = 1_000;
const shortestMs = 20;

export function createDeadlines(options: DeadlineOptions): Deadlines {
  const { clock } = options;
  let dueAt = Number.POSITIVE_INFINITY;
  let timer: Timer | null = null;
  let closed = false;

  const set = (inMs: number): void => {
    const at = clock.monotonic() + Math.max(shortestMs, inMs);
    if (closed || at >= dueAt) return;
    timer?.cancel();
    dueAt = at;
    timer = clock.after(at - clock.monotonic(), fire);
  };

  const fire = (): void => {
    const lateMs = clock.monotonic() - dueAt;
    dueAt = Number.POSITIVE_INFINITY;
    options
      .sweep(lateMs)
      .then(options.next)
      .then(({ leaseUntil, deliverBy }) => {
        if (leaseUntil !== null) set(leaseUntil - clock.monotonic());
        if (deliverBy !== null) set(deliverBy - clock.now());
      })
      .catch((error: unknown) => {
        if (closed) return;
        options.failed(error);
        set(retryMs);
      });
  };

  return {
    within: set,
    [Symbol.dispose]() {
      closed = true;
      timer?.cancel();
    },
  };
}
