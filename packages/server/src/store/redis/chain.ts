// The log of API actions, as a chain.
//
// A verb that acts appends its action to a list in its own atomic step, so that action and deed are on
// disk together and in the order of the steps. Redis has no SHA-256 for its scripts: the hashes are
// made here, for many actions at once, and set by compare-and-set on the head of the chain. Two
// processes may try at the same time; who was slower finds another head and begins again. Until then
// (some milliseconds) an action stands in the list, and nothing reads the chain without linking first.

import { chainOf as reasonsOf, type Clock, type Log, type Timer } from "@openclaw-worker/base";
import { z } from "zod";
import { chained, firstPrev, type ActionEntry } from "../../audit/chain.ts";
import type { NewAction } from "../action.ts";
import type { Connection } from "./connection.ts";
import * as watch from "./lua/watch.ts";
import { listOf, numberOrNull, rowsOf, textOf, textOrNull } from "./replies.ts";

export interface Chain extends AsyncDisposable {
  /** The action as it goes into the store with a verb; it is linked soon. */
  readonly textOf: (action: NewAction | undefined) => string;
  act(action: NewAction): Promise<void>;
  actions(from: number | null, max: number): Promise<readonly ActionEntry[]>;
}

/** Actions in one step, and how long they may stand unlinked. */
const batchMax = 500;
const linkMs = 25;

const actionSchema = z.object({
  at: z.number(),
  actor: z.string(),
  from: z.string(),
  action: z.string(),
  target: z.string(),
});
const entrySchema = actionSchema.extend({ seq: z.int(), prev: z.string(), hash: z.string() });

export interface ChainParts {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly log: Log;
  readonly prefix: string;
}

export function createChain({ connection, clock, log, prefix }: ChainParts): Chain {
  let timer: Timer | null = null;
  let closed = false;

  const soon = (): void => {
    if (closed) return;
    timer ??= clock.after(linkMs, () => {
      timer = null;
      linkAll().catch((error: unknown) =>
        log.warn("actions are not linked yet", { why: reasonsOf(error) }),
      );
    });
  };

  return {
    textOf(action) {
      if (action === undefined) return "";
      soon();
      return actionText(action);
    },
    async act(action) {
      await connection.run(watch.justAct, [actionText(action)]);
      soon();
    },
    async actions(from, max) {
      await linkAll();
      const key = `${prefix}actions`;
      const reply =
        from === null
          ? await connection.call("XREVRANGE", key, "+", "-", "COUNT", max)
          : await connection.call("XRANGE", key, `${from + 1}-0`, "+", "COUNT", max);
      const entries = rowsOf(reply).map(([, fields]) => {
        const [, text] = listOf(fields);
        return entrySchema.parse(JSON.parse(textOf(text)));
      });
      return from === null ? entries.toReversed() : entries;
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      timer?.cancel();
      // Whoever is next links what this process cannot any more.
      await linkAll().catch(() => {});
    },
  };

  async function linkAll(): Promise<void> {
    for (;;) {
      const [seq, hash, texts] = listOf(await connection.run(watch.unlinked, [batchMax]));
      const actions = listOf(texts).map((text) => actionSchema.parse(JSON.parse(textOf(text))));
      if (actions.length === 0) return;
      let last = numberOrNull(seq) ?? -1;
      let prev = textOrNull(hash) ?? firstPrev;
      const entries = actions.map((facts) => {
        const entry = chained({ ...facts, seq: (last += 1), prev });
        prev = entry.hash;
        return entry;
      });
      await connection.run(watch.link, [
        textOrNull(seq) ?? "",
        last,
        prev,
        entries.length,
        ...entries.flatMap((entry) => [entry.seq, JSON.stringify(entry)]),
      ]);
      if (actions.length < batchMax) return;
    }
  }
}

function actionText({ at, by, action, target }: NewAction): string {
  return JSON.stringify({ at, actor: by.name, from: by.from, action, target });
}
