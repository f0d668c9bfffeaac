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
  /** Ends what is due. */
  readonly sweep: () => Promise<void>;
  /** A pause of this process that is longer than this is told, always before the next sweep. */
  readonly stillMsMax: number;
  readonly stoodStill: () => void;
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
  let pulseAt = clock.monotonic();

  // A steady pulse, because a sweep that is hardly late may still follow a long pause.
  const feelPulse = (): void => {
    const now = clock.monotonic();
    if (now - pulseAt > options.stillMsMax) options.stoodStill();
    pulseAt = now;
  };
  const pulse = clock.every(options.stillMsMax / 3, feelPulse);

  const set = (inMs: number): void => {
    const at = clock.monotonic() + Math.max(shortestMs, inMs);
    if (closed || at >= dueAt) return;
    timer?.cancel();
    dueAt = at;
    timer = clock.after(at - clock.monotonic(), fire);
  };

  const fire = (): void => {
    dueAt = Number.POSITIVE_INFINITY;
    feelPulse();
    options
      .sweep()
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
      pulse.cancel();
    },
  };
}
