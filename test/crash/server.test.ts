// kill -9 of the server in the middle of everything, again and again. Promises 1, 2 and 3.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { violations, type Event } from "../history.ts";
import { openCrowd, standingsOf } from "./crowd.ts";
import { seeded, seedOf } from "../random.ts";
import { openStage } from "../stage.ts";

const submits = 1_000;
const submitters = 8;
const oldWorkers = 4;
const kills = 14;

test("a server that is killed again and again loses no task and no result, and runs none twice", async (t) => {
  const seed = seedOf(process.env);
  t.diagnostic(`seed ${seed} (CRASH_SEED repeats it)`);
  const random = seeded(seed);
  await using stage = await openStage({ server: { OPENCLAW_LEASE_MS: "2000" } });
  const events: Event[] = [];
  const closing = new AbortController();
  // However this ends, nobody goes on knocking at a server that is gone.
  using _end = { [Symbol.dispose]: () => closing.abort() };
  const crowd = openCrowd(stage, { events, random, submits, signal: closing.signal });

  const noting = ["ours-1", "ours-2"];
  const ours = await Promise.all(
    noting.map((name) => stage.startWorker({ name, noting: true, slots: 8 })),
  );
  const old = Array.from({ length: oldWorkers }, (_, index) => crowd.work(`old-${index}`));
  const submitting = Array.from({ length: submitters }, () => crowd.submitAll());

  let killed = 0;
  for (let round = 1; round <= kills; round += 1) {
    await crowd.acceptedAtLeast(Math.floor((submits * round) / (kills + 1)));
    await pause(random() * 40);
    await stage.server.kill();
    killed += 1;
    await stage.startServer();
    if (random() < 0.3) {
      // While everybody comes back and the leases of the last process are still being forgiven.
      await pause(random() * 30);
      await stage.server.kill();
      killed += 1;
      await stage.startServer();
    }
  }
  await Promise.all(submitting);
  await crowd.allEnded();
  // A clean stop delivers what is still on its way.
  closing.abort();
  await Promise.all([...old, ...ours.map((worker) => worker.stop())]);
  await stage.server.kill();
  await stage.startServer();

  for (const { taskId, proof } of stage.ledger()) {
    events.push({ kind: "began", taskId, worker: "ours", proof });
  }
  const standings = await standingsOf(stage);
  const faithful = ["ours", ...Array.from({ length: oldWorkers }, (_, index) => `old-${index}`)];
  assert.deepEqual(violations({ events, standings, faithful }), []);

  const lost = standings.filter(({ ending }) => ending?.outcome === "lost").length;
  t.diagnostic(
    `${standings.length} tasks, ${killed} kills, ${stage.ledger().length} ran at our workers, ${lost} lost`,
  );
  // Only a task that was on its way to an old worker when the server died may be lost.
  assert.ok(lost <= killed * oldWorkers, `${lost} tasks are lost`);
  assert.ok(stage.ledger().length > 0 && stage.ledger().length < standings.length);
});
