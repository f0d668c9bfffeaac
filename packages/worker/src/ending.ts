// How what is held comes to its end, when the worker does or when it is stopped.

import type { Clock } from "@openclaw-worker/base";
import type { Slots } from "./slots.ts";

/** How long a request that is on its way may take to be answered. */
export const beginningMs = 1_000;

/**
 * Ends everything that is held. A `started` on its way is answered within a moment; one that is not
 * has told nobody anything.
 */
export function endAll(slots: Slots, why: string, clock: Clock): Disposable {
  for (const slot of slots.all()) if (slot.confirmed || !slot.seated) slot.cancel(why);
  return clock.after(beginningMs, () => {
    for (const slot of slots.all()) slot.cancel(why);
  });
}

/** Waits for the work, and no longer than this. */
export async function within(
  work: Promise<unknown>,
  longestMs: number,
  clock: Clock,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _limit = clock.after(longestMs, resolve);
  await Promise.race([work, promise]);
}
