import assert from "node:assert/strict";
import { existsSync, watch } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { alive, eventually } from "../fixtures/alive.ts";
import { openStage, refuseRoot, type Stage } from "../fixtures/stage.ts";

before(refuseRoot);

// A number that only this test's processes have on their command line.
const long = (): string => `${600 + Math.floor(Math.random() * 1e6)}.${process.pid}`;

test("a timeout ends the whole tree, daemons and deaf processes too, and keeps what was printed", async () => {
  await using stage = await openStage({ warm: 1 });
  const mark = long();
  const report = await stage.command(
    `echo begun; trap '' TERM HUP INT; setsid sleep ${mark} & (setsid sh -c 'trap "" TERM; sleep ${mark} & sleep ${mark}' &) ; nohup sleep ${mark} & sleep ${mark}`,
    { timeoutMs: 1_000 },
  );
  assert.equal(report.outcome, "timeout");
  assert.equal(report.exitCode, 124);
  assert.equal(report.error, "Timeout after 1000 ms");
  assert.equal(report.stdout, "begun\n");
  await eventually(() => alive(mark).length === 0);
});

test("a cancelled task is dead and says so", async () => {
  await using stage = await openStage();
  const mark = long();
  const controller = new AbortController();
  const running = stage.command(`echo begun; touch begun; setsid sleep ${mark} & sleep ${mark}`, {
    signal: controller.signal,
  });
  await appears(stage, "begun");
  controller.abort();
  const report = await running;
  assert.deepEqual(
    [report.outcome, report.exitCode, report.error],
    ["cancelled", 130, "Cancelled"],
  );
  assert.equal(report.stdout, "begun\n");
  await eventually(() => alive(mark).length === 0);
});

test("a task that was cancelled before it began does not begin", async () => {
  await using stage = await openStage({ warm: 1 });
  const report = await stage.command("touch ran", { signal: AbortSignal.abort() });
  assert.equal(report.outcome, "cancelled");
  assert.equal(existsSync(join(stage.root, "ran")), false);
});

test("a daemon that holds the output open does not hold the task open, and dies with it", async () => {
  await using stage = await openStage();
  const mark = long();
  const report = await stage.command(`setsid sleep ${mark} & (sleep ${mark} &) ; echo done`);
  assert.deepEqual([report.outcome, report.exitCode, report.stdout], ["done", 0, "done\n"]);
  await eventually(() => alive(mark).length === 0);
});

test("what a program prints right before it exits is not lost", async () => {
  await using stage = await openStage({ warm: 1 });
  for (let at = 0; at < 5; at += 1) {
    const report = await stage.command("head -c 1000000 /dev/zero | tr '\\0' x; echo; echo last");
    assert.equal(report.stdout.length, 1_000_006);
    assert.match(report.stdout, /last\n$/);
  }
});

test("a flood is ended at its limit, and the report says so and keeps head and tail", async () => {
  const limits = { outputKeptBytes: 4_096, outputKillBytes: 50_000_000, fileBytes: 1_000 };
  await using stage = await openStage({ limits });
  const report = await stage.command("echo first; yes");
  assert.deepEqual([report.outcome, report.exitCode], ["failed", -1]);
  assert.equal(report.error, "The task printed more than 50000000 bytes and was ended");
  assert.match(report.stdout, /^first\ny\n/);
  assert.ok((report.truncated?.stdoutBytes ?? 0) > 50_000_000);
  assert.ok(report.stdout.length < 5_000);
});

test("the policy's limits of output count where they are smaller than the worker's own", async () => {
  await using stage = await openStage();
  const limits = { outputKeptBytes: 2_048, outputKillBytes: 1_000_000 };
  const flood = await stage.command("echo first; yes", { limits });
  assert.equal(flood.error, "The task printed more than 1000000 bytes and was ended");
  const long = await stage.command("head -c 10000 /dev/zero | tr '\\0' x", { limits });
  assert.deepEqual([long.outcome, long.truncated?.stdoutBytes], ["done", 10_000]);
  assert.ok(long.stdout.length < 2_200);
  const wide = { outputKeptBytes: 1e12, outputKillBytes: 1e15 };
  assert.equal((await stage.command("echo fine", { limits: wide })).stdout, "fine\n");
});

test("a gigabyte flows through a task and memory stays where it was", async () => {
  await using stage = await openStage();
  await stage.command("head -c 50000000 /dev/zero");
  const before = process.memoryUsage().rss;
  const report = await stage.command("head -c 1000000000 /dev/zero | tr '\\0' x; echo; echo end", {
    timeoutMs: 120_000,
  });
  const grown = process.memoryUsage().rss - before;
  assert.equal(report.outcome, "done");
  assert.equal(report.truncated?.stdoutBytes, 1_000_000_005);
  assert.match(report.stdout, /x\nend\n$/);
  assert.ok(grown < 64_000_000, `grown by ${grown}`);
});

test("a fork bomb ends in its cage", async () => {
  await using stage = await openStage();
  const report = await stage.command("f() { f | f & }; f; sleep 1; echo survived", {
    timeoutMs: 10_000,
  });
  assert.ok(["done", "timeout"].includes(report.outcome ?? ""));
  assert.equal((await stage.command("echo fine")).stdout, "fine\n");
});

test("every report carries when it began and how long it took", async () => {
  await using stage = await openStage();
  const report = await stage.command("true");
  assert.ok(Number.isInteger(report.startedAt));
  assert.ok((report.durationMs ?? -1) >= 0);
});

test("a root that vanished is a failure with a remedy, never a run without a cage", async () => {
  await using stage = await openStage();
  const cage = { roots: [join(stage.root, "gone")], readable: [] };
  const report = await stage.command("echo ran", { cage });
  assert.deepEqual([report.outcome, report.stdout], ["failed", ""]);
  assert.match(report.hint ?? "", /mkdir -p/);
});

async function appears(stage: Stage, name: string): Promise<void> {
  using watcher = Object.assign(watch(stage.root), {
    [Symbol.dispose]: () => watcher.close(),
  });
  while (!existsSync(join(stage.root, name))) {
    await new Promise((resolve) => watcher.once("change", resolve));
  }
}
