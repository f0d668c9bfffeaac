// A result is never lost, and what may have begun never begins again.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { systemClock, type Clock } from "@openclaw-worker/base";
import { doneReport, hello, openStage, untilCancelled } from "../stage.ts";

/** A clock whose waits are as short as can be: what happens counts, not when. */
function hastyClock(): Clock {
  const clock = systemClock();
  return { ...clock, sleep: (delayMs, signal) => clock.sleep(Math.min(delayMs, 10), signal) };
}

test("a result survives a control plane that goes away while the task runs", async () => {
  await using stage = await openStage();
  const { promise, resolve } = Promise.withResolvers<void>();
  stage.runner.end = async () => {
    await promise;
    return doneReport("kept");
  };
  await stage.start({ clock: hastyClock() }).ready;
  const id = stage.plane.submit(hello);
  await stage.runner.job(id);
  await stage.plane.stop();
  resolve();
  await stage.plane.start();
  assert.equal((await stage.plane.report(id))["stdout"], "kept");
  await stage.plane.until(() =>
    stage.logged.some((line) => line.includes("connected again after")) ? true : undefined,
  );
  assert.equal(stage.logged.filter((line) => line.includes("Connection failed: ")).length, 1);
});

test("a result that nobody confirmed is sent by the next process", async () => {
  await using stage = await openStage();
  const worker = stage.start();
  await worker.ready;
  stage.plane.lie = ({ path: name }, response) => {
    if (name !== "/worker/result") return false;
    response.destroy();
    return true;
  };
  const id = stage.plane.submit(hello);
  await stage.plane.request(({ path: name }) => name === "/worker/result");
  await worker.stop();
  assert.equal(stage.plane.state(id), "started");
  stage.plane.lie = null;
  await stage.start().ready;
  assert.equal((await stage.plane.report(id))["stdout"], "ok");
  assert.equal(stage.runner.jobs.length, 1);
});

test("a result is offered again until the answer says that it is kept", async () => {
  await using stage = await openStage();
  await stage.start({ clock: hastyClock() }).ready;
  const answers = [
    [500, "{}"],
    [200, "<html>log in</html>"],
    [200, "{}"],
    [302, "{}"],
    [503, "{}"],
    [401, "{}"],
    [200, "null"],
  ] as const;
  let told = 0;
  stage.plane.lie = ({ path: name }, response) => {
    const answer = answers[told];
    if (name !== "/worker/result" || answer === undefined) return false;
    told += 1;
    response.writeHead(answer[0], { location: stage.plane.url.href }).end(answer[1]);
    return true;
  };
  const id = stage.plane.submit(hello);
  assert.equal((await stage.plane.report(id))["stdout"], "ok");
  assert.equal(told, answers.length);
});

