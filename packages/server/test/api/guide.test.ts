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
  await stage.post("/worker/result", { taskId: id, stdout: "", stderr: "", exitCode: 0, error: null });
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
    assert.deepEqual(task, { type: "file-write", path: "a", content: "", encoding: "utf8", timeout: 30_000 });
    const second = await roundTrip("/files/write", { path: "a", content: "aGk=", encoding: "base64" });
    assert.equal(second.task.encoding, "base64");
  });

  test("POST /files/edit, snake case in, camel case out", async () => {
    const { task } = await roundTrip("/files/edit", { path: "a", old_string: "$&", new_string: "" });
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
    const metadata = { origin: "discord", dispatchMode: "async", responseMode: null, entrypoint: { a: 1 } };
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
    for (const [path, timeout] of [["/claude", 120_000], ["/codex", 300_000], ["/gemini", 300_000]] as const) {
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
    const { task } = await roundTrip("/gemini", { prompt: "x", model: "m", resumeLatest: true, sessionId: "s" });
    assert.deepEqual(task, { type: "gemini-cli", prompt: "x", model: "m", resumeLatest: true, sessionId: "s", timeout: 300_000 });
  });

  test("unknown fields of the old routes are ignored, null counts as not given", async () => {
    const nothing = { timeout: null, worker: null, labels: null, priority: null, metadata: null, idempotencyKey: null };
    for (const [path, body] of [
      ["/tasks", { command: "x", cwd: null, env: null, stdin: null }],
      ["/files/read", { path: "x" }],
      ["/files/write", { path: "x", content: "", encoding: null }],
      ["/files/edit", { path: "x", old_string: "a", new_string: "b", replace_all: null }],
      ["/claude", { prompt: "x", model: null, callbackChannel: null, callbackBotToken: null }],
    ] as const) {
      const { task } = await roundTrip(path, { ...body, ...nothing, ...(path === "/claude" ? {} : { unheardOf: 1 }) });
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

describe("exact old messages", () => {
  for (const [path, body, message] of [
    ["/tasks", {}, "command is required"],
    ["/tasks", { command: "" }, "command is required"],
    ["/tasks", { command: null }, "command is required"],
    ["/files/read", {}, "path is required"],
    ["/files/write", {}, "path and content are required"],
    ["/files/write", { path: "a" }, "path and content are required"],
    ["/files/write", { path: "a", content: null }, "path and content are required"],
    ["/files/write", { content: "a" }, "path and content are required"],
    ["/files/edit", {}, "path, old_string, new_string are required"],
    ["/files/edit", { path: "a", old_string: "a" }, "path, old_string, new_string are required"],
    ["/files/edit", { path: "a", new_string: "a", old_string: "" }, "path, old_string, new_string are required"],
    ["/claude", {}, "prompt is required"],
    ["/codex", { prompt: "" }, "prompt is required"],
    ["/gemini", { prompt: null }, "prompt is required"],
    ["/worker/result", {}, "taskId is required"],
    ["/worker/result", { taskId: null }, "taskId is required"],
    ["/worker/result", { taskId: "" }, "taskId is required"],
    ["/notify", {}, "channel and message are required"],
    ["/notify", { channel: "1" }, "channel and message are required"],
  ] as const) {
    test(`POST ${path} ${JSON.stringify(body)}: ${message}`, async () => {
      assertProblem(await stage.post(path, body), 400, message);
    });
  }

  test("a body that is missing altogether counts as empty", async () => {
    assertProblem(await stage.get("/tasks", { method: "POST" }), 400, "command is required");
  });

  test("malformed JSON: Invalid JSON body", async () => {
    for (const text of ["{", "{'a':1}", "nul", '{"a":1}x', "[1,]", "\u0000"]) {
      assertProblem(await stage.post("/tasks", text), 400, "Invalid JSON body");
      assertProblem(await stage.post("/worker/result", text), 400, "Invalid JSON body");
    }
  });

  test("JSON that is no object is refused in words", async () => {
    for (const text of ["null", "[]", "1", '"x"', "true"]) {
      assertProblem(await stage.post("/tasks", text), 400, "The body must be a JSON object");
    }
  });
});

describe("the result", () => {
  test("has the old fields in the old types, and is read as often as one likes", async () => {
    const { body } = await stage.post("/tasks", { command: "x" });
    await pollOld(stage);
    await stage.post("/worker/result", { taskId: body.taskId, stdout: "a", stderr: "b", exitCode: 3, error: "c" });
    for (let again = 0; again < 3; again += 1) {
      const { body: result } = await stage.get(`/tasks/${body.taskId}?wait=600000`);
      const { taskId, stdout, stderr, exitCode, error, completedAt, status } = result;
      assert.deepEqual({ taskId, stdout, stderr, exitCode, error }, { ...body.taskId && { taskId: body.taskId }, stdout: "a", stderr: "b", exitCode: 3, error: "c" });
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
    for (const id of ["019a0000-0000-7000-8000-000000000001", "nonsense", "%00", "..%2f..", "a".repeat(199)]) {
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

describe("the books", () => {
  test("GET /health needs no token and says nothing private", async () => {
    await using own = await openApiStage();
    const health = async () => (await own.get("/health", { token: null })).body;
    const first = await health();
    assert.deepEqual(Object.keys(first), ["status", "tasks", "results", "workers", "version", "uptimeMs"]);
    assert.deepEqual([first.status, first.tasks, first.results], ["ok", 0, 0]);
    const { body } = await own.post("/claude", { prompt: "the secret plan", sessionId: "private" });
    assert.deepEqual([(await health()).tasks, (await health()).results], [1, 0]);
    await pollOld(own);
    await own.post("/worker/result", { taskId: body.taskId, stdout: "secret" });
    const finished = await health();
    assert.deepEqual([finished.tasks, finished.results, finished.workers], [1, 1, 1]);
    assert.doesNotMatch(JSON.stringify(finished), /secret|private|anonymous/);
    await own.get(`/tasks/${body.taskId}`);
    await own.store.note({ type: "after", taskId: null, at: 0 });
    const read = await health();
    assert.deepEqual([read.tasks, read.results], [0, 0]);
  });

  test("stats, sessions and events have their shapes", async () => {
    await using own = await openApiStage();
    const { body } = await own.post("/claude", { prompt: "x", sessionId: "s1" });
    const queue = (await own.get("/tasks/stats")).body.queue;
    assert.deepEqual(queue, {
      total: 1,
      byStatus: { pending: 1, running: 0, completed: 0, failed: 0 },
      unconsumedResults: 0,
    });
    assert.deepEqual((await own.get("/sessions/stats")).body, {
      sessions: { total: 1, active: 1, byType: { "claude-cli": 1 } },
    });
    const [state] = (await own.get("/sessions/state")).body.sessions;
    assert.deepEqual([state.sessionId, state.cliType, state.state], ["s1", "claude-cli", "active"]);
    const [session] = (await own.get("/claude/sessions")).body.sessions;
    assert.deepEqual([session.sessionId, session.taskCount, typeof session.lastActivity], ["s1", 1, "number"]);

    await pollOld(own);
    await own.post("/worker/result", { taskId: body.taskId, exitCode: 0 });
    await own.get(`/tasks/${body.taskId}`);
    await own.store.note({ type: "callback.sent", taskId: null, at: 0 });
    const events = (await own.get("/events")).body.events;
    assert.deepEqual(
      events.map((event: { readonly type: string }) => event.type),
      ["task.created", "task.started", "task.completed", "task.reconciled", "callback.sent"],
    );
    const [first] = events;
    assert.deepEqual([first.id, first.taskId, typeof first.createdAt], [1, body.taskId, "number"]);
    assert.equal((await own.get("/events?limit=2")).body.events.length, 2);
    for (const limit of ["0", "-1", "x", "1e9", "501"]) {
      assert.equal((await own.get(`/events?limit=${limit}`)).status, 200);
    }
    const { stats } = (await own.get("/events/stats")).body;
    assert.equal(stats.count, 5);
    assert.equal(stats.byType["task.created"], 1);
    for (const path of ["/claude/recent", "/codex/recent?limit=20"]) {
      assert.deepEqual((await own.get(path)).body.sessions, []);
    }
  });
});
