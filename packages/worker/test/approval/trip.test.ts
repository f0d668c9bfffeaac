// A budget that is used up stops the worker until a person lets it go on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { stoppedSchema, type Stopped } from "@openclaw-worker/protocol";
import { hello, openStage, untilCancelled, type Stage } from "../stage.ts";
import { atTheComputer, enroll, resumeOf } from "./people.ts";

function tripped(stage: Stage): Promise<Stopped> {
  return stage.plane.until(() => {
    const { data } = stoppedSchema.safeParse(stage.plane.stopped);
    return data?.by === "budget" ? data : undefined;
  });
}

async function outcomeOf(stage: Stage, spec: Parameters<Stage["plane"]["submit"]>[0] = hello) {
  return await stage.plane.report(stage.plane.submit(spec));
}

test("a budget that is used up refuses the task, ends what runs, and stops the worker until a person resumes it", async () => {
  await using stage = await openStage();
  let worker = stage.start({ people: { limits: { perHour: 2 } } });
  await worker.ready;
  assert.equal((await outcomeOf(stage))["outcome"], "done");
  stage.runner.end = untilCancelled;
  const running = stage.plane.submit(hello);
  await stage.runner.job(running);
  const refused = await outcomeOf(stage);
  assert.equal(refused["outcome"], "refused");
  assert.match(String(refused["error"]), /limits\.perHour: 2 tasks .*: the worker is stopped/);
  assert.match(
    String(refused["hint"]),
    /openclaw-worker resume.*counts anew; or raise limits\.perHour/,
  );
  const { reason } = await tripped(stage);
  assert.equal(reason, "limits.perHour: 2 tasks have begun within the last hour");
  assert.equal((await stage.plane.report(running))["outcome"], "cancelled");
  const waits = stage.plane.submit(hello);

  // Also over a restart.
  await worker.stop();
  worker = stage.start({ people: { limits: { perHour: 2 } } });
  await worker.ready;
  await tripped(stage);
  assert.equal(stage.plane.state(waits), "pending");

  stage.runner.end = async () => ({
    stdout: "",
    stderr: "",
    exitCode: 0,
    error: null,
    outcome: "done",
  });
  using local = await atTheComputer(stage);
  assert.equal(await local.resume(), null);
  assert.equal((await stage.plane.report(waits))["outcome"], "done", "the count began anew");
  assert.equal((await outcomeOf(stage))["outcome"], "done");
  assert.equal((await outcomeOf(stage))["outcome"], "refused", "and holds as much as before");
  assert.deepEqual(
    stage.noted.filter(({ type }) => type === "stop").map(({ data }) => data["by"]),
    ["budget", "budget"],
  );
});

test("a signed resume of the budget's stop counts anew; the resume of another stop does not", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people: { limits: { perHour: 1 } } }).ready;
  assert.equal((await outcomeOf(stage))["outcome"], "done");
  using local = await atTheComputer(stage);
  await local.stop("tea");
  assert.equal(await local.resume(), null);
  assert.equal((await outcomeOf(stage))["outcome"], "refused");
  const { id } = await tripped(stage);
  stage.plane.decide(resumeOf(id, anna));
  await stage.plane.until(() => (stage.plane.stopped === null ? true : undefined));
  assert.equal((await outcomeOf(stage))["outcome"], "done");
});

test("a budget of nothing refuses, and stops nobody", async () => {
  await using stage = await openStage();
  await stage.start({ people: { limits: { deletesPerDay: 0 } } }).ready;
  const refused = await outcomeOf(stage, { kind: "command", command: "rm x" });
  assert.equal(refused["outcome"], "refused");
  assert.match(String(refused["hint"]), /^raise limits\.deletesPerDay/);
  assert.equal((await outcomeOf(stage))["outcome"], "done");
  assert.equal(stage.noted.filter(({ type }) => type === "stop").length, 0);
});

test("deletes that are used up stop the worker too, and what deletes nothing does not use them", async () => {
  await using stage = await openStage();
  await stage.start({ people: { limits: { deletesPerDay: 1 } } }).ready;
  const remove = { kind: "command", command: "rm x" } as const;
  assert.equal((await outcomeOf(stage, remove))["outcome"], "done");
  assert.equal((await outcomeOf(stage))["outcome"], "done");
  assert.equal((await outcomeOf(stage, remove))["outcome"], "refused");
  assert.match((await tripped(stage)).reason, /^limits\.deletesPerDay: 1 commands that delete/);
});
