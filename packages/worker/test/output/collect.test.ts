import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { createCollector } from "../../src/output/collect.ts";

test("what large texts leave behind is collected once they are many, and small ones ask for nothing", async () => {
  const collect = createCollector();
  const left = new WeakRef({ garbage: "x".repeat(100) });
  await setImmediate();
  for (let at = 0; at < 1_000; at += 1) collect(100_000);
  assert.notEqual(left.deref(), undefined);
  await setImmediate();
  collect(4_000_000);
  collect(4_000_000);
  assert.equal(left.deref(), undefined);
  assert.equal("gc" in globalThis, false);
});
