import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import { systemClock, type Clock } from "@openclaw-worker/base";
import { provesTask, type Task } from "@openclaw-worker/protocol";
import { hello, openStage } from "../stage.ts";
import { enroll, last, newNonce, signedTask, stranger, type Person } from "./people.ts";

const required = { submitters: { required: true } };
const hourMs = 3_600_000;

test("with submitters.required a signed task runs, and a token alone is useless", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "submitter");
  await stage.start({ people: required }).ready;
  const mine = stage.plane.put(signedTask(hello, anna));
  assert.equal((await stage.plane.report(mine))["outcome"], "done");
  const theirs = stage.plane.submit(hello);
  const report = await stage.plane.report(theirs);
  assert.equal(report["outcome"], "refused");
  assert.match(String(report["error"]), /is not signed/);
  assert.equal(stage.runner.jobs.length, 1);
  assert.match(String(last(stage, "refused")?.["because"]), /is not signed/);
  assert.equal(stage.noted.find(({ type }) => type === "request")?.data["submitter"], "anna");
});

test("a key that the policy names may submit too", async () => {
  await using stage = await openStage();
  const rita = stranger();
  const keys = { rita: rita.key.public.text };
  await stage.start({ people: { submitters: { required: true, keys } } }).ready;
  const id = stage.plane.put(signedTask(hello, rita));
  assert.equal((await stage.plane.report(id))["outcome"], "done");
});

type Forged = (by: Person, approver: Person) => Pick<Task, "spec"> & Partial<Task>;
const other = { kind: "command", command: "echo other" } as const;

const lies: Readonly<Record<string, { readonly forged: Forged; readonly because: RegExp }>> = {
  "signed by nobody's key": {
    forged: () => signedTask(hello, stranger()),
    because: /no submitter has the key/,
  },
  "signed by an approver": {
    forged: (_anna, approver) => signedTask(hello, approver),
    because: /no submitter has the key/,
  },
  "with another command than was signed": {
    forged: (anna) => ({ ...signedTask(hello, anna), spec: other }),
    because: /not over this task/,
  },
  "with another time than was signed": {
    forged: (anna) => ({ ...signedTask(hello, anna), timeoutMs: 60_000 }),
    because: /not over this task/,
  },
  "with another id than was signed": {
    forged: (anna) => ({ ...signedTask(hello, anna), id: signedTask(hello, anna).id }),
    because: /not over this task/,
  },
  "signed for another worker": {
    forged: (anna) => signedTask(hello, anna, { audience: { worker: "laptop", labels: [] } }),
    because: /did not sign it for this worker/,
  },
  "signed for a label that this worker has not": {
    forged: (anna) => signedTask(hello, anna, { audience: { labels: ["gpu", "cloud"] } }),
    because: /did not sign it for this worker/,
  },
  "signed tomorrow": {
    forged: (anna) => signedTask(hello, anna, { issuedAt: Date.now() + 86_400_000 }),
    because: /in the future/,
  },
  "whose signature is over": {
    forged: (anna) => signedTask(hello, anna, { expiresAt: Date.now() - 1 }),
    because: /has expired/,
  },
  "that holds for ever": {
    forged: (anna) => signedTask(hello, anna, { expiresAt: Date.now() + 1e12 }),
    because: /holds too long/,
  },
};

for (const [name, { forged, because }] of Object.entries(lies)) {
  test(`a task ${name} is refused and noted`, async () => {
    await using stage = await openStage();
    const anna = enroll(stage, "anna", "submitter");
    const bert = enroll(stage, "bert", "approver");
    await stage.start({ people: required, labels: ["gpu"] }).ready;
    const id = stage.plane.put(forged(anna, bert));
    const report = await stage.plane.report(id);
    assert.equal(report["outcome"], "refused");
    assert.match(String(report["error"]), because);
    assert.equal(stage.runner.jobs.length, 0);
    assert.match(String(last(stage, "refused")?.["because"]), because);
    const mine = signedTask(hello, anna, { audience: { worker: "desk", labels: ["gpu"] } });
    assert.equal((await stage.plane.report(stage.plane.put(mine)))["outcome"], "done");
  });
}

test("a proof that does not hold is refused where none is needed, and a stranger's counts as none", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "submitter");
  await stage.start({ people: {} }).ready;
  const changed = stage.plane.put({ ...signedTask(hello, anna), spec: other });
  assert.equal((await stage.plane.report(changed))["outcome"], "refused");
  const strange = stage.plane.put(signedTask(hello, stranger()));
  assert.equal((await stage.plane.report(strange))["outcome"], "done");
});

test("one nonce is for one task: another task with it is a replay, the same task again is not", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "submitter");
  await stage.start({ people: required }).ready;
  const nonce = newNonce();
  const first = signedTask(hello, anna, { nonce });
  // The same attempt chain: the server says that it has lost the first answer to `started`.
  let refused = false;
  stage.plane.lie = ({ path }, response) => {
    if (path !== "/worker/started" || refused) return false;
    refused = true;
    response.writeHead(404).end("{}");
    return true;
  };
  const id = stage.plane.put(first);
  await stage.plane.until(() => (refused ? true : undefined));
  await stage.plane.lonely();
  stage.plane.again(id, { sameFence: false });
  assert.equal((await stage.plane.report(id))["outcome"], "done");
  const second = stage.plane.put(signedTask(hello, anna, { nonce }));
  assert.match(String((await stage.plane.report(second))["error"]), /played again/);
  assert.equal(stage.runner.jobs.length, 1);
});

/** A clock whose wall time can be set. */
function jumpingClock(): Clock & { aheadMs: number } {
  const clock = systemClock();
  const jumping = { ...clock, aheadMs: 0, now: () => clock.now() + jumping.aheadMs };
  return jumping;
}

test("a signed task that ran is not run again: not after a restart, nor when the journal is gone, nor after the clock jumped", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "submitter");
  const clock = jumpingClock();
  let worker = stage.start({ people: required, clock });
  await worker.ready;
  const task = signedTask(hello, anna, { expiresAt: Date.now() + 2 * hourMs });
  const id = stage.plane.put(task);
  await stage.plane.report(id);
  for (const jumpMs of [0, 25 * hourMs, 0]) {
    await worker.stop();
    // Worse than any server can do: the journal's memory is lost as well.
    for (const end of ["", "-wal", "-shm"]) rmSync(`${stage.journalFile}${end}`, { force: true });
    clock.aheadMs = jumpMs;
    worker = stage.start({ people: required, clock });
    await worker.ready;
    stage.plane.again(id, { sameFence: false });
    const report = await stage.plane.report(id);
    assert.equal(report["outcome"], "refused");
    assert.match(String(report["error"]), jumpMs === 0 ? /played again/ : /has expired/);
  }
  assert.equal(stage.runner.jobs.length, 1);
});

test("a task may name both a proof and a reason, and the proof covers what the worker runs", () => {
  const by = stranger();
  const { id, spec, timeoutMs, proof } = signedTask(hello, by);
  assert.ok(proof !== undefined);
  assert.ok(provesTask({ id, spec, timeoutMs }, proof, by.key.public));
  assert.ok(!provesTask({ id, spec: other, timeoutMs }, proof, by.key.public));
});
