import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { auditEntryBytesMax, readEntry } from "@openclaw-worker/protocol";
import { entryText } from "../../src/audit/entry.ts";

const about = { seq: 7, at: 1_800_000_000_000, type: "request" } as const;
const keep = (text: string): string => text;

test("whatever the data is, the entry is one that a check accepts", () => {
  const data = fc.dictionary(
    fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("__proto__", "constructor", "1", "")),
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
  );
  fc.assert(
    fc.property(
      data,
      fc.option(fc.string({ unit: "binary" }), { nil: undefined }),
      (data, taskId) => {
        const text = entryText({ ...about, taskId, data }, keep);
        const read = readEntry(text, 7);
        assert.equal(read.kind, "entry", `${text}: ${read.kind === "bad" ? read.why : ""}`);
        assert.ok(Buffer.byteLength(text) <= auditEntryBytesMax);
        assert.ok(!text.includes("\n"));
      },
    ),
    { numRuns: 2_000 },
  );
});

test("a key that programs treat as special is kept under a harmless name, at any depth", () => {
  const data: unknown = JSON.parse('{"__proto__":1,"deep":{"__proto__":{"x":2}}}');
  assert.ok(typeof data === "object" && data !== null);
  const text = entryText({ ...about, taskId: undefined, data: { ...data, ["env"]: data } }, keep);
  assert.doesNotMatch(text, /"__proto__"/);
  assert.match(text, /"\[__proto__\]":\{"x":2\}/);
  assert.equal(readEntry(text, 7).kind, "entry");
});
