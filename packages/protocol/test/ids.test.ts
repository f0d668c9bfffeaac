import { newTaskId, parseTaskId } from "@openclaw-worker/protocol";
import fc from "fast-check";
import assert from "node:assert/strict";
import { test } from "node:test";

const bytes = fc.uint8Array({ minLength: 10, maxLength: 10 });
const times = fc.integer({ min: 0, max: 2 ** 48 - 1 });

test("a new id is a version 7 UUID of the RFC's variant", () => {
  fc.assert(
    fc.property(times, bytes, (time, random) => {
      assert.match(
        newTaskId(time, random),
        /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      );
    }),
  );
});

test("ids sort by the time they were made", () => {
  fc.assert(
    fc.property(times, times, bytes, bytes, (a, b, one, other) => {
      fc.pre(a < b);
      assert.ok(newTaskId(a, one) < newTaskId(b, other));
    }),
  );
});

test("an id in upper case is the same id, and other text is none", () => {
  const id = newTaskId(1_700_000_000_000, new Uint8Array(10));
  assert.equal(parseTaskId(id.toUpperCase()), id);
  for (const text of ["", "TASK_ID", `${id} `, id.slice(1), "../../etc/passwd"])
    assert.equal(parseTaskId(text), null);
});
