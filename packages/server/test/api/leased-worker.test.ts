// A foreign worker that speaks the newer protocol, written from the text of the API alone.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { strangerId } from "../orders.ts";
import { assertProblem, openApiStage } from "./stage.ts";

describe("a foreign worker with leases", () => {
  test("polls with capacity, begins, beats, and reports with its fence", async () => {
    await using stage = await openApiStage();
    const { taskId } = (await stage.post("/tasks", { argv: ["echo", "a b"], worker: "lab" })).body;
    const { body: polled } = await stage.get("/worker/poll?wait=5000&capacity=2&workerId=lab");
    assert.deepEqual(Object.keys(polled), ["tasks", "cancel", "decisions", "stop"]);
    const [task] = polled.tasks;
    assert.deepEqual(
      [task.id, task.fence, task.spec],
      [taskId, 1, { kind: "exec", argv: ["echo", "a b"] }],
    );
    const held = { taskId, fence: task.fence };
    assert.equal((await stage.post("/worker/started", held)).status, 200);
    const { body: beat } = await stage.post("/worker/beat", { held: [held] });
    assert.deepEqual([beat.cancel, beat.stale], [[], []]);
    assert.deepEqual(
      (await stage.post("/worker/result", { ...held, stdout: "a b\n", exitCode: 0 })).body,
      { success: true },
    );
    const { body: result } = await stage.get(`/tasks/${taskId}`);
    assert.deepEqual([result.stdout, result.worker, result.outcome], ["a b\n", "lab", "done"]);
  });

  test("is answered 409 to a stale start and a stale result", async () => {
    await using stage = await openApiStage();
    const { taskId } = (await stage.post("/tasks", { command: "x" })).body;
    const poll = () =>
      stage.get("/worker/poll?wait=5000&capacity=1&workerId=laboratory&instance=laboratory");
    await stage.post("/worker/beat", {
      worker: {
        name: "laboratory",
        instance: "laboratory",
        labels: [],
        version: "1",
        platform: "x",
        slots: 1,
        policyDigest: "",
      },
      held: [],
    });
    await poll();
    await stage.post("/worker/giveback", { instance: "laboratory", held: [{ taskId, fence: 1 }] });
    const again = await poll();
    assert.equal(again.body.tasks[0].fence, 2);
    assertProblem(await stage.post("/worker/started", { taskId, fence: 1 }), 409, /Do not run it/);
    assertProblem(await stage.post("/worker/result", { taskId, fence: 1, exitCode: 0 }), 409);
    assertProblem(
      await stage.post("/worker/started", { taskId: strangerId(), fence: 1 }),
      404,
      "Task not found",
    );
    assert.equal(
      (await stage.post("/worker/result", { taskId, fence: 2, exitCode: 0 })).status,
      200,
    );
  });

  test("learns a cancel by its poll, and reports it", async () => {
    await using stage = await openApiStage();
    const { taskId } = (await stage.post("/tasks", { command: "sleep 100" })).body;
    await stage.get("/worker/poll?wait=5000&capacity=1&workerId=lab");
    const held = { taskId, fence: 1 };
    await stage.post("/worker/started", held);
    const polled = stage.get("/worker/poll?wait=5000&capacity=0&workerId=lab");
    const { body: answer } = await stage.post(`/tasks/${taskId}/cancel`);
    assert.equal(answer.status, "running");
    assert.deepEqual((await polled).body.cancel, [held]);
    await stage.post("/worker/result", {
      ...held,
      outcome: "cancelled",
      exitCode: 130,
      error: "Cancelled",
    });
    const { body: result } = await stage.get(`/tasks/${taskId}`);
    assert.deepEqual(
      [result.outcome, result.exitCode, result.error, result.status],
      ["cancelled", 130, "Cancelled", "failed"],
    );
    assert.equal((await stage.post(`/tasks/${taskId}/cancel`)).body.outcome, "cancelled");
  });

  test("shows among the workers, and says nothing of others' tasks", async () => {
    await using stage = await openApiStage();
    await stage.post("/worker/beat", {
      worker: {
        name: "lab",
        instance: "instance-1",
        labels: ["gpu"],
        version: "1",
        platform: "linux",
        slots: 3,
        policyDigest: "d",
      },
      held: [],
    });
    const { workers } = (await stage.get("/workers")).body;
    assert.deepEqual(Object.keys(workers[0]).sort(), [
      "alarm",
      "fingerprint",
      "labels",
      "lastSeenAt",
      "name",
      "platform",
      "policyDigest",
      "running",
      "slots",
      "state",
      "stopAsked",
      "stopped",
      "version",
    ]);
    assert.equal((await stage.get("/workers/lab")).body.state, "online");
    assertProblem(await stage.get("/workers/nobody"), 404, "Worker not found");
  });
});
