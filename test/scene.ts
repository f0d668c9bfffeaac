// Small things that tests wait for.

import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** A test that waits longer for one thing has failed, and ends while it can still tidy up. */
export const patienceMs = 100_000;

/**
 * Asks again every 10 ms until there is an answer: for what no event tells, such as a line that
 * another program writes to a file.
 * @throws Error when there is none in time
 */
export async function until<T>(ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > giveUpAt) throw new Error(`it has not come true: ${String(ask)}`);
    await pause(10);
  }
}

/** The lines of a file, or none when it is not there. */
export function linesOf(file: string): readonly string[] {
  try {
    return readFileSync(file, "utf8").split("\n").slice(0, -1);
  } catch {
    return [];
  }
}