test("a task that is handed out again while its outcome is written down is told by that outcome", async () => {
  await using stage = await openStage();
  const [sealing, sealed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const worker = stage.start({
    people: { default: "cage" },
    sealing() {
      sealing.resolve();
      return sealed.promise;
    },
  });
  await worker.ready;
  const id = stage.plane.submit(hello);
  await sealing.promise;
  stage.plane.again(id, { sameFence: false });
  const polls = () => stage.plane.seen.filter(({ path: name }) => name === "/worker/poll").length;
  const before = await stage.plane.until(() =>
    stage.plane.state(id) === "pending" ? undefined : polls(),
  );
  // The answer that had it again was read when the next poll comes.
  await stage.plane.until(() => (polls() > before ? true : undefined));
  sealed.resolve();
  const report = await stage.plane.report(id);
  assert.deepEqual([report["outcome"], report["stdout"]], ["done", "ok"]);
  assert.equal(stage.runner.jobs.length, 1);
});

test("a result of which a newer attempt exists is dropped and does not come again", async () => {
  await using stage = await openStage();
  stage.runner.end = untilCancelled;
  const worker = stage.start();
  await worker.ready;
  const id = stage.plane.submit(hello);
  await stage.runner.job(id);
  stage.plane.supersede(id);
  stage.plane.cancel(id);
  const results = () =>
    stage.plane.seen.filter(({ path: name }) => name === "/worker/result").length;
  await stage.plane.until(() => (results() === 1 ? true : undefined));
  await worker.stop();
  await stage.start().ready;
  stage.runner.end = async () => doneReport("next");
  await stage.plane.report(stage.plane.submit(hello));
  assert.equal(
    stage.plane.seen.filter(
      ({ path: name, body }) => name === "/worker/result" && body["taskId"] === id,
    ).length,
    1,
  );
});

test("a result that the server finds too large arrives without its output", async () => {
  await using stage = await openStage();
  stage.runner.end = async () => doneReport("x".repeat(100_000));
  await stage.start({ clock: hastyClock() }).ready;
  stage.plane.lie = ({ path: name, body }, response) => {
    if (name !== "/worker/result" || String(body["stdout"]).length < 1_000) return false;
    response.writeHead(413).end("{}");
    return true;
  };
  const report = await stage.plane.report(stage.plane.submit(hello));
  assert.equal(report["outcome"], "done");
  assert.equal(report["stdout"], "");
  assert.match(String(report["error"]), /too large for the server/);
});

test("a task whose worker is killed between begin and result is lost, and never begun again", async () => {
  await using stage = await openStage();
  const program = path.join(import.meta.dirname, "..", "program.ts");
  const child = spawn(
    process.execPath,
    [
      "--conditions=source",
      program,
      stage.plane.url.href,
      stage.plane.token,
      stage.journalFile,
      stage.root,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const id = stage.plane.submit(hello);
  const lines = createInterface(child.stdout);
  const [line] = await once(lines, "line");
  assert.equal(line, `begun ${id}`);
  child.kill("SIGKILL");
  await once(child, "exit");
  await stage.plane.lonely();

  await stage.start().ready;
  const report = await stage.plane.report(id);
  assert.equal(report["outcome"], "lost");
  assert.equal(
    report["error"],
    "The worker stopped while this task was running; it may have run in part",
  );
  stage.plane.again(id, { sameFence: false });
  assert.equal((await stage.plane.report(id))["outcome"], "lost");
  assert.equal(stage.runner.jobs.length, 0);
});

test("a worker that cannot write its journal runs nothing, gives tasks back and recovers", async () => {
  await using stage = await openStage();
  const real = systemClock();
  const clock: Clock = {
    ...real,
    every: (periodMs, run) => real.every(periodMs === 5_000 ? 20 : periodMs, run),
  };
  await stage.start({ clock }).ready;
  using other = new DatabaseSync(stage.journalFile);
  other.exec("BEGIN IMMEDIATE");
  const first = stage.plane.submit(hello);
  const report = await stage.plane.report(first);
  assert.equal(report["outcome"], "failed");
  assert.match(String(report["error"]), /^Not run: the worker's journal cannot be written/);
  assert.equal(stage.runner.jobs.length, 0);
  const polls = () => stage.plane.seen.filter(({ path: name }) => name === "/worker/poll");
  await stage.plane.until(() => (polls().at(-1)?.query["capacity"] === "0" ? true : undefined));
  const second = stage.plane.submit(hello);
  assert.equal(stage.plane.state(second), "pending");
  other.exec("ROLLBACK");
  assert.equal((await stage.plane.report(second))["stdout"], "ok");
  assert.ok(stage.logged.some((line) => line.includes("no tasks are taken")));
});

test("a task whose start cannot be told until its lease is over is dropped without being run", async () => {
  await using stage = await openStage();
  const real = systemClock();
  let aheadMs = 0;
  const clock: Clock = { ...hastyClock(), monotonic: () => real.monotonic() + aheadMs };
  await stage.start({ clock, slots: 1 }).ready;
  let tries = 0;
  stage.plane.lie = ({ path: name }, response) => {
    if (name !== "/worker/started") return false;
    tries += 1;
    if (tries === 3) aheadMs = 31_000;
    response.writeHead(500).end("{}");
    return true;
  };
  const id = stage.plane.submit(hello);
  // A poll that names the slot again follows at once: there is no message of an end that would.
  const last = () => stage.plane.seen.findLast(({ path: name }) => name === "/worker/poll");
  await stage.plane.until(() =>
    tries === 3 && last()?.query["capacity"] === "1" ? true : undefined,
  );
  stage.plane.lie = null;
  await stage.plane.report(stage.plane.submit(hello));
  assert.equal(
    stage.runner.jobs.some(({ taskId }) => taskId === id),
    false,
  );
  // The journal knows that it never ran: the next attempt may.
  stage.plane.again(id, { sameFence: false });
  assert.equal((await stage.plane.report(id))["stdout"], "ok");
});
