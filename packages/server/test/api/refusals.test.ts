import assert from "node:assert/strict";
import { test } from "node:test";
import { createRefusals } from "../../src/refusals.ts";
import type { NewAction } from "../../src/store/action.ts";
import { manualClock } from "../clock.ts";

test("a flood of wrong tokens, from one address or from many, is a few entries that count the rest", () => {
  const clock = manualClock();
  const acted: NewAction[] = [];
  const refusals = createRefusals(clock, (action) => acted.push(action));
  for (let times = 0; times < 100; times += 1) refusals.note("192.0.2.1");
  assert.equal(acted.length, 1);
  for (let host = 0; host < 1_000; host += 1) refusals.note(`2001:db8::${host}`);
  assert.equal(acted.length, 30);
  clock.advance(60_000);
  refusals.note("192.0.2.1");
  assert.match(acted.at(-1)?.target ?? "", /^and \d+ before that were not noted$/);
});
