import type { Backoff, Clock } from "@openclaw-worker/base";
import { ClientError } from "./failure.ts";
import { connectMs } from "./send.ts";

export interface Patience {
  readonly clock: Clock;
  readonly ms: number;
  readonly backoff: Backoff;
}

/**
 * Tries until it succeeds, fails for good, or patience is over; then the last failure is the answer.
 * Patience counts from the first failure, and anew after an attempt that lasted so long that it must
 * have been connected: a wait that is cut after nine minutes has not lost any.
 */
export async function patiently<T>(
  { clock, ms, backoff }: Patience,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  const giveUp = signal ?? new AbortController().signal;
  let untilMs: number | null = null;
  for (;;) {
    const startedAt = clock.monotonic();
    try {
      return await attempt();
    } catch (thrown) {
      if (!(thrown instanceof ClientError) || !thrown.retry) throw thrown;
      const now = clock.monotonic();
      if (untilMs === null || now - startedAt > 2 * connectMs) {
        untilMs = now + ms;
        backoff.reset();
      }
      const asked = thrown.retryAfterMs ?? 0;
      if (now + asked >= untilMs) throw thrown;
      await (asked > 0 ? clock.sleep(asked, giveUp) : backoff.wait(giveUp));
    }
  }
}
