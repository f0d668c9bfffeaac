// Somebody who is asked all day says yes in the end.

import type { Clock } from "@openclaw-worker/base";

export interface Fatigue {
  /** Why nobody is asked now, or null. */
  refuses(waiting: number): string | null;
  asked(): void;
}

const waitingMax = 20;
const perHourMax = 60;
const hourMs = 3_600_000;

/** Counts by the clock that does not jump. */
export function createFatigue(clock: Clock): Fatigue {
  let lately: readonly number[] = [];
  return {
    refuses(waiting) {
      if (waiting >= waitingMax) {
        return `${waiting} questions wait for a person already: answer some, or allow it by a rule`;
      }
      lately = lately.filter((at) => at > clock.monotonic() - hourMs);
      if (lately.length < perHourMax) return null;
      return `a person was asked ${perHourMax} times within the hour: allow it by a rule, or wait`;
    },
    asked: () => void (lately = [...lately, clock.monotonic()]),
  };
}
