// What does not count, told of once: a server sends a decision until it hears of the end, and a
// stolen one sends as many as it likes.

import type { Log } from "@openclaw-worker/base";
import { digestOf } from "@openclaw-worker/protocol";
import type { Notes } from "../note.ts";

export interface Lies {
  /** @param what it is, in a word; `because` a sentence */
  tell(what: string, message: unknown, about: Lie): void;
}

export interface Lie {
  readonly because: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly taskId?: string | undefined;
}

const liesMax = 1_000;

export function createLies(log: Log, notes: Notes): Lies {
  const told = new Set<string>();
  return {
    tell(what, message, { because, data, taskId }) {
      if (told.size > liesMax) return;
      const word = digestOf(message);
      if (told.has(word)) return;
      told.add(word);
      if (told.size > liesMax) {
        log.error(`${liesMax} messages did not count: from now on they are not told of`);
        return notes.note("refused", { what, because: "too many to be told of" });
      }
      log.warn(`a ${what} does not count: ${because}`);
      notes.note("refused", { what, ...data, because }, taskId);
    },
  };
}
