import assert from "node:assert/strict";
import { test } from "node:test";
import {
  canonicalJson,
  consistencyProof,
  growTree,
  leafHash,
  newPrivateKey,
  rootOf,
  signHead,
  storedCount,
  storedIndex,
  type AuditCopy,
  type PrivateKey,
  type SignedCheckpoint,
} from "@openclaw-worker/protocol";
import { judgeCopy, type Judgement, type Known } from "../../src/audit/witness.ts";

const key = newPrivateKey();
const log = "ab".repeat(16);

/** A worker's log as its tree sees it. */
class Log {
  readonly entries: string[] = [];
  readonly #nodes: Buffer[] = [];
  readonly #tree = growTree();

  static of(count: number, salt = ""): Log {
    const made = new Log();
    for (let seq = 0; seq < count; seq += 1) made.add(canonicalJson({ seq, salt }));
    return made;
  }

  add(entry: string): this {
    this.entries.push(entry);
    this.#nodes.push(...this.#tree.append(leafHash(entry)));
    return this;
  }

  head(size = this.entries.length, wish: HeadWish = {}): SignedCheckpoint {
    const root = rootOf(size, this.read).toString("hex");
    const { by = key, ...rest } = wish;
    return signHead({ version: 1, worker: "home", log, size, root, at: size, ...rest }, by);
  }

  copy(from: number, to = this.entries.length): AuditCopy {
    const consistency = consistencyProof(from, to, this.read).map((hash) => hash.toString("hex"));
    return { from, entries: this.entries.slice(from, to), head: this.head(to), consistency };
  }

  readonly read = (level: number, index: number): Buffer => {
    const node = this.#nodes[storedIndex(level, index)];
    assert.ok(node !== undefined);
    return node;
  };
}

interface HeadWish {
  readonly by?: PrivateKey;
  readonly worker?: string;
  readonly log?: string;
  readonly at?: number;
}

function taken(known: Known | null, copy: AuditCopy): Judgement & { readonly known: Known } {
  const judged = judgeCopy(known, copy);
  assert.equal(judged.alarm, null);
  assert.ok(judged.known !== null);
  return { ...judged, known: judged.known };
}

test("a log that grows is taken copy by copy, and what is kept goes through JSON", () => {
  const worker = Log.of(300);
  let known: Known | null = null;
  for (let [from, to] = [0, 0]; to < 300; from = to) {
    to = Math.min(300, from + 1 + (from % 37));
    const judged = taken(known, worker.copy(from, to));
    assert.deepEqual([judged.from, judged.size, judged.entries.length], [from, to, to - from]);
    assert.equal(judged.nodesFrom, storedCount(from));
    assert.equal(judged.nodes.length, storedCount(to) - storedCount(from));
    known = JSON.parse(JSON.stringify(judged.known));
  }
  assert.equal(known?.head.checkpoint.root, worker.head().checkpoint.root);
});

test("a copy that comes twice, or overlaps, or leaves a gap, is no alarm", () => {
  const worker = Log.of(20);
  const { known } = taken(null, worker.copy(0, 10));
  const again = taken(known, worker.copy(0, 10));
  assert.deepEqual([again.size, again.entries], [10, []]);
  const overlapping = taken(known, worker.copy(5, 20));
  assert.deepEqual([overlapping.from, overlapping.entries], [10, worker.entries.slice(10)]);
  const gap = judgeCopy(known, worker.copy(15, 20));
  assert.deepEqual([gap.size, gap.alarm, gap.known], [10, null, known]);
  // Overtaken on its way: smaller, and signed earlier.
  assert.deepEqual(judgeCopy(known, worker.copy(0, 4)).alarm, null);
});

test("a copy without entries asks how many the witness has", () => {
  const worker = Log.of(20);
  const asking = { ...worker.copy(20), entries: [] };
  assert.deepEqual([judgeCopy(null, asking).size, judgeCopy(null, asking).alarm], [0, null]);
  const { known } = taken(null, worker.copy(0, 10));
  assert.deepEqual([judgeCopy(known, asking).size, judgeCopy(known, asking).alarm], [10, null]);
});

const { known } = taken(null, Log.of(10).copy(0));
const forked = Log.of(9).add("another tenth");
const other = newPrivateKey();
const alarms: readonly (readonly [string, AuditCopy, RegExp])[] = [
  ["two logs of one size", forked.copy(0), /two histories/],
  ["a history that was rewritten and grew", forkedAndGrown().copy(10), /two histories/],
  [
    "a log that was cut",
    { ...Log.of(10).copy(0, 6), head: Log.of(6).head(6, { at: 99 }) },
    /was cut/,
  ],
  ["a log begun anew", headed({ log: "cd".repeat(16) }), /begun anew/],
  ["another key", headed({ by: other }), /another key/],
  ["another worker's log", headed({ worker: "desk" }), /of the worker desk/],
  ["a changed head", changedHead(), /signature/],
  ["a changed entry", changedEntry(), /are not those that were signed/],
  [
    "an entry too few",
    { ...Log.of(15).copy(10), entries: Log.of(14).entries.slice(10) },
    /ends at/,
  ],
];
for (const [name, copy, why] of alarms) {
  test(`${name}: an alarm, and what was known stays`, () => {
    const judged = judgeCopy(known, copy);
    assert.match(judged.alarm ?? "", why);
    assert.equal(judged.known, known);
    assert.deepEqual([judged.size, judged.entries, judged.nodes], [10, [], []]);
    // The honest log still goes on.
    assert.equal(taken(judged.known, Log.of(12).copy(10)).size, 12);
  });
}

test("a first copy whose entries are not those that were signed is not taken", () => {
  const copy = Log.of(5).copy(0);
  const judged = judgeCopy(null, { ...copy, entries: copy.entries.toReversed() });
  assert.match(judged.alarm ?? "", /not those/);
  assert.equal(judged.known, null);
});

function forkedAndGrown(): Log {
  return Log.of(9).add("another tenth").add("eleventh").add("twelfth");
}

function headed(wish: HeadWish): AuditCopy {
  const worker = Log.of(15);
  return { ...worker.copy(10), head: worker.head(15, wish) };
}

function changedHead(): AuditCopy {
  const copy = Log.of(15).copy(10);
  const checkpoint = { ...copy.head.checkpoint, root: "0".repeat(64) };
  return { ...copy, head: { ...copy.head, checkpoint } };
}

function changedEntry(): AuditCopy {
  const copy = Log.of(15).copy(10);
  return { ...copy, entries: copy.entries.with(2, "{}") };
}
