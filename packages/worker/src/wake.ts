import type { Clock, Timer } from "@openclaw-worker/base";

const tickMs = 2_000;
const jumpMs = 10_000;

/**
 * Calls `woke` with the missing milliseconds when time has jumped by more than 10 s: the computer
 * slept, or this process stood still. Either clock may tell (the monotonic one may sleep too).
 */
export function watchWake(clock: Clock, woke: (goneMs: number) => void): Timer {
  let wall = clock.now();
  let monotonic = clock.monotonic();
  return clock.every(tickMs, () => {
    const goneMs = Math.max(Math.abs(clock.now() - wall), clock.monotonic() - monotonic) - tickMs;
    wall = clock.now();
    monotonic = clock.monotonic();
    if (goneMs > jumpMs) woke(goneMs);
  });
}
