import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { Ask, DecisionEnvelope } from "@openclaw-worker/protocol";
import { keyFileIn } from "../../src/authority.ts";
import { hello, openStage, untilCancelled } from "../stage.ts";
import {
  atTheComputer,
  decisionOn,
  enroll,
  last,
  logged,
  noted,
  revoke,
  signed,
  stranger,
  unsigned,
  until,
  type Person,
} from "./people.ts";

const asks = { default: "ask" } as const;

test("a signature by an enrolled key lets exactly this task run, and the server hears of it", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people: asks }).ready;
  const id = stage.plane.put({ spec: hello, reason: "please" });
  const ask = await stage.plane.approval(id);
  assert.deepEqual(ask.request.deed, { kind: "command", command: "echo hello" });
  assert.deepEqual(ask.levels, ["local", "signed"]);
  assert.equal(stage.runner.jobs.length, 0);
  stage.plane.decide(signed(decisionOn(ask), anna));
  const report = await stage.plane.report(id);
  assert.equal(report["outcome"], "done");
  const told = await stage.plane.approval(id, "allowed");
  assert.equal(told.decidedBy, "anna (signed)");
  assert.deepEqual(
    stage.noted.filter(({ taskId }) => taskId === id).map(({ type }) => type),
    ["request", "decision", "asked", "approval", "begin", "outcome"],
  );
});

test("a no by anybody is a no, and wins over a yes that came with it", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  const bert = enroll(stage, "bert", "approver");
  await stage.start({ people: asks }).ready;
  const id = stage.plane.submit(hello);
  const ask = await stage.plane.approval(id);
  stage.plane.decide(
    signed(decisionOn(ask), anna),
    signed(decisionOn(ask, { verdict: "deny" }), bert),
  );
  const report = await stage.plane.report(id);
  assert.equal(report["outcome"], "refused");
  assert.equal(report["exitCode"], 126);
  assert.match(String(report["error"]), /bert said no/);
  assert.equal(stage.runner.jobs.length, 0);
  assert.equal((await stage.plane.approval(id, "denied")).decidedBy, "bert (signed)");
});

test("a question that nobody answers in time is a no", async () => {
  await using stage = await openStage();
  await stage.start({ people: { default: "ask", approvals: { timeoutMs: 1_000 } } }).ready;
  const id = stage.plane.submit(hello);
  const report = await stage.plane.report(id);
  assert.equal(report["outcome"], "refused");
  assert.match(String(report["error"]), /nobody answered within 1 s/);
  await stage.plane.approval(id, "expired");
});

type Forged = (ask: Ask, people: { readonly anna: Person; readonly rita: Person }) => unknown;

const lies: Readonly<Record<string, { readonly forged: Forged; readonly because: RegExp }>> = {
  "the server's word alone": {
    forged: (ask) => unsigned(decisionOn(ask)),
    because: /not signed/,
  },
  "a grant of the server's": {
    forged: (ask) =>
      unsigned(
        decisionOn(ask, {
          verdict: "grant",
          grant: { rule: "Bash(echo *)", expiresAt: Date.now() + 60_000 },
        }),
      ),
    because: /not signed/,
  },
  "a key that nobody enrolled": {
    forged: (ask) => signed(decisionOn(ask), stranger()),
    because: /no approver has the key/,
  },
  "a submitter's key": {
    forged: (ask, { rita }) => signed(decisionOn(ask), rita),
    because: /no approver has the key/,
  },
  "a signature over a no, with a yes": {
    forged: (ask, { anna }) => ({
      ...signed(decisionOn(ask, { verdict: "deny" }), anna),
      decision: decisionOn(ask),
    }),
    because: /not over this decision/,
  },
  "a signature of another's under anna's name": {
    forged: (ask, { anna }) => {
      const forged = signed(decisionOn(ask), stranger());
      const { value } = forged.signature ?? { value: "" };
      return { ...forged, signature: { key: anna.key.public.fingerprint, value } };
    },
    because: /not over this decision/,
  },
  "another text": {
    forged: (ask, { anna }) => signed(decisionOn(ask, { digest: "0".repeat(64) }), anna),
    because: /digest differs/,
  },
  "another worker": {
    forged: (ask, { anna }) => signed(decisionOn(ask, { worker: "laptop" }), anna),
    because: /not this one/,
  },
  "a decision that is over": {
    forged: (ask, { anna }) => signed(decisionOn(ask, { expiresAt: Date.now() - 1 }), anna),
    because: /has expired/,
  },
  "a decision of next week": {
    forged: (ask, { anna }) => signed(decisionOn(ask, { decidedAt: Date.now() + 6e8 }), anna),
    because: /in the future/,
  },
  "a decision of last week": {
    forged: (ask, { anna }) => signed(decisionOn(ask, { decidedAt: Date.now() - 6e8 }), anna),
    because: /older than the request/,
  },
};

