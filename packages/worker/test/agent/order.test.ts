import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { openOrder } from "../../src/agent/order.ts";

test("tasks of one session take turns, in the order they came; others do not wait", async () => {
  const order = openOrder();
  const { signal } = new AbortController();
  const first = await order.take("a", signal);
  const got: string[] = [];
  const second = order.take("a", signal).then((turn) => (got.push("second"), turn));
  const third = order.take("a", signal).then((turn) => (got.push("third"), turn));
  (await order.take("b", signal))[Symbol.dispose]();
  await setImmediate();
  assert.deepEqual(got, []);
  first[Symbol.dispose]();
  (await second)[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  assert.deepEqual(got, ["second", "third"]);
});

test("who gives up while waiting lets nobody pass the one that holds the turn", async () => {
  const order = openOrder();
  const { signal } = new AbortController();
  const first = await order.take("a", signal);
  const leaver = new AbortController();
  const second = order.take("a", leaver.signal);
  let passed = false;
  const third = order.take("a", signal).then((turn) => ((passed = true), turn));
  leaver.abort(new Error("cancelled"));
  await assert.rejects(second, /cancelled/);
  await setImmediate();
  assert.equal(passed, false);
  first[Symbol.dispose]();
  (await third)[Symbol.dispose]();
});

test("a turn can be given back twice without giving away another's", async () => {
  const order = openOrder();
  const { signal } = new AbortController();
  const first = await order.take("a", signal);
  first[Symbol.dispose]();
  const second = await order.take("a", signal);
  first[Symbol.dispose]();
  let passed = false;
  const third = order.take("a", signal).then((turn) => ((passed = true), turn));
  await setImmediate();
  assert.equal(passed, false);
  second[Symbol.dispose]();
  (await third)[Symbol.dispose]();
});
