// The counts, sessions and events of the guide's routes.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openApiStage, pollOld } from "./stage.ts";

describe("the books", () => {
  test("GET /health needs no token and says nothing private", async () => {
    await using own = await openApiStage();
    const health = async () => (await own.get("/health", { token: null })).body;
    const first = await health();
    assert.deepEqual(Object.keys(first), [
      "status",
      "tasks",
      "results",
      "workers",
      "version",
      "uptimeMs",
    ]);
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
    assert.deepEqual(
      [session.sessionId, session.taskCount, typeof session.lastActivity],
      ["s1", 1, "number"],
    );

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
