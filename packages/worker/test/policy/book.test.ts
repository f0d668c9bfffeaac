// What a policy gives to the cage of a task, and who is told when it changes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog, systemClock } from "@openclaw-worker/base";
import { cageOf, type Policy } from "../../src/policy/book.ts";
import { policyOf } from "../../src/policy/load.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { keepPolicy } from "../../src/policy/reload.ts";

function policyFrom(text: string): Policy {
  return policyOf(parsePolicy(text), {
    source: "/state/policy.json",
    roots: [{ named: "/r", path: "/r" }],
    homes: ["/home/ada", "/home/ada"],
  });
}

const text = `{
  "roots": ["/r"],
  "rules": {
    "deny": ["Read(**/.env*)", "Edit(./package.json)"],
    "ask": ["Read(~/notes/**)", "Edit(./Docs/**)"],
    "allow": ["Edit(./.git/hooks/**)"]
  },
  "limits": { "processes": 64, "fileBytes": 1000 }
}`;

test("deny and ask rules for paths close the cage, and its limits are the policy's", () => {
  assert.deepEqual(cageOf(policyFrom(text), ["/tools"]), {
    roots: ["/r"],
    readable: ["/tools"],
    denyRead: ["/**/.env*", "/home/ada/notes/**"],
    denyWrite: ["/r/package.json", "/r/Docs/**"],
    named: ["/r/.git/hooks/**"],
    processes: 64,
    fileBytes: 1_000,
  });
});

test("a rule that a person said yes to closes nothing for that task; a deny rule is never opened", () => {
  const policy = policyFrom(text);
  const { ask, deny } = policy.book?.rules ?? { ask: [], deny: [] };
  const cage = cageOf(policy, [], [...ask, ...deny]);
  assert.deepEqual(cage.denyRead, ["/**/.env*"]);
  assert.deepEqual(cage.denyWrite, ["/r/package.json"]);
});

test("a policy without rules closes nothing", () => {
  assert.deepEqual(cageOf(policyFrom('{ "roots": ["/r"] }'), []), { roots: ["/r"], readable: [] });
});

test("whoever follows the policy is told of the next one, and not of a broken one", async () => {
  const clock = systemClock();
  const first = policyFrom('{ "roots": ["/r"] }');
  const second = policyFrom(text);
  let next: Policy | null = null;
  let changed: () => void = () => {};
  const { promise, resolve } = Promise.withResolvers<Policy>();
  using keeper = keepPolicy({
    clock,
    log: { ...silentLog, error: () => changedAgain() },
    file: "/state/policy.json",
    policy: first,
    load: () =>
      next === null
        ? { kind: "refused", because: ["it is broken"] }
        : { kind: "policy", policy: next, notes: [] },
    watch(call) {
      changed = call;
      return { [Symbol.dispose]() {} };
    },
    onChange: resolve,
  });
  function changedAgain(): void {
    assert.equal(keeper.current(), first);
    next = second;
    changed();
  }
  changed();
  assert.equal(await promise, second);
  assert.equal(keeper.current(), second);
});
