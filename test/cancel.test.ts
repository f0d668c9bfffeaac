// Stopping what runs: promise "you can stop it", and nothing is left of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { linesOf, until } from "./scene.ts";
import { openStage, type Stage } from "./stage.ts";
import { outlive, survivorsOf } from "./survivors.ts";

/** The promise: a process tree that was told to stop is dead after this. */
const deadMs = 2_000;

test("a task that waits is cancelled at once, and never runs", async () => {
  await using stage = await openStage();
  const { taskId } = await stage.client.submit({ kind: "command", command: "echo x >> ran" });
  const waiting = stage.client.wait(taskId);
  const answer = await stage.client.cancel(taskId);
  assert.deepEqual([answer.status, answer.outcome], ["failed", "cancelled"]);
  const result = await waiting;
  assert.deepEqual(
    [result.outcome, result.exitCode, result.error],
    ["cancelled", 130, "Cancelled"],
  );
  await stage.startWorker();
  await stage.client.run({ kind: "command", command: "echo next" });
  assert.deepEqual(linesOf(`${stage.rootOf()}/ran`), []);
  assert.equal((await stage.client.cancel(taskId)).outcome, "cancelled");
});

// Each leaves its marker in the arguments of every process that it makes.
const stubborn: readonly (readonly [name: string, command: (marker: string) => string])[] = [
  ["sleeps", (marker) => `exec -a ${marker} sleep 600`],
  [
    "ignores every signal that it may",
    (marker) => `trap '' TERM INT HUP QUIT; while :; do (exec -a ${marker} sleep 1); done`,
  ],
  [
    "forked twice and made a session of its own",
    (marker) =>
      `setsid sh -c '(setsid -f sh -c "while :; do sleep 1; done" ${marker}) &' ${marker}; sleep 600`,
  ],
  [
    "left a daemon and holds its output",
    (marker) =>
      `nohup setsid -f bash -c "trap '' TERM; exec -a ${marker} sleep 600"; exec -a ${marker} sleep 600`,
  ],
  [
    "forks as fast as it can",
    (marker) => `while :; do (exec -a ${marker} sleep 600) & sleep 0.01; done`,
  ],
];

test("a running task is dead within moments of its cancel, with everything that it made", async (t) => {
  await using stage = await openStage();
  await stage.startWorker();
  for (const [index, [name, command]] of stubborn.entries()) {
    const marker = `marker-${process.pid}-${index}`;
    const { taskId } = await stage.client.submit({
      kind: "command",
      command: `echo begun; ${command(marker)}`,
    });
    await until(() => (survivorsOf(marker).length > 0 ? true : undefined));
    const from = performance.now();
    const answer = await stage.client.cancel(taskId);
    assert.equal(answer.status, "running");
    const result = await stage.client.wait(taskId);
    const left = await outlive(marker, deadMs);
    t.diagnostic(`a task that ${name}: dead after ${Math.round(performance.now() - from)} ms`);
    assert.deepEqual(
      [result.outcome, result.exitCode, result.error],
      ["cancelled", 130, "Cancelled"],
      name,
    );
    assert.equal(result.stdout, "begun\n", "what it printed before is told");
    assert.deepEqual(left, [], name);
  }
  await nothingHeld(stage);
});

test("a task that runs out of time is dead too, and says so", async () => {
  await using stage = await openStage();
  await stage.startWorker();
  for (const [index, [name, command]] of stubborn.entries()) {
    const marker = `marker-${process.pid}-timeout-${index}`;
    const result = await stage.client.run({
      kind: "command",
      timeout: 1e3,
      command: `echo begun; ${command(marker)}`,
    });
    assert.deepEqual(
      [result.outcome, result.exitCode, result.error, result.stdout],
      ["timeout", 124, "Timeout after 1000 ms", "begun\n"],
      name,
    );
    assert.deepEqual(await outlive(marker, deadMs), [], name);
  }
  await nothingHeld(stage);
});

test("a task that ends by itself leaves nothing of it running", async () => {
  await using stage = await openStage();
  await stage.startWorker();
  const marker = `marker-${process.pid}-left`;
  const command = `setsid -f bash -c 'trap "" TERM; exec -a ${marker} sleep 600'; echo over`;
  assert.equal((await stage.client.run({ kind: "command", command })).stdout, "over\n");
  assert.deepEqual(await outlive(marker, deadMs), []);
});

test("a worker that is stopped, or killed, takes its tasks with it", async () => {
  for (const way of ["stop", "kill"] as const) {
    await using stage = await openStage({ server: { OPENCLAW_LEASE_MS: "2000" } });
    const worker = await stage.startWorker();
    const marker = `marker-${process.pid}-${way}`;
    const command = `trap '' TERM; setsid -f bash -c 'exec -a ${marker} sleep 600'; exec -a ${marker} sleep 600`;
    const { taskId } = await stage.client.submit({ kind: "command", command });
    await until(() => (survivorsOf(marker).length > 1 ? true : undefined));
    await worker[way]();
    assert.deepEqual(await outlive(marker, deadMs), [], way);
    const { outcome } = await stage.client.wait(taskId);
    assert.equal(outcome, way === "stop" ? "cancelled" : "lost");
  }
});

test("a cancel that comes while the worker is away is done when it is back", async () => {
  await using stage = await openStage();
  const worker = await stage.startWorker();
  const marker = `marker-${process.pid}-away`;
  const { taskId } = await stage.client.submit({
    kind: "command",
    command: `exec -a ${marker} sleep 600`,
  });
  await until(() => (survivorsOf(marker).length > 0 ? true : undefined));
  worker.signal("SIGSTOP");
  await stage.client.cancel(taskId);
  // The server dies as well: that the end was asked for is on its disk.
  await stage.server.kill();
  await stage.startServer();
  worker.signal("SIGCONT");
  assert.equal((await stage.client.wait(taskId)).outcome, "cancelled");
  assert.deepEqual(await outlive(marker, deadMs), []);
});

/** Every slot is free again: as many tasks as there are slots run beside each other. */
async function nothingHeld({ client }: Stage): Promise<void> {
  const results = await Promise.all(
    [1, 2, 3].map(() => client.run({ kind: "command", command: "echo free" })),
  );
  assert.deepEqual(
    results.map(({ stdout }) => stdout),
    ["free\n", "free\n", "free\n"],
  );
}
