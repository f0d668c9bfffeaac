import {
  approvalSchema,
  limits,
  newPrivateKey,
  parseTaskId,
  provesTask,
  proveTask,
} from "@openclaw-worker/protocol";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { verifyChain } from "../../src/audit/chain.ts";
import {
  askOf,
  decisionOf,
  ended,
  introductionOf,
  signedDecision,
  signedResume,
  stoppedBy,
} from "../asks.ts";
import { idOf, strangerId } from "../orders.ts";
import { approveToken, assertProblem, openApiStage, type ApiStage } from "./stage.ts";

const instance = "home-instance";
const pollPath = (capacity: number, wait = 5_000) =>
  `/worker/poll?wait=${wait}&capacity=${capacity}&workerId=home&instance=${instance}`;

async function asking(stage: ApiStage, fields: object = {}) {
  await stage.post("/worker/beat", { worker: introductionOf("home"), held: [] });
  await stage.post("/tasks", { command: "git push", reason: "release day", ...fields });
  const [task] = (await stage.get(pollPath(1))).body.tasks;
  const held = { taskId: idOf(task.id), fence: 1 };
  const ask = { ...askOf(held, { at: Date.now() }), instance };
  assert.deepEqual((await stage.post("/worker/ask", ask)).body, { success: true });
  return ask;
}

describe("approvals", () => {
  test("what a worker asks is shown, and the task says what it waits for", async () => {
    await using stage = await openApiStage();
    const ask = await asking(stage);
    const { id } = ask.request;
    const listed = (await stage.get("/approvals?state=waiting")).body;
    assert.deepEqual(listed.approvals, [(await stage.get(`/approvals/${id}`)).body]);
    const approval = approvalSchema.parse(listed.approvals[0]);
    assert.deepEqual(
      [approval.request, approval.digest, approval.reason, approval.state],
      [ask.request, ask.digest, "release day", "waiting"],
    );
    const view = (await stage.get(`/tasks/${ask.taskId}`)).body;
    assert.deepEqual(
      [view.status, view.phase, view.approval],
      ["running", "awaiting-approval", id],
    );
    assert.equal(view.stdout, undefined);
    await stage.post("/worker/ask", ended(ask));
    const after = (await stage.get(`/tasks/${ask.taskId}`)).body;
    assert.deepEqual([after.phase, after.approval], ["claimed", undefined]);
    const next = (await stage.get(`/approvals?after=${listed.cursor}&wait=60000`)).body;
    assert.deepEqual(
      [next.approvals[0].state, next.approvals[0].decidedBy],
      ["allowed", "key anna"],
    );
    assertProblem(await stage.get(`/approvals/${randomUUID()}`), 404, "Approval not found");
    assertProblem(await stage.get("/approvals?state=open"), 400, /^state/);
    assertProblem(await stage.get("/approvals?colour=red"), 400);
  });

  test("a reader that waits hears at once of a new one", async () => {
    await using stage = await openApiStage();
    const waiting = stage.get("/approvals?wait=60000");
    const ask = await asking(stage);
    assert.equal((await waiting).body.approvals[0].id, ask.request.id);
  });

  test("a signed decision reaches the worker's parked poll, whoever carries it", async () => {
    await using stage = await openApiStage();
    const ask = await asking(stage);
    const signed = signedDecision(ask);
    const parked = stage.get(pollPath(0));
    const answer = await stage.post(`/approvals/${ask.request.id}`, signed);
    assert.deepEqual([answer.status, answer.body], [202, { sent: true, state: "waiting" }]);
    assert.deepEqual((await parked).body.decisions, [{ type: "approval", ...signed }]);
  });

  test("a late one is told who decided and when", async () => {
    await using stage = await openApiStage();
    const ask = await asking(stage);
    await stage.post("/worker/ask", ended(ask, "denied", "local: anna"));
    const late = await stage.post(`/approvals/${ask.request.id}`, signedDecision(ask));
    assertProblem(late, 409, /^This approval is over: denied by local: anna, \d{4}-\d\d-\d\dT/);
    assert.equal(late.body.code, "approval-decided");
  });

  test("the token that executes never approves by its own word", async () => {
    await using stage = await openApiStage({ approves: true });
    const ask = await asking(stage);
    const path = `/approvals/${ask.request.id}`;
    const decision = decisionOf(ask);
    const refused = await stage.post(path, { decision });
    assertProblem(refused, 403, /Sign the decision with a key that is enrolled/);
    assertProblem(await stage.post(path, { decision, approved: true }), 400);
    assertProblem(await stage.post(path, { approved: true }), 400);
    assert.deepEqual((await stage.get(pollPath(0, 0))).body.decisions, []);
    const carried = await stage.post(path, { decision }, { token: approveToken });
    assert.equal(carried.status, 202);
    assert.deepEqual((await stage.get(pollPath(0))).body.decisions, [
      { type: "approval", decision, by: "token" },
    ]);
  });

  test("the token that approves does nothing else", async () => {
    await using stage = await openApiStage({ approves: true });
    const ask = await asking(stage);
    const as = { token: approveToken };
    for (const path of ["/tasks", "/worker/beat", "/worker/ask", "/notify", "/worker/result"])
      assertProblem(await stage.post(path, {}, as), 403, /read, approve and stop/);
    assertProblem(await stage.post(`/tasks/${ask.taskId}/cancel`, {}, as), 403);
    assertProblem(await stage.get("/worker/poll?capacity=1", as), 403);
    for (const path of ["/approvals", "/workers", "/events", `/tasks/${ask.taskId}`])
      assert.equal((await stage.get(path, as)).status, 200);
    assert.equal((await stage.post("/workers/home/stop", {}, as)).status, 202);
  });

  test("a decision about something else than was shown is refused", async () => {
    await using stage = await openApiStage();
    const ask = await asking(stage);
    const path = `/approvals/${ask.request.id}`;
    for (const fields of [
      { digest: "0".repeat(64) },
      { worker: "other" },
      { approvalId: strangerId() },
      { expiresAt: 1 },
    ])
      assertProblem(await stage.post(path, signedDecision(ask, fields)), 400, /^decision/);
    assertProblem(
      await stage.post(`/approvals/${strangerId()}`, signedDecision(ask)),
      404,
      "Approval not found",
    );
  });

  test("a worker's lie about digest, task or attempt is refused, and so is too large a text", async () => {
    await using stage = await openApiStage();
    const ask = await asking(stage);
    const send = (body: object) => stage.post("/worker/ask", body);
    assertProblem(await send({ ...ask, digest: "0".repeat(64) }), 400, /digest/);
    assertProblem(await send({ ...ask, taskId: strangerId() }), 400, /request.taskId/);
    const stranger = askOf({ taskId: strangerId(), fence: 1 });
    assertProblem(await send({ ...stranger, instance }), 404, "Task not found");
    assertProblem(await send({ ...askOf(ask), instance: "another-instance" }), 409);
    assertProblem(await send({ ...ask, colour: "red" }), 400);
    const deed = { kind: "command", command: "x".repeat(limits.askBytes) };
    const large = await send({ ...ask, request: { ...ask.request, deed } });
    assertProblem(large, 413, new RegExp(`the limit is ${limits.askBytes} bytes`));
  });
});

