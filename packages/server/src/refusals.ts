// Who was turned away, for the log of actions: each address once a minute, and few addresses a
// minute, so that a flood of wrong tokens writes next to nothing. What is left out is counted.

import type { Clock } from "@openclaw-worker/base";
import type { NewAction } from "./store/action.ts";

export interface Refusals {
  note(from: string): void;
}

const windowMs = 60_000;
const notedMax = 30;

export function createRefusals(clock: Clock, act: (action: NewAction) => void): Refusals {
  let noted = new Set<string>();
  let windowEnd = 0;
  let leftOut = 0;
  return {
    note(from) {
      const now = clock.monotonic();
      if (now >= windowEnd) {
        noted = new Set();
        windowEnd = now + windowMs;
      }
      if (noted.has(from) || noted.size >= notedMax) {
        leftOut += 1;
        return;
      }
      noted.add(from);
      const target = leftOut === 0 ? "" : `and ${leftOut} before that were not noted`;
      leftOut = 0;
      act({ by: { name: "nobody", from }, action: "auth.refused", target, at: clock.now() });
    },
  };
}