for (const [name, { forged, because }] of Object.entries(lies)) {
  test(`${name} is no yes: it is noted, and the question goes on waiting`, async () => {
    await using stage = await openStage();
    const anna = enroll(stage, "anna", "approver");
    const rita = enroll(stage, "rita", "submitter");
    await stage.start({ people: asks }).ready;
    const id = stage.plane.submit(hello);
    const ask = await stage.plane.approval(id);
    stage.plane.decide(forged(ask, { anna, rita }), { approved: true }, null);
    await until(() => stage.noted.some(({ data }) => because.test(String(data["because"]))));
    assert.equal(stage.runner.jobs.length, 0);
    stage.plane.decide(signed(decisionOn(ask), anna));
    assert.equal((await stage.plane.report(id))["outcome"], "done");
  });
}

test("a policy, a key, a resume that came from the server change nothing, and each is noted once", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people: asks }).ready;
  const { text: publicKey } = stranger().key.public;
  const orders = [
    { type: "policy", policy: { default: "cage", rules: { allow: ["Bash"] } } },
    { type: "key", name: "mallory", publicKey, roles: ["approver"] },
    { type: "resume", resumed: true },
    { type: "approval", approved: true },
  ];
  stage.plane.decide(...orders, ...orders, JSON.parse(`${"[".repeat(500)}${"]".repeat(500)}`));
  const refused = () => stage.noted.filter(({ type }) => type === "refused");
  await until(() => refused().length === 5);
  assert.deepEqual(
    refused().map(({ data }) => data["type"]),
    ["policy", "key", "resume", "approval", "object"],
  );
  const id = stage.plane.submit(hello);
  stage.plane.decide(signed(decisionOn(await stage.plane.approval(id)), anna));
  assert.equal((await stage.plane.report(id))["outcome"], "done");
  assert.equal(refused().length, 5);
});

test("`approved: true` in a task, a beat or a poll's answer changes nothing", async () => {
  await using stage = await openStage();
  await stage.start({ people: asks }).ready;
  const task = { spec: hello, approved: true, metadata: { approved: true } };
  const id = stage.plane.put(task);
  const ask = await stage.plane.approval(id);
  assert.equal(ask.state, "waiting");
  using local = await atTheComputer(stage);
  await local.decide({ approvalId: ask.request.id, digest: ask.digest, verdict: "deny" });
  assert.equal((await stage.plane.report(id))["outcome"], "refused");
});

test("a key that was revoked while a question waits decides nothing", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  enroll(stage, "bert", "approver");
  await stage.start({ people: asks }).ready;
  const id = stage.plane.submit(hello);
  const ask = await stage.plane.approval(id);
  revoke(stage, "anna");
  await noted(stage, "key");
  stage.plane.decide(signed(decisionOn(ask), anna));
  await noted(stage, "refused");
  assert.match(String(last(stage, "refused")?.["because"]), /the key of anna was revoked/);
  assert.equal(stage.runner.jobs.length, 0);
});

test("the keys stay as they were when their file breaks, and are nobody's when it is gone", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people: asks }).ready;
  const file = keyFileIn(stage.workerHome);
  writeFileSync(file, "{", { mode: 0o600 });
  await logged(stage, /the keys stay as they were/);
  const first = stage.plane.submit(hello);
  stage.plane.decide(signed(decisionOn(await stage.plane.approval(first)), anna));
  assert.equal((await stage.plane.report(first))["outcome"], "done");
  rmSync(file);
  await noted(stage, "key");
  const second = stage.plane.submit(hello);
  stage.plane.decide(signed(decisionOn(await stage.plane.approval(second)), anna));
  await noted(stage, "refused");
  assert.match(String(last(stage, "refused")?.["because"]), /no approver has the key/);
});