describe("stop and unstop", () => {
  test("a stop reaches the worker, is shown, and says so to who submits", async () => {
    await using stage = await openApiStage();
    await stage.post("/worker/beat", { worker: introductionOf("home"), held: [] });
    const parked = stage.get(pollPath(1));
    const { status, body } = await stage.post("/workers/home/stop", { reason: "looks wrong" });
    assert.equal(status, 202);
    assert.deepEqual([body.stop.reason, body.stop.by], ["looks wrong", "WORKER_TOKEN"]);
    assert.deepEqual((await parked).body.stop, body.stop);
    const stopped = stoppedBy(body.stop.id, "looks wrong");
    await stage.post("/worker/beat", { worker: introductionOf("home"), held: [], stopped });
    const worker = (await stage.get("/workers/home")).body;
    assert.deepEqual([worker.state, worker.stopped, worker.stopAsked], ["stopped", stopped, null]);
    const accepted = (await stage.post("/tasks", { command: "x", worker: "home" })).body;
    assert.equal(accepted.online, false);
    assert.match(accepted.message, /worker home is stopped; it waits until it is resumed/);

    const resume = signedResume(stopped.id, "home", Date.now());
    const sent = await stage.post("/workers/home/unstop", resume);
    assert.deepEqual([sent.status, sent.body.sent], [202, true]);
    assert.deepEqual((await stage.get(pollPath(0))).body.decisions, [
      { type: "resume", ...resume },
    ]);
    await stage.post("/worker/beat", { worker: introductionOf("home"), held: [], stopped: null });
    assert.equal((await stage.get(pollPath(1))).body.tasks.length, 1);
    const { byType } = (await stage.get("/events/stats")).body.stats;
    assert.deepEqual([byType["worker.stopped"], byType["worker.resumed"]], [1, 1]);
  });

  test("an unknown worker and an unsigned resume are refused", async () => {
    await using stage = await openApiStage();
    assertProblem(await stage.post("/workers/nobody/stop"), 404, "Worker not found");
    await stage.post("/worker/beat", { worker: introductionOf("home"), held: [] });
    const { resume } = signedResume(strangerId(), "home", Date.now());
    assertProblem(await stage.post("/workers/home/unstop", { resume }), 400, /^signature/);
    assertProblem(await stage.post("/workers/home/unstop", {}), 400);
    assertProblem(await stage.post("/workers/home/stop", { force: true }), 400);
  });
});

