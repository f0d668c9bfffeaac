import type { Clock } from "./clock.ts";

export interface BackoffOptions {
  readonly clock: Clock;
  /** First pause, in milliseconds. */
  readonly firstMs: number;
  /** Longest pause, in milliseconds. */
  readonly longestMs: number;
  /** A number in [0, 1); handed in so that tests can hold it still. */
  readonly random: () => number;
}

/** Pauses between tries: doubled each time, with full jitter in the upper half, up to a longest. */
export interface Backoff {
  /** Waits for the next pause. Rejects with the signal's reason when aborted. */
  wait(signal: AbortSignal): Promise<void>;
  /** Starts again from the first pause: call it after a success. */
  reset(): void;
}

export function createBackoff(options: BackoffOptions): Backoff {
  let tries = 0;
  return {
    wait(signal) {
      const ceiling = Math.min(options.longestMs, options.firstMs * 2 ** Math.min(tries, 30));
      tries += 1;
      return options.clock.sleep(ceiling * (0.5 + options.random() / 2), signal);
    },
    reset() {
      tries = 0;
    },
  };
}
