// The server's log of API actions: each entry carries the hash of the one before. It shows that
// nobody changed it afterwards without rewriting everything since; it is the server's own word, and
// unlike the worker's log it is not signed.

import { digestOf } from "@openclaw-worker/protocol";

/** What an entry says: who (a token's name) did what, to what, from which address, when. */
export interface ActionFacts {
  /** Counts from 0. */
  readonly seq: number;
  readonly at: number;
  readonly actor: string;
  readonly from: string;
  readonly action: string;
  readonly target: string;
  /** `hash` of the entry before; of the first, `firstPrev`. */
  readonly prev: string;
}

export interface ActionEntry extends ActionFacts {
  /** SHA-256, in hex, over the canonical JSON of all other members. */
  readonly hash: string;
}

/** What comes before the first entry. */
export const firstPrev = "0".repeat(64);

/** The entry that says this, with its hash. */
export function chained(facts: ActionFacts): ActionEntry {
  const { seq, at, actor, from, action, target, prev } = facts;
  const said = { seq, at, actor, from, action, target, prev };
  return { ...said, hash: digestOf(said) };
}

export interface ChainProblem {
  /** Number of the first entry that is not right. */
  readonly seq: number;
  readonly what: "hash" | "order";
  readonly why: string;
}

/**
 * Walks a stretch of the log, oldest first. `before` is the entry before it, null at the beginning,
 * and left away where the oldest entries are no longer kept: then the first one given is believed.
 */
export function verifyChain(
  entries: Iterable<ActionEntry>,
  before?: ActionEntry | null,
): ChainProblem | null {
  let last = before;
  for (const entry of entries) {
    const seq = last === undefined ? entry.seq : last === null ? 0 : last.seq + 1;
    if (entry.seq !== seq) {
      return { seq, what: "order", why: `entry ${entry.seq} stands where ${seq} belongs` };
    }
    const { hash, ...rest } = entry;
    if (digestOf(rest) !== hash) {
      return { seq, what: "hash", why: `entry ${seq} is not the one that its hash was made of` };
    }
    const prev = last === undefined ? entry.prev : last === null ? firstPrev : last.hash;
    if (entry.prev !== prev) {
      return { seq, what: "hash", why: `entry ${seq} does not go on from the entry before it` };
    }
    last = entry;
  }
  return null;
}
