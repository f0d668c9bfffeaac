import assert from "node:assert/strict";
import { test } from "node:test";
import type { Grant, Spec } from "@openclaw-worker/protocol";
import { openStage, type Stage } from "../stage.ts";
import { atTheComputer, decisionOn, enroll, last, noted, revoke, signed, until } from "./people.ts";

const people = { rules: { ask: ["Bash(git push *)", "Bash(npm *)", "Bash(python3 *)"] } };
const push: Spec = { kind: "command", command: "git push origin main" };

function grantOf(rule: string, more: Partial<Grant> = {}): Grant {
  return { rule, expiresAt: Date.now() + 3_600_000, ...more };
}

/** Says yes at the computer, with a grant; null, or why the worker refuses it. */
async function giveHere(stage: Stage, taskId: string, grant: Grant): Promise<string | null> {
  using local = await atTheComputer(stage);
  const { request, digest } = await stage.plane.approval(taskId);
  return await local.decide({ approvalId: request.id, digest, verdict: "grant", grant });
}

async function denyHere(stage: Stage, taskId: string): Promise<void> {
  using local = await atTheComputer(stage);
  const { request, digest } = await stage.plane.approval(taskId);
  assert.equal(await local.decide({ approvalId: request.id, digest, verdict: "deny" }), null);
  await stage.plane.report(taskId);
}

async function ran(stage: Stage, spec: Spec): Promise<boolean> {
  const id = stage.plane.submit(spec);
  const asked = stage.plane.approval(id).then(() => false);
  return Promise.race([
    asked,
    stage.plane.report(id).then((report) => report["outcome"] === "done"),
  ]);
}

test("a grant lets the same thing run again unasked, until its runs are used up, also after a restart", async () => {
  await using stage = await openStage();
  let worker = stage.start({ people });
  await worker.ready;
  const id = stage.plane.submit(push);
  const grant = grantOf("Bash(git push origin main)", { runsMax: 2 });
  assert.equal(await giveHere(stage, id, grant), null);
  await stage.plane.report(id);
  assert.equal(await ran(stage, push), true);
  await worker.stop();
  worker = stage.start({ people });
  await worker.ready;
  assert.equal(await ran(stage, push), true);
  assert.equal(await ran(stage, push), false);
  using local = await atTheComputer(stage);
  const [kept] = await local.grants();
  assert.equal(kept?.uses, 2);
  assert.equal(kept?.inForce, true);
  assert.deepEqual(
    stage.noted.filter(({ type }) => type === "grant").map(({ data }) => data["what"]),
    ["given", "used", "used"],
  );
});

test("a grant per hour holds back after so many, and a revoked one at once", async () => {
  await using stage = await openStage();
  await stage.start({ people }).ready;
  const id = stage.plane.submit(push);
  assert.equal(await giveHere(stage, id, grantOf("Bash(git push *)", { perHourMax: 2 })), null);
  await stage.plane.report(id);
  assert.equal(await ran(stage, push), true);
  assert.equal(await ran(stage, push), true);
  assert.equal(await ran(stage, push), false);

  const other = stage.plane.submit({ kind: "command", command: "npm test" });
  assert.equal(await giveHere(stage, other, grantOf("Bash(npm test)")), null);
  await stage.plane.report(other);
  const npm: Spec = { kind: "command", command: "npm test" };
  assert.equal(await ran(stage, npm), true);
  using local = await atTheComputer(stage);
  const grants = await local.grants();
  const mine = grants.find(({ grant }) => grant.rule === "Bash(npm test)");
  assert.equal(await local.revokeGrant(mine?.id ?? ""), null);
  assert.match(String(await local.revokeGrant(mine?.id ?? "")), /no grant in force/);
  assert.equal(await ran(stage, npm), false);
});

const refusals: Readonly<
  Record<string, { readonly spec: Spec; readonly grant: Grant; readonly because: RegExp }>
