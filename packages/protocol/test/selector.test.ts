import { satisfies, selectorOf, type Claimant, type Spec } from "@openclaw-worker/protocol";
import fc from "fast-check";
import assert from "node:assert/strict";
import { test } from "node:test";

const command: Spec = { kind: "command", command: "true" };
const exec: Spec = { kind: "exec", argv: ["true"] };
const ours = (name: string, ...labels: string[]): Claimant => ({ name, labels, leased: true });
const old = (name: string): Claimant => ({ name, labels: [], leased: false });

test("a task for nobody in particular goes to anybody but a cloud worker", () => {
  const selector = selectorOf({}, command);
  assert.ok(satisfies(ours("mac"), selector));
  assert.ok(satisfies(old("mac"), selector));
  assert.ok(!satisfies(ours("vps", "cloud"), selector));
});

test("a cloud worker takes what asks for it by label or by name", () => {
  assert.ok(satisfies(ours("vps", "cloud"), selectorOf({ labels: ["cloud"] }, command)));
  assert.ok(satisfies(ours("vps", "cloud"), selectorOf({ worker: "vps" }, command)));
});

test("a worker's name and labels must both fit when both are asked for", () => {
  const selector = selectorOf({ worker: "mac", labels: ["gpu"] }, command);
  assert.ok(satisfies(ours("mac", "gpu", "m4"), selector));
  assert.ok(!satisfies(ours("mac"), selector));
  assert.ok(!satisfies(ours("pc", "gpu"), selector));
});

test("an old worker never gets what it would run without understanding", () => {
  assert.ok(!satisfies(old("mac"), selectorOf({}, exec)));
  assert.ok(!satisfies(old("mac"), selectorOf({}, { ...command, cwd: "/tmp" })));
  assert.ok(!satisfies(old("mac"), selectorOf({}, { ...command, env: { A: "1" } })));
  assert.ok(!satisfies(old("mac"), selectorOf({}, { ...command, stdin: "" })));
  assert.ok(!satisfies(old("mac"), selectorOf({}, { ...command, needs: { host: true } })));
  assert.ok(!satisfies(old("mac"), selectorOf({ proof: {} }, command)));
  assert.ok(
    satisfies(old("mac"), selectorOf({ worker: "mac" }, { kind: "file-read", path: "~/a" })),
  );
});

test("labels are a set: order and repetition make no other selector", () => {
  const label = fc.constantFrom("a", "b", "c", "gpu");
  fc.assert(
    fc.property(fc.array(label), (labels) => {
      const doubled = [...labels, ...labels].reverse();
      assert.equal(selectorOf({ labels: doubled }, command), selectorOf({ labels }, command));
      assert.ok(satisfies(ours("x", ...labels), selectorOf({ labels }, command)));
    }),
  );
});