test("a yes for one attempt is none for the next, and none after a cancel", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people: asks }).ready;
  const id = stage.plane.submit(hello);
  const first = await stage.plane.approval(id);
  stage.plane.again(id, { sameFence: false });
  const second = await stage.plane.until(() =>
    stage.plane.approvals.find(({ taskId, fence }) => taskId === id && fence === 2),
  );
  assert.notEqual(second.digest, first.digest);
  assert.equal((await stage.plane.approval(id, "withdrawn")).request.id, first.request.id);
  stage.plane.decide(signed(decisionOn(first), anna));
  stage.plane.cancel(id);
  const report = await stage.plane.report(id);
  assert.equal(report["outcome"], "cancelled");
  stage.plane.decide(signed(decisionOn(second), anna));
  const other = stage.plane.submit(hello);
  await stage.plane.approval(other);
  assert.equal(stage.runner.jobs.length, 0);
});

test("a decision that was used is none for the same question asked again", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people: asks }).ready;
  const first = stage.plane.submit(hello);
  const used = signed(decisionOn(await stage.plane.approval(first)), anna);
  stage.plane.decide(used);
  await stage.plane.report(first);
  const second = stage.plane.submit(hello);
  const ask = await stage.plane.approval(second);
  const { approvalId: _, ...rest } = used.decision;
  const moved: DecisionEnvelope = { ...used, decision: { ...rest, approvalId: ask.request.id } };
  stage.plane.decide(used, moved);
  await noted(stage, "refused");
  assert.equal(stage.runner.jobs.length, 1);
  const nonce = used.decision.nonce;
  stage.plane.decide(signed(decisionOn(ask, { nonce }), anna));
  await stage.plane.until(
    () =>
      stage.noted.some(({ data }) => /nonce was used/.test(String(data["because"]))) || undefined,
  );
  assert.equal(stage.runner.jobs.length, 1);
});

test("where the policy trusts the server's word, it is a yes, but never a grant", async () => {
  await using stage = await openStage();
  await stage.start({ people: { default: "ask", approvals: { trust: ["token"] } } }).ready;
  const id = stage.plane.submit(hello);
  const ask = await stage.plane.approval(id);
  assert.deepEqual(ask.levels, ["token"]);
  const grant = { rule: "Bash(echo *)", expiresAt: Date.now() + 60_000 };
  stage.plane.decide(unsigned(decisionOn(ask, { verdict: "grant", grant })));
  await noted(stage, "refused");
  using local = await atTheComputer(stage);
  const here = { approvalId: ask.request.id, digest: ask.digest, verdict: "once" } as const;
  assert.match(String(await local.decide(here)), /does not trust decisions at this computer/);
  stage.plane.decide(unsigned(decisionOn(ask)));
  assert.equal((await stage.plane.report(id))["outcome"], "done");
});

test("what ran is what was shown: a script that changed after the yes is asked about anew", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people: asks, slots: 1 }).ready;
  const script = path.join(stage.root, "x.sh");
  writeFileSync(script, "echo 1\n");
  const id = stage.plane.submit({ kind: "command", command: "sh ./x.sh" });
  const first = await stage.plane.approval(id);
  assert.deepEqual(
    first.request.files.map((file) => file.path),
    [script],
  );
  writeFileSync(script, "echo 2\n");
  stage.plane.decide(signed(decisionOn(first), anna));
  const second = await stage.plane.until(() =>
    stage.plane.approvals.find((ask) => ask.taskId === id && ask.request.id !== first.request.id),
  );
  assert.notEqual(second.request.files[0]?.sha256, first.request.files[0]?.sha256);
  assert.equal(stage.runner.jobs.length, 0);
  assert.match(String(last(stage, "refused")?.["because"]), /changed after the yes/);
  stage.plane.decide(signed(decisionOn(second), anna));
  assert.equal((await stage.plane.report(id))["outcome"], "done");
});

test("a script that changes between the begin and the run is not run", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people: asks }).ready;
  const script = path.join(stage.root, "x.sh");
  writeFileSync(script, "echo 1\n");
  const id = stage.plane.submit({ kind: "exec", argv: ["bash", "x.sh"] });
  const ask = await stage.plane.approval(id);
  stage.plane.lie = ({ path: route }) => {
    if (route === "/worker/started") writeFileSync(script, "echo 2\n");
    return false;
  };
  stage.plane.decide(signed(decisionOn(ask), anna));
  const report = await stage.plane.report(id);
  assert.equal(report["outcome"], "refused");
  assert.match(String(report["error"]), /changed at the last moment/);
  assert.equal(stage.runner.jobs.length, 0);
});

test("what cannot be written down is not run, whoever said yes", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people: asks, unnoted: "no space left" }).ready;
  const id = stage.plane.submit(hello);
  stage.plane.decide(signed(decisionOn(await stage.plane.approval(id)), anna));
  const report = await stage.plane.report(id);
  assert.equal(report["outcome"], "failed");
  assert.match(String(report["error"]), /audit log cannot be written \(no space left\)/);
  assert.equal(stage.runner.jobs.length, 0);
});