> = {
  "for an interpreter": {
    spec: { kind: "command", command: "python3 x.py" },
    grant: grantOf("Bash(python3 x.py)"),
    because: /python3 runs other programs/,
  },
  "for every command": {
    spec: push,
    grant: grantOf("Bash(*)"),
    because: /names a program/,
  },
  "for something else than was asked": {
    spec: push,
    grant: grantOf("Bash(git status)"),
    because: /does not allow this task/,
  },
  "that is no rule": { spec: push, grant: grantOf("git push"), because: /unknown tool/ },
  "that is over": {
    spec: push,
    grant: grantOf("Bash(git push *)", { expiresAt: 1 }),
    because: /expired/,
  },
  "for ever": {
    spec: push,
    grant: grantOf("Bash(git push *)", { expiresAt: 1e15 }),
    because: /366 days/,
  },
  "for other folders": {
    spec: push,
    grant: grantOf("Bash(git push *)", { roots: ["/elsewhere"] }),
    because: /does not start in its folders/,
  },
  "with a star in the middle": {
    spec: push,
    grant: grantOf("Bash(git * main)"),
    because: /only the last word/,
  },
  "whose task brings variables": {
    spec: { kind: "command", command: "npm test", env: { NODE_OPTIONS: "--require=./x.js" } },
    grant: grantOf("Bash(npm test)"),
    because: /brings variables/,
  },
};

for (const [name, { spec, grant, because }] of Object.entries(refusals)) {
  test(`no grant ${name}: the question goes on waiting`, async () => {
    await using stage = await openStage();
    await stage.start({ people: { default: "ask" } }).ready;
    const id = stage.plane.submit(spec);
    assert.match(String(await giveHere(stage, id, grant)), because);
    assert.equal((await stage.plane.approval(id)).state, "waiting");
    assert.equal(stage.runner.jobs.length, 0);
  });
}

test("a grant that was signed ends with the key that signed it", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people }).ready;
  const id = stage.plane.submit(push);
  const ask = await stage.plane.approval(id);
  const grant = grantOf("Bash(git push *)");
  stage.plane.decide(signed(decisionOn(ask, { verdict: "grant", grant }), anna));
  await stage.plane.report(id);
  assert.equal(await ran(stage, push), true);
  revoke(stage, "anna");
  await noted(stage, "key");
  assert.equal(await ran(stage, push), false);
});

test("a signed grant that does not fit is noted, and is not a yes for once", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people }).ready;
  const ask = await stage.plane.approval(stage.plane.submit(push));
  const grant = grantOf("Bash(git status)");
  stage.plane.decide(signed(decisionOn(ask, { verdict: "grant", grant }), anna));
  await until(() => /does not allow this task/.test(String(last(stage, "refused")?.["because"])));
  assert.equal(stage.runner.jobs.length, 0);
});

test("a deny rule wins over a grant, and a new rule that asks is a new question", async () => {
  await using stage = await openStage();
  await stage.start({ people }).ready;
  const id = stage.plane.submit(push);
  assert.equal(await giveHere(stage, id, grantOf("Bash(git push *)")), null);
  await stage.plane.report(id);
  assert.equal(await ran(stage, push), true);
  stage.setPolicy({ rules: { deny: ["Bash(git push *)"] } });
  const denied = await stage.plane.report(stage.plane.submit(push));
  assert.match(String(denied["error"]), /deny: Bash\(git push \*\)/);
  stage.setPolicy({ rules: { ask: ["Bash(git *)"] } });
  assert.equal(await ran(stage, push), false);
});

test("a grant covers no task that wants more than the one it was given for", async () => {
  await using stage = await openStage();
  const wide = { ...people, rules: { ...people.rules, allow: ["WebFetch(domain:example.com)"] } };
  await stage.start({ people: wide }).ready;
  const narrow: Spec = { ...push, needs: { network: [] } };
  const id = stage.plane.submit(narrow);
  assert.equal(await giveHere(stage, id, grantOf("Bash(git push *)")), null);
  await stage.plane.report(id);
  assert.equal(await ran(stage, narrow), true);
  const wider = stage.plane.submit({ ...push, needs: { network: ["example.com"] } });
  assert.deepEqual((await stage.plane.approval(wider)).request.cage.domains, ["example.com"]);
  await denyHere(stage, wider);
});