describe("signed tasks", () => {
  const key = newPrivateKey();
  const claims = {
    nonce: "0123456789abcdefghijkl",
    issuedAt: 1,
    expiresAt: 9_000_000_000_000,
    audience: { worker: "home", labels: [] },
  };

  test("arrive as they were signed, byte for byte, with needs and reason", async () => {
    await using stage = await openApiStage();
    const id = parseTaskId(randomUUID()) ?? strangerId();
    const spec = {
      kind: "command" as const,
      command: "printf '\u00e9\\n' ; true",
      env: { B: "2", A: "1" },
      needs: { write: ["~/x"], network: ["example.com"] },
    };
    const task = { id, spec, timeoutMs: 5_000 };
    const proof = proveTask(task, claims, key);
    const body = { ...spec, id, timeout: 5_000, proof, worker: "home", reason: "because" };
    const accepted = await stage.post("/tasks", body);
    assert.deepEqual([accepted.status, accepted.body.taskId], [200, id]);
    assert.equal((await stage.post("/tasks", body)).body.taskId, id);
    assertProblem(
      await stage.post("/tasks", { ...body, reason: "other" }),
      409,
      /This id was used/,
    );
    assert.equal((await stage.get("/worker/poll?wait=0&workerId=home")).body, null);
    await stage.post("/worker/beat", { worker: introductionOf("home"), held: [] });
    const [got] = (await stage.get(pollPath(3))).body.tasks;
    assert.deepEqual([got.spec, got.proof, got.reason], [spec, proof, "because"]);
    assert.ok(
      provesTask({ id: got.id, spec: got.spec, timeoutMs: got.timeoutMs }, got.proof, key.public),
    );
  });

  test("an id without a proof is refused, on the strict door; bridges' reasons are the task's", async () => {
    await using stage = await openApiStage();
    const body = { kind: "command", command: "x", id: strangerId() };
    assertProblem(await stage.post("/tasks", body), 400, /id and proof come together/);
    await stage.post("/worker/beat", { worker: introductionOf("home"), held: [] });
    await stage.post("/claude", { prompt: "think", reason: "asked on the phone", origin: "chat" });
    const [task] = (await stage.get(pollPath(1))).body.tasks;
    assert.deepEqual([task.reason, task.metadata], ["asked on the phone", { origin: "chat" }]);
  });
});

describe("the log of actions", () => {
  test("names who did what from where, and strangers once, chained", async () => {
    await using stage = await openApiStage();
    const ask = await asking(stage);
    await stage.post(`/approvals/${ask.request.id}`, signedDecision(ask));
    for (let tries = 0; tries < 5; tries += 1) await stage.get("/tasks", { token: "wrong" });
    await stage.post("/workers/home/stop", {});
    await stage.post(`/tasks/${ask.taskId}/cancel`);
    const { actions } = (await stage.get("/actions")).body;
    assert.deepEqual(
      actions.map((one: { actor: string; action: string; target: string }) => [
        one.actor,
        one.action,
        one.target,
      ]),
      [
        ["WORKER_TOKEN", "task.submit", ask.taskId],
        ["WORKER_TOKEN", "approval.once", ask.request.id],
        ["nobody", "auth.refused", ""],
        ["WORKER_TOKEN", "worker.stop", "home"],
        ["WORKER_TOKEN", "task.cancel", ask.taskId],
      ],
    );
    assert.ok(actions.every(({ from }: { from: string }) => from === "127.0.0.1"));
    assert.equal(verifyChain(actions, null), null);
    assert.deepEqual((await stage.get("/actions?from=1&limit=1")).body.actions, [actions[1]]);
    assert.ok(!JSON.stringify(actions).includes("wrong"));
  });
});
