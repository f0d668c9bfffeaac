// kill -9 of the worker in the middle of tasks that run in the real cage. Promises 1, 2 and 3.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { openGate } from "../gate.ts";
import { seeded, seedOf } from "../random.ts";
import { linesOf, until } from "../scene.ts";
import { openStage, type Stage } from "../stage.ts";

const leased = { server: { OPENCLAW_LEASE_MS: "2000" } } as const;

test("a worker that is killed again and again runs every task once, or says that it is lost", async (t) => {
  const [tasks, kills] = [60, 8];
  const seed = seedOf(process.env);
  t.diagnostic(`seed ${seed} (CRASH_SEED repeats it)`);
  const random = seeded(seed);
  await using stage = await openStage(leased);
  let worker = await stage.startWorker();
  const ids = await Promise.all(
    Array.from(
      { length: tasks },
      async (_, index) => (await stage.client.submit(noting(index))).taskId,
    ),
  );
  let read = 0;
  const readers = ids.map((taskId) => stage.client.wait(taskId).then(() => (read += 1)));
  for (let round = 1; round <= kills; round += 1) {
    const share = Math.floor((tasks * (round - 1)) / kills);
    await until(() => (ledgers(stage, tasks).length > share || read === tasks ? true : undefined));
    await pause(random() * 250);
    await worker.kill();
    worker = await stage.startWorker();
  }
  await Promise.all(readers);
  // A clean stop delivers what is still on its way: a late result may replace `lost`.
  await worker.stop();
  const results = await Promise.all(ids.map((taskId) => stage.client.wait(taskId)));

  const counts = { done: 0, lost: 0 };
  for (const [index, result] of results.entries()) {
    const ran = linesOf(ledgerOf(stage, index)).length;
    const told = `task ${index} ran ${ran} times and ended ${JSON.stringify(result)}`;
    assert.ok(result.outcome === "done" || result.outcome === "lost", told);
    if (result.outcome === "done") assert.deepEqual([ran, result.stdout], [1, `${index}\n`], told);
    else assert.ok(ran <= 1, told);
    counts[result.outcome] += 1;
  }
  t.diagnostic(`${counts.done} done, ${counts.lost} lost in ${kills} kills`);
  assert.ok(counts.lost <= kills * 3, "only what was in the worker's hands may be lost");
  assert.ok(counts.done > 0);
});

test("a worker that dies before the server hears of the begin: the task runs once, or is lost unrun", async () => {
  await using stage = await openStage(leased);
  await using gate = await openGate(stage);
  const doomed = await stage.startWorker({ url: gate.url });
  gate.rule = (line) => (line.includes("/worker/started") ? "hold" : "pass");
  const held = gate.next(/worker\/started/);
  const { taskId } = await stage.client.submit(noting(0));
  await held;
  await doomed.kill();
  assert.deepEqual(linesOf(ledgerOf(stage, 0)), []);

  await stage.startWorker();
  const result = await stage.client.wait(taskId);
  const ran = linesOf(ledgerOf(stage, 0)).length;
  // Its journal may have noted the begin just before: then nobody can know, and it is not run again.
  if (result.outcome === "lost") assert.equal(ran, 0);
  else assert.deepEqual([result.outcome, ran], ["done", 1]);
});

test("a task that another worker can take is run there when its worker dies between poll and begin", async () => {
  await using stage = await openStage(leased);
  await using gate = await openGate(stage);
  const doomed = await stage.startWorker({ name: "doomed", url: gate.url });
  gate.rule = (line) => (line.includes("/worker/started") ? "hold" : "pass");
  const held = gate.next(/worker\/started/);
  const { taskId } = await stage.client.submit({
    kind: "command",
    command: "echo once >> ran; cat ran",
  });
  await held;
  await doomed.kill();
  await stage.startWorker({ name: "heir" });
  const result = await stage.client.wait(taskId);
  assert.deepEqual([result.outcome, result.worker, result.stdout], ["done", "heir", "once\n"]);
});

test("a worker that dies after the begin was told and before it ran: the task is lost, and never run", async () => {
  await using stage = await openStage(leased);
  await using gate = await openGate(stage);
  const doomed = await stage.startWorker({ url: gate.url });
  gate.rule = (line) => (line.includes("/worker/started") ? "mute" : "pass");
  const { taskId } = await stage.client.submit(noting(0));
  await until(async () => {
    const [task] = (await stage.client.list()).tasks;
    return task?.phase === "started" ? task : undefined;
  });
  await doomed.kill();
  await stage.startWorker();
  assert.equal((await stage.client.wait(taskId)).outcome, "lost");
  // The worker lives and has nothing of it in hand: what it runs next comes after.
  assert.equal(
    (await stage.client.run({ kind: "command", command: "echo next" })).stdout,
    "next\n",
  );
  assert.deepEqual(linesOf(ledgerOf(stage, 0)), []);
});

test("a result that is finished while the server is down outlives the worker's death too", async () => {
  await using stage = await openStage();
  const worker = await stage.startWorker();
  const { taskId } = await stage.client.submit(noting(0));
  await until(() => linesOf(ledgerOf(stage, 0))[0]);
  await stage.server.kill();
  await worker.said(/result not confirmed yet/);
  await worker.kill();
  await stage.startServer();
  await stage.startWorker();
  const result = await stage.client.wait(taskId);
  assert.deepEqual([result.outcome, result.stdout], ["done", "0\n"]);
  assert.deepEqual(linesOf(ledgerOf(stage, 0)), ["0"]);
});

/** Leaves a line in a ledger of its own, works a moment, and says its number. */
function noting(index: number) {
  const command = `echo ${index} >> ledger-${index}; sleep 0.2; echo ${index}`;
  return { kind: "command", command, timeout: 20_000 } as const;
}

function ledgerOf(stage: Stage, index: number): string {
  return path.join(stage.rootOf(), `ledger-${index}`);
}

function ledgers(stage: Stage, tasks: number): readonly string[] {
  return Array.from({ length: tasks }, (_, index) => ledgerOf(stage, index)).filter(
    (file) => linesOf(file).length > 0,
  );
}
