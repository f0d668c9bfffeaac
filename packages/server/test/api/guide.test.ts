// The routes of the deployment guide, in the exact shapes that its clients read.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertProblem, openApiStage, pollOld, type ApiStage } from "./stage.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
let stage: ApiStage;
before(async () => {
  stage = await openApiStage();
});
after(() => stage[Symbol.asyncDispose]());

/** Submits, and gives the task as an old worker gets it, without what differs each time. */
async function roundTrip(path: string, body: unknown) {
  const accepted = await stage.post(path, body);
  assert.equal(accepted.status, 200, accepted.text);
  const { id, createdAt, status, ...task } = await pollOld(stage);
  assert.equal(id, accepted.body.taskId);
  assert.match(id, uuid);
  assert.equal(status, "running");
  assert.equal(Number.isInteger(createdAt), true);
  await stage.post("/worker/result", {
    taskId: id,
    stdout: "",
    stderr: "",
    exitCode: 0,
    error: null,
  });
  return { accepted: accepted.body, task };
}

describe("submit", () => {
  test("POST /tasks", async () => {
    const { accepted, task } = await roundTrip("/tasks", { command: "ls -la" });
    assert.deepEqual(Object.keys(accepted), ["taskId", "message", "status", "worker", "online"]);
    assert.equal(accepted.status, "pending");
    assert.deepEqual(task, { type: "command", command: "ls -la", timeout: 30_000 });
  });

  test("POST /files/read", async () => {
    const { task } = await roundTrip("/files/read", { path: "~/a b" });
    assert.deepEqual(task, { type: "file-read", path: "~/a b", timeout: 30_000 });
  });

  test("POST /files/write, also of nothing", async () => {
    const { task } = await roundTrip("/files/write", { path: "a", content: "" });
    assert.deepEqual(task, {
      type: "file-write",
      path: "a",
      content: "",
      encoding: "utf8",
      timeout: 30_000,
    });
    const second = await roundTrip("/files/write", {
      path: "a",
      content: "aGk=",
      encoding: "base64",
    });
    assert.equal(second.task.encoding, "base64");
  });

  test("POST /files/edit, snake case in, camel case out", async () => {
    const { task } = await roundTrip("/files/edit", {
      path: "a",
      old_string: "$&",
      new_string: "",
    });
    assert.deepEqual(task, {
      type: "file-edit",
      path: "a",
      oldString: "$&",
      newString: "",
      replaceAll: false,
      timeout: 30_000,
    });
  });

  test("POST /claude with everything that bridges send, and it comes back in the result", async () => {
    const { accepted, task } = await roundTrip("/claude", {
      prompt: "hi",
      sessionId: "session 1",
      callbackChannel: "42",
      callbackBotToken: "bot",
      origin: "discord",
      dispatchMode: "async",
      responseMode: null,
      entrypoint: { a: 1 },
    });
    assert.equal(accepted.sessionId, "session 1");
    const metadata = {
      origin: "discord",
      dispatchMode: "async",
      responseMode: null,
      entrypoint: { a: 1 },
    };
    assert.deepEqual(task, {
      type: "claude-cli",
      prompt: "hi",
      sessionId: "session 1",
      callbackChannel: "42",
      callbackBotToken: "bot",
      timeout: 120_000,
      metadata,
    });
    const result = await stage.get(`/tasks/${accepted.taskId}`);
    assert.deepEqual(result.body.metadata, metadata);
  });

  test("a session id is always in the answer of an agent's route, a new one each time", async () => {
    const seen = new Set();
    for (const [path, timeout] of [
      ["/claude", 120_000],
      ["/codex", 300_000],
      ["/gemini", 300_000],
    ] as const) {
      for (const sessionId of [undefined, null]) {
        const { accepted, task } = await roundTrip(path, { prompt: "hi", sessionId });
        assert.match(accepted.sessionId, uuid);
        assert.equal(task.sessionId, accepted.sessionId);
        assert.equal(task.timeout, timeout);
        seen.add(accepted.sessionId);
      }
    }
    assert.equal(seen.size, 6);
  });

  test("POST /gemini takes model and resumeLatest", async () => {
    const { task } = await roundTrip("/gemini", {
      prompt: "x",
      model: "m",
      resumeLatest: true,
      sessionId: "s",
    });
    assert.deepEqual(task, {
      type: "gemini-cli",
      prompt: "x",
      model: "m",
      resumeLatest: true,
      sessionId: "s",
      timeout: 300_000,
    });
  });

  test("unknown fields of the old routes are ignored, null counts as not given", async () => {
    const nothing = {
      timeout: null,
      worker: null,
      labels: null,
      priority: null,
      metadata: null,
      idempotencyKey: null,
    };
    for (const [path, body] of [
      ["/tasks", { command: "x", cwd: null, env: null, stdin: null }],
      ["/files/read", { path: "x" }],
      ["/files/write", { path: "x", content: "", encoding: null }],
      ["/files/edit", { path: "x", old_string: "a", new_string: "b", replace_all: null }],
      ["/claude", { prompt: "x", model: null, callbackChannel: null, callbackBotToken: null }],
    ] as const) {
      const { task } = await roundTrip(path, {
        ...body,
        ...nothing,
        ...(path === "/claude" ? {} : { unheardOf: 1 }),
      });
      assert.equal(task.metadata, undefined);
      assert.equal(task.timeout, path === "/claude" ? 120_000 : 30_000);
    }
  });

  test("a timeout out of range is clamped, 0 is the default, a numeric string is a number", async () => {
    for (const [given, expected] of [
      [1, 1_000],
      [-5, 1_000],
      [0, 30_000],
      ["0", 30_000],
      ["5000", 5_000],
      [" 5000.7 ", 5_000],
      [1_500.9, 1_500],
      [1e12, 86_400_000],
      ["9".repeat(400), 86_400_000],
    ] as const) {
      const { task } = await roundTrip("/tasks", { command: "x", timeout: given });
      assert.equal(task.timeout, expected, String(given));
    }
  });
});

