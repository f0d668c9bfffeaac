// Tells the server what waits and how it ended, so that it can be shown elsewhere. Each approval's
// newest state is sent until the server has taken it; nothing here waits for the server.

import { createBackoff, messageOf, type Clock, type Log } from "@openclaw-worker/base";
import type { Ask } from "@openclaw-worker/protocol";
import type { Link } from "../link.ts";
import type { ApprovalStore } from "./store.ts";

export interface Teller {
  /** @param tooLarge called when the server cannot take it for its size: nobody hears of it there */
  tell(ask: Ask, tooLarge?: () => void): void;
  /** Withdraws what waited when an earlier process ended: its tasks are asked about anew. */
  resume(): void;
  /** Resolves when the server knows everything, or after `longestMs`. */
  flush(longestMs: number): Promise<void>;
}

export interface TellerParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly link: Pick<Link, "ask">;
  readonly store: ApprovalStore;
  /** Aborted when the worker ends: what is left then is told at the next start. */
  readonly signal: AbortSignal;
}

interface Letter {
  ask: Ask;
  sending: boolean;
  readonly tooLarge: () => void;
}

const tooLargeStatus = 413;

const firstPauseMs = 100;
const longestPauseMs = 5_000;

export function createTeller(parts: TellerParts): Teller {
  const { clock, log, link, store, signal } = parts;
  const letters = new Map<string, Letter>();
  const idle = new Set<() => void>();

  const isQuiet = (): boolean => [...letters.values()].every(({ sending }) => !sending);

  const send = async (letter: Letter): Promise<void> => {
    letter.sending = true;
    const backoff = createBackoff({
      clock,
      firstMs: firstPauseMs,
      longestMs: longestPauseMs,
      random: parts.random,
    });
    for (let done = false; !done && !signal.aborted;) {
      const sent = letter.ask;
      const answer = await link.ask(sent, signal).answer;
      if (answer.kind === "retry" || answer.kind === "interrupted") {
        const asked = answer.kind === "retry" ? answer.afterMs : null;
        const pause = asked === null ? backoff.wait(signal) : clock.sleep(asked, signal);
        await pause.catch(() => {});
        continue;
      }
      if (answer.kind !== "ok") {
        log.info(`the server does not show an approval (${answer.kind})`, {
          taskId: sent.taskId,
          approval: sent.request.id,
        });
      }
      const isTooLarge = answer.kind === "rejected" && answer.status === tooLargeStatus;
      if (isTooLarge && letter.ask.state === "waiting") letter.tooLarge();
      // The server never knew of it, so it need not know of its end.
      done = isTooLarge || sent === letter.ask;
    }
    letter.sending = false;
    if (!signal.aborted && letter.ask.state !== "waiting") forget(letter.ask.request.id);
    if (isQuiet()) for (const wake of idle) wake();
  };

  const forget = (id: string): void => {
    letters.delete(id);
    try {
      store.forgetAsk(id);
    } catch (thrown) {
      log.warn(`an approval that is over is kept: ${messageOf(thrown)}`);
    }
  };

  const tell = (ask: Ask, tooLarge: () => void = () => {}): void => {
    const letter = letters.get(ask.request.id) ?? { ask, sending: false, tooLarge };
    letter.ask = ask;
    letters.set(ask.request.id, letter);
    if (!letter.sending && !signal.aborted) void send(letter);
  };

  return {
    tell,
    resume() {
      for (const ask of store.asks()) {
        const ended = ask.state !== "waiting";
        tell(ended ? ask : { ...ask, state: "withdrawn", decidedBy: "the worker was restarted" });
      }
    },
    async flush(longestMs) {
      if (isQuiet()) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      idle.add(resolve);
      using _limit = clock.after(longestMs, resolve);
      await promise;
      idle.delete(resolve);
    },
  };
}
