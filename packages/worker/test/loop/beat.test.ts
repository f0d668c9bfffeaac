import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock, type Clock } from "@openclaw-worker/base";
import { doneReport, hello, openStage, untilCancelled } from "../stage.ts";
import { send } from "../plane.ts";

/** A clock on which the time between two beats is short. */
function quickBeats(): Clock {
  const clock = systemClock();
  return {
    ...clock,
    every: (periodMs, run) => clock.every(periodMs === 10_000 ? 10 : periodMs, run),
  };
}

test("what is held is renewed by beats, and an idle worker sends none", async () => {
  await using stage = await openStage();
  stage.runner.end = untilCancelled;
  await stage.start({ clock: quickBeats() }).ready;
  const beats = () => stage.plane.seen.filter(({ path }) => path === "/worker/beat");
  assert.equal(beats().length, 1);
  const id = stage.plane.submit(hello);
  await stage.plane.until(() => (beats().length >= 4 ? true : undefined));
  for (const beat of beats().slice(1))
    assert.deepEqual(beat.body["held"], [{ taskId: id, fence: 1 }]);
  stage.plane.cancel(id);
  await stage.plane.report(id);
});

test("a beat that is answered with a cancel ends the task", async () => {
  await using stage = await openStage();
  stage.runner.end = untilCancelled;
  await stage.start({ clock: quickBeats() }).ready;
  const id = stage.plane.submit(hello);
  await stage.runner.job(id);
  stage.plane.lie = ({ path }, response) => {
    if (path !== "/worker/beat") return false;
    send(response, 200, { now: 0, cancel: [{ taskId: id, fence: 1 }, "x"], stale: [] });
    return true;
  };
  assert.equal((await stage.plane.report(id))["error"], "Cancelled");
});

test("a task that is stale is ended, its result is still offered, and other attempts are left alone", async () => {
  await using stage = await openStage();
  stage.runner.end = untilCancelled;
  await stage.start({ clock: quickBeats() }).ready;
  const [stale, other] = [stage.plane.submit(hello), stage.plane.submit(hello)];
  await Promise.all([stage.runner.job(stale), stage.runner.job(other)]);
  stage.plane.lie = ({ path }, response) => {
    if (path !== "/worker/beat") return false;
    send(response, 200, {
      now: 0,
      cancel: [],
      stale: [
        { taskId: stale, fence: 1 },
        { taskId: other, fence: 7 },
      ],
    });
    return true;
  };
  const report = await stage.plane.report(stale);
  assert.equal(report["outcome"], "cancelled");
  assert.match(String(report["error"]), /no longer this worker's/);
  assert.equal(stage.runner.jobs.find(({ taskId }) => taskId === other)?.signal.aborted, false);
  stage.plane.cancel(other);
  await stage.plane.report(other);
});

test("a task goes on when its beats fail for longer than a lease, and its result still comes", async () => {
  await using stage = await openStage();
  const { promise, resolve } = Promise.withResolvers<void>();
  stage.runner.end = async () => {
    await promise;
    return doneReport("late");
  };
  const real = systemClock();
  let aheadMs = 0;
  await stage.start({ clock: { ...quickBeats(), monotonic: () => real.monotonic() + aheadMs } })
    .ready;
  const id = stage.plane.submit(hello);
  await stage.runner.job(id);
  let failed = 0;
  stage.plane.lie = ({ path }, response) => {
    if (path !== "/worker/beat") return false;
    failed += 1;
    response.writeHead(500).end("{}");
    return true;
  };
  await stage.plane.until(() => (failed >= 2 ? true : undefined));
  aheadMs = 60_000;
  await stage.plane.until(() => (failed >= 4 ? true : undefined));
  resolve();
  assert.equal((await stage.plane.report(id))["stdout"], "late");
});

test("a task that waits for a person holds its lease and no slot, and the beat says which it is", async () => {
  await using stage = await openStage();
  stage.runner.end = untilCancelled;
  const people = { rules: { ask: ["Bash(rm *)"] } };
  await stage.start({ clock: quickBeats(), people, slots: 1 }).ready;
  const asking = stage.plane.submit({ kind: "command", command: "rm x" });
  await stage.plane.approval(asking);
  const running = stage.plane.submit(hello);
  await stage.runner.job(running);
  const beat = await stage.plane.until(() =>
    stage.plane.seen.findLast(
      ({ path, body }) => path === "/worker/beat" && JSON.stringify(body).includes(running),
    ),
  );
  assert.deepEqual(beat.body["asking"], [{ taskId: asking, fence: 1 }]);
  assert.deepEqual(beat.body["held"], [
    { taskId: asking, fence: 1 },
    { taskId: running, fence: 1 },
  ]);
  assert.equal(beat.body["stopped"], null);
  stage.plane.cancel(asking);
  stage.plane.cancel(running);
  assert.equal((await stage.plane.report(asking))["outcome"], "cancelled");
  await stage.plane.report(running);
});
