// What is done when the cage fails after a good start: no task without a cage, and back to work by
// itself.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { silentLog, systemClock, type Clock } from "@openclaw-worker/base";
import type { Cage } from "../../src/job.ts";
import { openProof } from "../../src/sandbox/proof.ts";
import { CageUnavailable } from "../../src/sandbox/unavailable.ts";
import { openStage, refuseRoot } from "../fixtures/stage.ts";

before(refuseRoot);

const cage: Cage = { roots: ["/a", "/b"], readable: [] };

/** A self-test that says what the stage is told to say. */
function openTried() {
  const tried: Cage[] = [];
  const pauses: number[] = [];
  const stage = { broken: new Set<string>(), tried, pauses };
  const real = systemClock();
  const clock: Clock = {
    ...real,
    sleep(delayMs, signal) {
      stage.pauses.push(delayMs);
      return real.sleep(1, signal);
    },
  };
  const proof = openProof({
    clock,
    log: silentLog,
    cage,
    async test(wanted) {
      stage.tried.push(wanted);
      const bad = [...wanted.roots, "all"].find((root) => stage.broken.has(root));
      if (bad !== undefined) throw new CageUnavailable(`${bad} is broken`, "Mend it");
    },
  });
  return Object.assign(stage, { proof, [Symbol.dispose]: () => proof[Symbol.dispose]() });
}

test("a cage that is known is not proved again", async () => {
  using stage = openTried();
  assert.equal(await stage.proof.ready(cage, "/a"), cage);
  const narrowed = { ...cage, roots: ["/a"] };
  assert.equal(await stage.proof.ready(narrowed, "/a"), narrowed);
  assert.deepEqual(stage.tried, []);
});

test("after a failure the cage is proved again before the next task, once for all that wait", async () => {
  using stage = openTried();
  stage.proof.doubt();
  await Promise.all([stage.proof.ready(cage, "/a"), stage.proof.ready(cage, "/b")]);
  assert.equal(stage.tried.length, 1);
});

test("while the cage fails no task runs, its watchers are told, and it comes back by itself", async () => {
  using stage = openTried();
  const { promise: back, resolve } = Promise.withResolvers<void>();
  const told: (string | null)[] = [];
  stage.proof.watch((because) => {
    told.push(because);
    if (because === null) resolve();
  });
  stage.broken.add("all");
  stage.proof.doubt();
  await assert.rejects(stage.proof.ready(cage, "/a"), /all is broken/);
  await assert.rejects(stage.proof.ready(cage, "/a"), /all is broken/);
  const late: (string | null)[] = [];
  using _late = stage.proof.watch((because) => late.push(because));
  assert.deepEqual([told, late], [["all is broken"], ["all is broken"]]);
  while (stage.pauses.length < 8) await new Promise((next) => setImmediate(next));
  stage.broken.clear();
  await back;
  assert.deepEqual(told, ["all is broken", null]);
  assert.equal(await stage.proof.ready(cage, "/a"), cage);
  // Ever more rarely, and never more rarely than once a minute.
  const [first = 0, second = 0] = stage.pauses;
  assert.ok(first >= 500 && second > first);
  assert.ok(Math.max(...stage.pauses) <= 60_000);
});

test("a new root is proved before a task uses it; one that is no use costs only the tasks in it", async () => {
  using stage = openTried();
  const wider = { ...cage, roots: ["/a", "/b", "/c", "/d"] };
  stage.broken.add("/c");
  assert.deepEqual((await stage.proof.ready(wider, "/a")).roots, ["/a", "/b", "/d"]);
  await assert.rejects(stage.proof.ready(wider, "/c/sub"), /\/c is broken/);
  stage.broken.clear();
  assert.deepEqual((await stage.proof.ready(wider, "/c")).roots, wider.roots);
});

test("a worker that ends does not wait for a cage that fails", async () => {
  using stage = openTried();
  stage.broken.add("all");
  stage.proof.doubt();
  await assert.rejects(stage.proof.ready(cage, "/a"));
  stage.proof[Symbol.dispose]();
});

test("when cages cannot be built any more, tasks fail with the reason, until they can be again", async () => {
  await using stage = await openStage({ warm: 1 });
  const told: (string | null)[] = [];
  const { promise: back, resolve } = Promise.withResolvers<void>();
  using _watching = stage.runner.health.watch((because) => {
    told.push(because);
    if (because === null) resolve();
  });
  chmodSync(stage.root, 0o500);
  // The first failure is the task's own; it is what makes the worker look.
  const gone = await stage.command("true", { cage: { ...stage.cage, roots: [`${stage.root}-x`] } });
  assert.equal(gone.outcome, "failed");
  const refused = await stage.command("echo ran");
  assert.deepEqual([refused.outcome, refused.stdout], ["failed", ""]);
  assert.match(refused.hint ?? "", /chown/);
  assert.match(told[0] ?? "", /cannot write the root/);
  chmodSync(stage.root, 0o700);
  await back;
  assert.equal((await stage.command("echo fine")).stdout, "fine\n");
});

test("the cages that wait follow the policy: a new root is there for the next task", async () => {
  await using stage = await openStage({ warm: 2 });
  const next = { ...stage.cage, roots: [stage.root, `${stage.root}-new`] };
  mkdirSync(`${stage.root}-new`);
  stage.runner.follow(next);
  const both = await stage.command("echo x > f; pwd", { cage: next, cwd: `${stage.root}-new` });
  assert.equal(both.stdout, `${stage.root}-new\n`, both.error ?? "");
  const old = await stage.command(`ls -d ${join(stage.root, "..")}/*`);
  assert.equal(old.stdout, `${stage.root}\n`);
});
