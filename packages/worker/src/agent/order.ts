// Two processes may resume one session at once, and each would then write the other's history away.
// So the tasks of a session take turns.

import { abortable } from "@openclaw-worker/base";

/** Turns, one line a key. */
export interface Order {
  /**
   * Resolves when all earlier holders of `key` have let go; dispose of it to let the next one go.
   * Rejects with the signal's reason when aborted while it waits, and then holds nothing.
   */
  take(key: string, signal: AbortSignal): Promise<Disposable>;
}

export function openOrder(): Order {
  const tails = new Map<string, Promise<void>>();
  return {
    async take(key, signal) {
      const before = tails.get(key) ?? Promise.resolve();
      const { promise: left, resolve: leave } = Promise.withResolvers<void>();
      // Whoever gives up in the line leaves it only once those before have gone.
      const tail = before.then(() => left);
      tails.set(key, tail);
      void tail.then(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
      try {
        await abortable(before, signal);
      } catch (error) {
        leave();
        throw error;
      }
      return { [Symbol.dispose]: leave };
    },
  };
}
