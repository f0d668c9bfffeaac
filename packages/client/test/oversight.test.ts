import {
  approvalSchema,
  decideRequestSchema,
  digestOf,
  kindRequestSchema,
  newPrivateKey,
  provesTask,
  unstopRequestSchema,
  verifyDocument,
  type Approval,
} from "@openclaw-worker/protocol";
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient, ClientError, type Client } from "../src/index.ts";
import { accepted, json, openStage, problem, taskId } from "./stage.ts";

const key = newPrivateKey();
const sha256 = "0".repeat(64);
const head = {
  checkpoint: { version: 1, worker: "home", log: "ab".repeat(16), size: 1, root: sha256, at: 1 },
  signature: { key: key.public.fingerprint, value: "A".repeat(86) },
  publicKey: key.public.text,
};

function clientOf(url: string): Client {
  return createClient({ url, token: "a-token-of-the-test", patienceMs: 1_000, random: () => 0 });
}

function approvalOf(): Approval {
  const request = {
    version: 1,
    id: taskId,
    worker: "home",
    taskId,
    attempt: 1,
    deed: { kind: "exec", argv: ["git", "push"] },
    cwd: "/home/me",
    env: {},
    stdin: null,
    files: [],
    cage: { outside: false, write: [], read: [], domains: [] },
    rule: null,
    policyDigest: "p",
    nonce: "0123456789abcdefghijkl",
    askedAt: 1,
    expiresAt: 9_000_000_000_000,
  };
  return approvalSchema.parse({
    id: taskId,
    taskId,
    request,
    digest: digestOf(request),
    levels: ["signed"],
    state: "waiting",
    decidedBy: null,
    reason: "because",
    updatedAt: 1,
  });
}

test("a signed submit carries a proof over exactly what the server parses from it", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  stage.answer(json(200, accepted));
  const tasks = [
    { kind: "command", command: "ls", worker: "home", labels: ["gpu"], timeout: 5_000 },
    { kind: "file-write", path: "a", content: "é", priority: 3, reason: "because" },
    { kind: "action", action: "backup", metadata: { a: 1 }, ttlMs: 1_000 },
  ] as const;
  for (const [index, task] of tasks.entries()) {
    await client.submit({ ...task, sign: key });
    const { id, proof, spec, timeoutMs, ...queued } = kindRequestSchema.parse(
      stage.seen[index]?.body,
    );
    assert.ok(id !== undefined && proof !== undefined);
    assert.ok(provesTask({ id, spec, timeoutMs }, proof, key.public), task.kind);
    assert.equal(provesTask({ id, spec, timeoutMs: timeoutMs + 1 }, proof, key.public), false);
    assert.equal(proof.expiresAt - proof.issuedAt, queued.ttlMs);
    const { worker } = queued;
    assert.deepEqual(proof.audience, {
      ...(worker === undefined ? {} : { worker }),
      labels: queued.labels,
    });
  }
  assert.ok(!JSON.stringify(stage.seen).includes('"sign"'));
});

test("a signed submit of what is no task is refused here, before anything is sent", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  const none = client.submit({ kind: "command", command: "", sign: key });
  await assert.rejects(
    none,
    (error) => error instanceof ClientError && error.code === "invalid-request",
  );
  assert.equal(stage.seen.length, 0);
});

test("approvals are asked for from a cursor on, and waited for", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  const approval = approvalOf();
  stage.answer(json(200, { approvals: [approval], cursor: "7" }), json(200, approval));
  const page = await client.approvals({ state: "waiting", after: "3", waitMs: 1_000 });
  assert.deepEqual(page, { approvals: [approval], cursor: "7" });
  assert.deepEqual(await client.approval(taskId), approval);
  assert.deepEqual(
    stage.seen.map(({ path }) => path),
    ["/approvals?state=waiting&after=3&wait=1000", `/approvals/${taskId}`],
  );
});

test("a decision names what was shown and is signed with the key; without one it is bare", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  stage.answer(json(202, { sent: true, state: "waiting" }));
  const approval = approvalOf();
  const grant = { rule: 'Exec(["git", "push"])', expiresAt: 1 };
  assert.equal(await client.decide(approval, { verdict: "grant", grant, key }), "waiting");
  await client.decide(approval, { verdict: "deny" });
  const [signed, bare] = stage.seen.map(({ body }) => decideRequestSchema.parse(body));
  assert.ok(signed?.signature !== undefined && bare !== undefined);
  const by = { signature: signed.signature, key: key.public };
  assert.ok(verifyDocument("decision", signed.decision, by));
  assert.deepEqual(
    [signed.decision.approvalId, signed.decision.digest, signed.decision.grant],
    [taskId, approval.digest, grant],
  );
  assert.deepEqual([bare.decision.verdict, bare.signature], ["deny", undefined]);
  assert.notEqual(signed.decision.nonce, bare.decision.nonce);
});

test("a decision that comes too late says who was first", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  stage.answer(
    json(409, problem("approval-decided", 409, "This approval is over: denied by anna.")),
  );
  await assert.rejects(
    client.decide(approvalOf(), { verdict: "once", key }),
    (error) =>
      error instanceof ClientError && error.code === "approval-decided" && /anna/.test(error.why),
  );
});

test("a worker is stopped by name and resumed by a signature over that stop", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  const stop = { id: taskId, by: "api", reason: "enough", at: 1 };
  stage.answer(
    json(202, { sent: true, stop, online: true, message: "told" }),
    json(202, { sent: true, online: true, message: "on its way" }),
  );
  assert.deepEqual((await client.stopWorker("home", "enough")).stop, stop);
  assert.equal((await client.unstopWorker("home", { stopId: taskId, key })).sent, true);
  assert.deepEqual(
    stage.seen.map(({ path }) => path),
    ["/workers/home/stop", "/workers/home/unstop"],
  );
  const { resume, signature } = unstopRequestSchema.parse(stage.seen[1]?.body);
  assert.deepEqual([resume.worker, resume.stopId], ["home", taskId]);
  assert.ok(verifyDocument("resume", resume, { signature, key: key.public }));
});

test("the copy of an audit log is read page by page, with head and proofs", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  const page = { worker: "home", log: head.checkpoint.log, size: 1, entries: ["{}"], head };
  const proof = { seq: 0, entry: "{}", proof: [], head };
  stage.answer(json(200, page), json(200, head), json(200, proof));
  assert.deepEqual(await client.audit("home", { from: 0, limit: 10 }), page);
  assert.deepEqual(await client.auditCheckpoint("home"), head);
  assert.deepEqual(await client.auditProof("home", 0), proof);
  assert.deepEqual(
    stage.seen.map(({ path }) => path),
    [
      "/audit?worker=home&from=0&limit=10",
      "/audit/checkpoint?worker=home",
      "/audit/proof?worker=home&seq=0",
    ],
  );
});
