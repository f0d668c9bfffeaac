// An old worker, written from the text of the API alone, against the real server.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { manualClock } from "../clock.ts";
import { strangerId } from "../orders.ts";
import { assertProblem, eventually, openApiStage, pollOld, rawRequest, speak } from "./stage.ts";

describe("an old worker", () => {
  test("that polls without wait is answered JSON null after five seconds", async () => {
    const clock = manualClock();
    await using stage = await openApiStage({ clock });
    const polled = stage.get("/worker/poll");
    await eventually(async () => (stage.queue.onlineWorkers() > 0 ? true : null));
    clock.advance(5_000);
    const answer = await polled;
    assert.deepEqual([answer.status, answer.text], [200, "null"]);
    assert.match(answer.headers.get("content-type") ?? "", /^application\/json/);
  });

  test("that asks for minutes is answered after fifty seconds", async () => {
    const clock = manualClock();
    await using stage = await openApiStage({ clock });
    const polled = stage.get("/worker/poll?wait=600000");
    await eventually(async () => (stage.queue.onlineWorkers() > 0 ? true : null));
    let answered = false;
    void polled.then(() => (answered = true));
    clock.advance(49_999);
    await stage.get("/health");
    assert.equal(answered, false);
    clock.advance(1);
    assert.equal((await polled).text, "null");
  });

  test("whatever strange wait or name it sends, it gets a task or null", async () => {
    await using stage = await openApiStage();
    for (const query of [
      "wait=0",
      "wait=abc&workerId=",
      "wait=-1",
      "wait=",
      "wait=1&wait=2",
      "workerId=my%20laptop%00&wait=0",
      "workerId=a&workerId=b&wait=0",
      "wait=1e1",
      "instance=%ff&order=x&wait=0",
    ]) {
      const answer = await stage.get(`/worker/poll?${query}`);
      assert.deepEqual([answer.status, answer.text], [200, "null"], query);
    }
    const { body } = await stage.post("/tasks", { command: "x" });
    assert.equal(
      (await stage.get("/worker/poll?workerId=my%20laptop&wait=nonsense")).body.id,
      body.taskId,
    );
  });

  test("gets the oldest first, and priority before that", async () => {
    await using stage = await openApiStage();
    const sent = [];
    for (const priority of [0, 0, 5, -5])
      sent.push((await stage.post("/tasks", { command: "x", priority })).body.taskId);
    const got = [];
    for (let index = 0; index < 4; index += 1) got.push((await pollOld(stage)).id);
    assert.deepEqual(got, [sent[2], sent[0], sent[1], sent[3]]);
  });

  test("gets nothing that it could not run as it was meant", async () => {
    await using stage = await openApiStage();
    await stage.post("/tasks", { argv: ["true"] });
    await stage.post("/tasks", { kind: "file-list", path: "/" });
    await stage.post("/tasks", { command: "x", cwd: "/tmp" });
    await stage.post("/tasks", { command: "x", env: { A: "1" } });
    await stage.post("/tasks", { command: "x", labels: ["gpu"] });
    await stage.post("/tasks", { command: "x", worker: "desk" });
    assert.equal(await pollOld(stage, 0), null);
    assert.equal((await stage.get("/worker/poll?wait=0&workerId=desk")).body.command, "x");
  });

  test("reports a result, twice, and the first one stays", async () => {
    await using stage = await openApiStage();
    const { taskId } = (await stage.post("/tasks", { command: "x" })).body;
    const reading = stage.get(`/tasks/${taskId}?wait=60000`);
    await pollOld(stage);
    const first = {
      taskId,
      stdout: "first",
      stderr: "",
      exitCode: 0,
      error: null,
      metadata: { cost: 1 },
    };
    const success = { success: true };
    assert.deepEqual((await stage.post("/worker/result", first)).body, success);
    assert.deepEqual(
      (await stage.post("/worker/result", { ...first, stdout: "second" })).body,
      success,
    );
    const { body } = await reading;
    assert.deepEqual(
      [body.stdout, body.exitCode, body.error, body.status, body.outcome],
      ["first", 0, null, "completed", "done"],
    );
    assert.deepEqual(body.metadata, { cost: 1 });
    assert.equal((await stage.get(`/tasks/${taskId}`)).body.stdout, "first");
  });

  for (const [name, report, expected] of [
    ["fields missing", {}, ["", "", -1, null]],
    [
      "nulls",
      { stdout: null, stderr: null, exitCode: null, error: null, metadata: null },
      ["", "", -1, null],
    ],
    [
      "an error's name as its exit code",
      { stdout: "a", exitCode: "ENOENT", error: "spawn x" },
      ["a", "", -1, "spawn x"],
    ],
    [
      "odd types",
      { stdout: 5, stderr: { a: 1 }, exitCode: 1.5, error: true, metadata: "x", outcome: "weird" },
      ["5", '{"a":1}', -1, "true"],
    ],
    [
      "unknown fields",
      { stdout: "a", exitCode: 0, duration: 5, status: "running" },
      ["a", "", 0, null],
    ],
  ] as const) {
    test(`reports a result with ${name}, and it is kept`, async () => {
      await using stage = await openApiStage();
      const { taskId } = (await stage.post("/tasks", { command: "x" })).body;
      await pollOld(stage);
      assert.deepEqual((await stage.post("/worker/result", { taskId, ...report })).body, {
        success: true,
      });
      const { body } = await stage.get(`/tasks/${taskId}`);
      assert.deepEqual([body.stdout, body.stderr, body.exitCode, body.error], expected);
      assert.match(body.status, /^(completed|failed)$/);
    });
  }

  test("reports 30 MB, and a reader gets all of it", async () => {
    await using stage = await openApiStage();
    const { taskId } = (await stage.post("/tasks", { command: "x" })).body;
    await pollOld(stage);
    const stdout = "é\n".repeat(7_500_000);
    assert.equal((await stage.post("/worker/result", { taskId, stdout, exitCode: 0 })).status, 200);
    const { body } = await stage.get(`/tasks/${taskId}`);
    assert.equal(body.stdout === stdout, true);
  });

  test("reports on unknown tasks with success, and nothing is kept", async () => {
    await using stage = await openApiStage();
    for (const taskId of [strangerId(), "1", "x".repeat(1_000), "\u0000"]) {
      assert.deepEqual((await stage.post("/worker/result", { taskId, stdout: "x" })).body, {
        success: true,
      });
    }
    assert.deepEqual((await stage.store.counts()).byStatus, {
      pending: 0,
      running: 0,
      completed: 0,
      failed: 0,
    });
  });

  test("sends events of its own", async () => {
    await using stage = await openApiStage();
    const details = { a: 1, text: "\ud800\u0000" };
    assert.deepEqual(
      (await stage.post("/worker/event", { type: "callback.sent", taskId: "t", details })).body,
      { success: true },
    );
    assert.deepEqual(
      (await stage.post("/worker/event", { type: "big", details: "x".repeat(20_000) })).body,
      { success: true },
    );
    const { events } = (await stage.get("/events")).body;
    assert.deepEqual(events[0].details, details);
    assert.equal(events[0].taskId, "t");
    assert.deepEqual(events[1].details, { leftOut: 20_002 });
  });

  test("that hangs up while it waits takes no task with it", async () => {
    await using stage = await openApiStage();
    await stage.get("/health");
    const others = await stage.connections();
    {
      using peer = await speak(stage.port, rawRequest("GET /worker/poll?wait=50000"));
      await eventually(async () => (stage.queue.onlineWorkers() > 0 ? true : null));
      peer.socket.destroy();
    }
    await eventually(async () => ((await stage.connections()) === others ? true : null));
    const { taskId } = (await stage.post("/tasks", { command: "x" })).body;
    assert.equal((await stage.store.get(taskId))?.fence, 0);
    assert.equal((await pollOld(stage)).id, taskId);
  });

  test("is told from one that asks wrongly for the newer protocol, which is refused in words", async () => {
    await using stage = await openApiStage();
    await stage.post("/tasks", { command: "x" });
    for (const query of [
      "capacity=x",
      "capacity=1&workerId=my%20laptop",
      "capacity=1&instance=short",
      "capacity=-1",
      "capacity=1&capacity=2",
    ]) {
      assertProblem(await stage.get(`/worker/poll?wait=0&${query}`), 400);
    }
    assert.equal((await stage.store.counts()).byStatus.pending, 1);
  });
});
