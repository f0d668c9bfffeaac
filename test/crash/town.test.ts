// Two API processes on one Redis, killed again and again, and the Redis with them. Promises 1, 2, 3.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { violations, type Event } from "../history.ts";
import { seeded, seedOf } from "../random.ts";
import { openTown } from "../town.ts";
import { openCrowd, standingsOf } from "./crowd.ts";

const submits = 600;
const submitters = 8;
const oldWorkers = 3;
const kills = 10;

test("two servers on one Redis that are killed in turns, and a Redis that is, lose no task and no result", async (t) => {
  const seed = seedOf(process.env);
  t.diagnostic(`seed ${seed} (CRASH_SEED repeats it)`);
  const random = seeded(seed);
  await using town = await openTown({ OPENCLAW_LEASE_MS: "2000" });
  const events: Event[] = [];
  const closing = new AbortController();
  using _end = { [Symbol.dispose]: () => closing.abort() };
  const { signal } = closing;
  const crowd = openCrowd(town, { events, random, submits, signal, mayBeAway: true });

  const ours = await Promise.all(
    ["ours-1", "ours-2"].map((name) =>
      town.stage.startWorker({ name, noting: true, slots: 8, url: town.url }),
    ),
  );
  const old = Array.from({ length: oldWorkers }, (_, index) => crowd.work(`old-${index}`));
  const submitting = Array.from({ length: submitters }, () => crowd.submitAll());

  let killed = 0;
  for (let round = 1; round <= kills; round += 1) {
    await crowd.acceptedAtLeast(Math.floor((submits * round) / (kills + 1)));
    await pause(random() * 40);
    killed += 1;
    if (random() < 0.25) {
      await town.redis.kill();
      await pause(random() * 200);
      await town.redis.restart();
      continue;
    }
    const index = random() < 0.5 ? 0 : 1;
    await town.member(index).kill();
    await pause(random() * 200);
    await town.start(index);
  }
  await Promise.all(submitting);
  await crowd.allEnded();
  closing.abort();
  await Promise.all([...old, ...ours.map((worker) => worker.stop())]);

  for (const { taskId, proof } of town.stage.ledger()) {
    events.push({ kind: "began", taskId, worker: "ours", proof });
  }
  const standings = await standingsOf(town);
  const faithful = ["ours", ...Array.from({ length: oldWorkers }, (_, index) => `old-${index}`)];
  assert.deepEqual(violations({ events, standings, faithful }), []);
  const lost = standings.filter(({ ending }) => ending?.outcome === "lost").length;
  t.diagnostic(
    `${standings.length} tasks, ${killed} kills, ${town.stage.ledger().length} ran at our workers, ${lost} lost`,
  );
  // Only a task that was on its way to an old worker when something died may be lost.
  assert.ok(lost <= killed * oldWorkers, `${lost} tasks are lost`);
});