test("a policy that changes while a question waits decides anew", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people: asks }).ready;
  const id = stage.plane.submit(hello);
  const ask = await stage.plane.approval(id);
  stage.setPolicy({ default: "ask", rules: { deny: ["Bash(echo *)"] } });
  stage.plane.decide(signed(decisionOn(ask), anna));
  const report = await stage.plane.report(id);
  assert.equal(report["outcome"], "refused");
  assert.match(String(report["error"]), /deny: Bash\(echo \*\)/);
  assert.equal(stage.runner.jobs.length, 0);
});

test("ten questions are shown at once while three slots run, and each begins after its yes", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  stage.runner.end = untilCancelled;
  await stage.start({ people: asks, slots: 3 }).ready;
  const ids = Array.from({ length: 10 }, () => stage.plane.submit(hello));
  const questions = await Promise.all(ids.map((id) => stage.plane.approval(id)));
  using local = await atTheComputer(stage);
  assert.equal((await local.list()).approvals.length, 10);
  stage.plane.decide(...questions.map((ask) => signed(decisionOn(ask), anna)));
  await Promise.all(ids.slice(0, 3).map((id) => stage.runner.job(id)));
  assert.equal(stage.runner.jobs.length, 3);
  await stage.plane.until(() =>
    stage.plane.approvals.every(({ state }) => state === "allowed") ? true : undefined,
  );
  assert.equal((await local.status()).running, 3);
  for (const id of ids) {
    await stage.runner.job(id);
    stage.plane.cancel(id);
    await stage.plane.report(id);
  }
  assert.equal(stage.runner.jobs.length, 10);
});

test("a person who is asked too much is not asked any more, and the refusal says so", async () => {
  await using stage = await openStage();
  await stage.start({ people: asks }).ready;
  const ids = Array.from({ length: 25 }, () => stage.plane.submit(hello));
  const refused = await stage.plane.until(() => {
    const results = stage.plane.seen.filter(({ path }) => path === "/worker/result");
    return results.length >= 5 ? results : undefined;
  });
  assert.equal(refused.length, 5);
  assert.match(String(refused[0]?.body["error"]), /20 questions wait for a person already/);
  assert.equal(ids.length, 25);
});

test("a question that waited when the worker died is withdrawn, and asked anew with its task", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  const worker = stage.start({ people: asks });
  await worker.ready;
  const id = stage.plane.submit(hello);
  const first = await stage.plane.approval(id);
  // A crash: the server hears of nothing.
  stage.plane.lie = ({ path }, response) => path === "/worker/ask" && (response.destroy(), true);
  await worker.stop();
  stage.plane.lie = null;
  await stage.start({ people: asks }).ready;
  const gone = await stage.plane.approval(id, "withdrawn");
  assert.equal(gone.request.id, first.request.id);
  stage.plane.decide(signed(decisionOn(first), anna));
  stage.plane.again(id, { sameFence: false });
  const second = await stage.plane.approval(id);
  assert.notEqual(second.request.id, first.request.id);
  assert.equal(stage.runner.jobs.length, 0);
  stage.plane.decide(signed(decisionOn(second), anna));
  assert.equal((await stage.plane.report(id))["outcome"], "done");
});

test("a decision that comes too late, and says something else, is written down", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people: asks }).ready;
  const cancelled = stage.plane.submit(hello);
  const ask = await stage.plane.approval(cancelled);
  stage.plane.cancel(cancelled);
  await stage.plane.approval(cancelled, "withdrawn");
  stage.plane.decide(signed(decisionOn(ask), anna));
  await noted(stage, "refused");
  const { data, taskId } = stage.noted.find(({ type }) => type === "refused") ?? {};
  assert.match(String(data?.["because"]), /^it is too late: withdrawn/);
  assert.equal(taskId, cancelled);

  const allowed = stage.plane.submit(hello);
  const second = await stage.plane.approval(allowed);
  const yes = signed(decisionOn(second), anna);
  stage.plane.decide(yes);
  await stage.plane.report(allowed);
  stage.plane.decide(yes, signed(decisionOn(second, { verdict: "deny" }), anna));
  await until(() => /too late: allowed/.test(String(last(stage, "refused")?.["because"])));
  assert.equal(
    stage.noted.filter(({ type }) => type === "refused").length,
    2,
    "the copy is no news",
  );
});
