// Small things that tests wait for.

import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/**
 * Asks again every 10 ms until there is an answer: for what no event tells, such as a line that
 * another program writes to a file. The test's own timeout ends it.
 */
export async function until<T>(ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
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
