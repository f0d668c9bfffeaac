import assert from "node:assert/strict";
import { test } from "node:test";
import { chained, firstPrev, verifyChain, type ActionEntry } from "../../src/audit/chain.ts";

const facts = { actor: "bot", from: "192.0.2.7", action: "task.submit", target: "t" };

function chain(length: number): readonly ActionEntry[] {
  const entries: ActionEntry[] = [];
  for (let at = 0; at < length; at += 1) {
    const prev = entries.at(-1)?.hash ?? firstPrev;
    entries.push(chained({ ...facts, seq: at, at, prev }));
  }
  return entries;
}

test("a chain that nobody touched is right, whole and in part", () => {
  const entries = chain(20);
  assert.equal(entries[0]?.prev, firstPrev);
  assert.equal(verifyChain(entries, null), null);
  assert.equal(verifyChain(entries.slice(7), entries[6]), null);
  assert.equal(verifyChain(entries.slice(7)), null);
});

test("an entry that was changed, taken out or moved is named", () => {
  const entries = chain(20);
  for (const [index, entry] of entries.entries()) {
    const changed = entries.with(index, { ...entry, actor: "nobody" });
    assert.deepEqual(
      [verifyChain(changed, null)?.seq, verifyChain(changed, null)?.what],
      [index, "hash"],
    );
    if (index === 19) continue;
    assert.equal(verifyChain(entries.toSpliced(index, 1), null)?.seq, index);
    const next = entries[index + 1];
    assert.ok(next !== undefined);
    const moved = entries.with(index, next).with(index + 1, entry);
    assert.equal(verifyChain(moved, null)?.seq, index);
  }
});

test("an entry that was made again with its own hash breaks the one after it", () => {
  const entries = chain(5);
  const prev = entries[1]?.hash ?? "";
  const forged = chained({ ...facts, seq: 2, at: 2, prev, actor: "nobody" });
  assert.equal(verifyChain(entries.with(2, forged), null)?.seq, 3);
});

test("a hash covers every member", () => {
  const [first, entry] = chain(2);
  assert.ok(entry !== undefined);
  for (const key of Object.keys(entry)) {
    const changed = { ...entry, [key]: key === "seq" || key === "at" ? 9 : "f".repeat(64) };
    assert.notEqual(verifyChain([changed], first), null, key);
  }
});