describe("the result", () => {
  test("has the old fields in the old types, and is read as often as one likes", async () => {
    const { body } = await stage.post("/tasks", { command: "x" });
    await pollOld(stage);
    await stage.post("/worker/result", {
      taskId: body.taskId,
      stdout: "a",
      stderr: "b",
      exitCode: 3,
      error: "c",
    });
    for (let again = 0; again < 3; again += 1) {
      const { body: result } = await stage.get(`/tasks/${body.taskId}?wait=600000`);
      const { taskId, stdout, stderr, exitCode, error, completedAt, status } = result;
      assert.deepEqual(
        { taskId, stdout, stderr, exitCode, error },
        {
          ...(body.taskId && { taskId: body.taskId }),
          stdout: "a",
          stderr: "b",
          exitCode: 3,
          error: "c",
        },
      );
      assert.equal(Number.isInteger(completedAt), true);
      assert.equal(status, "failed");
    }
  });

  test("not ready: pending or running, never stdout, never a truthy error", async () => {
    const { body } = await stage.post("/tasks", { command: "x" });
    const pending = (await stage.get(`/tasks/${body.taskId}`)).body;
    assert.equal(pending.status, "pending");
    assert.equal(pending.message, "Result not ready yet");
    await pollOld(stage);
    const running = (await stage.get(`/tasks/${body.taskId}?wait=1`)).body;
    assert.equal(running.status, "running");
    for (const answer of [pending, running]) {
      assert.equal("stdout" in answer, false);
      assert.equal("error" in answer, false);
    }
    await stage.post("/worker/result", { taskId: body.taskId });
  });

  test("an unknown task is 404 at once, whatever wait says", async () => {
    for (const id of [
      "019a0000-0000-7000-8000-000000000001",
      "nonsense",
      "%00",
      "..%2f..",
      "a".repeat(199),
    ]) {
      assertProblem(await stage.get(`/tasks/${id}?wait=600000`), 404, "Task not found");
    }
  });

  test("an upper-case id is the same id", async () => {
    const { body } = await stage.post("/tasks", { command: "x" });
    assert.equal((await stage.get(`/tasks/${body.taskId.toUpperCase()}`)).status, 200);
    await pollOld(stage);
    await stage.post("/worker/result", { taskId: body.taskId });
  });
});
