// The only file that knows the clock and the timers: everything else is handed a Clock.

/** Time and timers. Wall time may jump; monotonic time never does (it may stand still in sleep). */
export interface Clock {
  /** Wall time in integer milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonic(): number;
  /** Calls `run` once after `delayMs`. The handle cancels it and can be disposed by `using`. */
  after(delayMs: number, run: () => void): Timer;
  /** Calls `run` every `periodMs` until cancelled. Never keeps the process alive. */
  every(periodMs: number, run: () => void): Timer;
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export interface Timer extends Disposable {
  cancel(): void;
}

// setTimeout fires at once for anything longer than a signed 32-bit integer.
const longestTimerMs = 2_147_483_647;

export function systemClock(): Clock {
  const after = (delayMs: number, run: () => void): Timer => {
    const handle = setTimeout(run, Math.min(Math.max(0, delayMs), longestTimerMs));
    return timer(() => clearTimeout(handle));
  };
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    after,
    every(periodMs, run) {
      const handle = setInterval(run, periodMs);
      handle.unref();
      return timer(() => clearInterval(handle));
    },
    sleep: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const stop = (): void => {
          waiting.cancel();
          reject(signal?.reason);
        };
        const waiting = after(delayMs, () => {
          signal?.removeEventListener("abort", stop);
          resolve();
        });
        signal?.addEventListener("abort", stop, { once: true });
      }),
  };
}

function timer(cancel: () => void): Timer {
  return { cancel, [Symbol.dispose]: cancel };
}
