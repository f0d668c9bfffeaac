// Somebody who is asked all day says yes in the end. So few questions wait at once, and of one
// submitter only so many are asked within the hour, and so many in quick succession: what comes
// faster waits for its turn before it is shown. Unsigned tasks are nobody's: they share one hour, and
// no turn is theirs, because whoever sends many could be many.

import { messageOf, type Clock } from "@openclaw-worker/base";
import type { ApprovalStore } from "./store.ts";

export interface Fatigue {
  /**
   * Resolves when the next question of this submitter may be shown, or when the signal is aborted;
   * at once with a sentence when nobody is to be asked. Until its turn is disposed, a question is
   * counted among those that wait.
   * @param submitter null: nobody signed the task
   */
  turn(submitter: string | null, signal: AbortSignal): Promise<Turn | string>;
}

export interface Turn extends Disposable {
  /** The store counts it from now on. */
  asked(): void;
}

export interface FatigueParts {
  readonly clock: Clock;
  readonly store: Pick<ApprovalStore, "askedSince">;
}

const waitingMax = 20;
const perHourMax = 60;
const hourMs = 3_600_000;
const burstMax = 5;
const burstMs = 10_000;

export function createFatigue({ clock, store }: FatigueParts): Fatigue {
  const waiting = new Set<symbol>();
  /** When each submitter's newest questions were shown, or will be, by the clock that does not jump. */
  const shown = new Map<string, readonly number[]>();
  /** Those that the store does not count yet. */
  const coming = new Map<symbol, string | null>();

  const refusal = (submitter: string | null): string | null => {
    if (waiting.size >= waitingMax) {
      return `${waiting.size} questions wait for a person already: answer some, or allow it by a rule`;
    }
    const theirs = [...coming.values()].filter((name) => name === submitter).length;
    let lately: number;
    try {
      lately = store.askedSince(submitter, clock.now() - hourMs) + theirs;
    } catch (thrown) {
      return `it is not known how often a person was asked (${messageOf(thrown)})`;
    }
    if (lately < perHourMax) return null;
    const whose = submitter === null ? "" : ` for ${submitter}`;
    return `a person was asked ${perHourMax} times within the hour${whose}: allow it by a rule, or wait`;
  };

  /** When the next one may be shown: it is noted as shown then. */
  const turnAt = (submitter: string): number => {
    const now = clock.monotonic();
    const before = shown.get(submitter) ?? [];
    const at = Math.max(now, (before.at(-burstMax) ?? Number.NEGATIVE_INFINITY) + burstMs);
    shown.set(submitter, [...before, at].slice(-burstMax));
    return at;
  };

  return {
    async turn(submitter, signal) {
      const refused = refusal(submitter);
      if (refused !== null) return refused;
      const mine = Symbol("question");
      waiting.add(mine);
      coming.set(mine, submitter);
      const asked = (): void => void coming.delete(mine);
      const dispose = (): void => {
        asked();
        waiting.delete(mine);
      };
      const pauseMs = submitter === null ? 0 : turnAt(submitter) - clock.monotonic();
      if (pauseMs > 0) await clock.sleep(pauseMs, signal).catch(() => {});
      return { asked, [Symbol.dispose]: dispose };
    },
  };
}
