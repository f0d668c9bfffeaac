// Rules of the policy that say whose yes counts, end to end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hello, openStage } from "../stage.ts";
import {
  atTheComputer,
  decisionOn,
  enroll,
  last,
  noted,
  signed,
  signedTask,
  unsigned,
} from "./people.ts";

const say = (text: string) => ({ kind: "command", command: `echo ${text}` }) as const;

test("a rule may take the server's word for what it names, and another only a hand at the computer", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  const ask = [
    { rule: "Bash(echo low)", trust: ["token" as const] },
    { rule: "Bash(echo high)", trust: ["local" as const] },
  ];
  await stage.start({ people: { rules: { ask } } }).ready;
  const low = stage.plane.submit(say("low"));
  const lowAsk = await stage.plane.approval(low);
  assert.deepEqual(lowAsk.levels, ["token"]);
  stage.plane.decide(unsigned(decisionOn(lowAsk)));
  assert.equal((await stage.plane.report(low))["outcome"], "done");

  const high = stage.plane.submit(say("high"));
  const highAsk = await stage.plane.approval(high);
  assert.deepEqual(highAsk.levels, ["local"]);
  stage.plane.decide(unsigned(decisionOn(highAsk)), signed(decisionOn(highAsk), anna));
  await noted(stage, "refused");
  await stage.plane.until(() =>
    /does not trust signatures for this/.test(String(last(stage, "refused")?.["because"]))
      ? true
      : undefined,
  );
  assert.equal(stage.runner.jobs.length, 1);
  using local = await atTheComputer(stage);
  const { request, digest } = highAsk;
  assert.equal(await local.decide({ approvalId: request.id, digest, verdict: "once" }), null);
  assert.equal((await stage.plane.report(high))["outcome"], "done");
});

test("rules that trust nobody in common refuse at once", async () => {
  await using stage = await openStage();
  const ask = [
    { rule: "Bash(echo *)", trust: ["token" as const] },
    { rule: "Bash(echo hello)", trust: ["local" as const] },
  ];
  await stage.start({ people: { rules: { ask } } }).ready;
  const report = await stage.plane.report(stage.plane.submit(hello));
  assert.equal(report["outcome"], "refused");
  assert.match(String(report["error"]), /nobody's yes is trusted by all the rules that ask/);
});

test("a standing permission ends when the policy trusts less than it did", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  const rules = { ask: ["Bash(echo *)"] };
  await stage.start({ people: { rules } }).ready;
  const first = stage.plane.submit(hello);
  const grant = { rule: "Bash(echo *)", expiresAt: Date.now() + 3_600_000 };
  const ask = await stage.plane.approval(first);
  stage.plane.decide(signed(decisionOn(ask, { verdict: "grant", grant }), anna));
  await stage.plane.report(first);
  assert.equal((await stage.plane.report(stage.plane.submit(hello)))["outcome"], "done");
  stage.setPolicy({ rules, approvals: { trust: ["local"] } });
  const next = stage.plane.submit(hello);
  assert.deepEqual((await stage.plane.approval(next)).levels, ["local"]);
});

test("a rule for one submitter lets what that one signed run unasked, and nobody else's", async () => {
  await using stage = await openStage();
  const rita = enroll(stage, "rita", "submitter");
  const bot = enroll(stage, "bot", "submitter");
  const rules = { allow: [{ rule: "Bash(echo *)", submitter: "rita" }] };
  await stage.start({ people: { default: "deny", rules } }).ready;
  const hers = stage.plane.put(signedTask(hello, rita));
  assert.equal((await stage.plane.report(hers))["outcome"], "done");
  const others = [stage.plane.put(signedTask(hello, bot)), stage.plane.submit(hello)];
  for (const id of others) assert.equal((await stage.plane.report(id))["outcome"], "refused");
  const changed = { ...signedTask(hello, rita), spec: say("other") };
  assert.equal((await stage.plane.report(stage.plane.put(changed)))["outcome"], "refused");
  assert.equal(stage.runner.jobs.length, 1);
});

test("an approval that the server cannot take for its size refuses the task, once and for all", async () => {
  await using stage = await openStage();
  await stage.start({ people: { default: "ask" } }).ready;
  let sent = 0;
  stage.plane.lie = ({ path }, response) => {
    if (path !== "/worker/ask") return false;
    sent += 1;
    response.writeHead(413).end("{}");
    return true;
  };
  const report = await stage.plane.report(stage.plane.submit(hello));
  assert.equal(report["outcome"], "refused");
  assert.match(String(report["error"]), /too large to be shown/);
  using local = await atTheComputer(stage);
  assert.equal((await local.list()).approvals.length, 0);
  assert.equal(sent, 1);
  stage.plane.lie = null;
  await stage.plane.approval(stage.plane.submit(hello));
});
