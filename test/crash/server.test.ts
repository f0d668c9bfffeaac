// kill -9 of the server in the middle of everything, again and again. Promises 1, 2 and 3.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { acceptedSchema, resultSchema } from "@openclaw-worker/protocol";
import { violations, type Event, type Standing } from "../history.ts";
import { runOldWorker } from "../old-worker.ts";
import { seeded, seedOf } from "../random.ts";
import { until } from "../scene.ts";
import { openStage, type Stage } from "../stage.ts";

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
  const crowd = openCrowd(stage, { events, random, signal: closing.signal });

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

interface CrowdParts {
  readonly events: Event[];
  readonly random: () => number;
  readonly signal: AbortSignal;
}

/** Everybody who talks to the server; whatever they saw is in `events`. */
function openCrowd({ client, wire }: Stage, { events, random, signal }: CrowdParts) {
  const accepted: string[] = [];
  const ended = new Set<string>();
  let begun = 0;
  const watchers: (() => void)[] = [];

  const accept = (marker: string, taskId: string): void => {
    accepted.push(taskId);
    events.push({ kind: "accepted", marker, taskId });
    for (const watcher of watchers.splice(0)) watcher();
    if (random() < 0.3) void read(taskId);
  };

  const read = async (taskId: string): Promise<void> => {
    const answer = await wire.ask({ path: `/tasks/${taskId}?wait=20000` }).catch(() => null);
    if (answer === null) return pause(20);
    assert.equal(answer.status, 200, `an accepted task was answered ${answer.text}`);
    const result = resultSchema.safeParse(answer.json());
    if (!result.success) return;
    ended.add(taskId);
    events.push({ kind: "read", taskId, outcome: result.data.outcome, proof: result.data.stdout });
  };

  /** With a key an unanswered submit is said again; without one nobody knows what became of it. */
  const submitOne = async (): Promise<void> => {
    const marker = randomUUID();
    const keyed = random() < 0.7;
    const headers = keyed ? { "idempotency-key": marker } : {};
    const body = { command: `echo ${marker}`, timeout: 1_000 };
    while (!signal.aborted) {
      const answer = await wire
        .ask({ method: "POST", path: "/tasks", body, headers })
        .catch(() => null);
      if (answer !== null) {
        assert.equal(answer.status, 200, answer.text);
        return accept(marker, acceptedSchema.parse(answer.json()).taskId);
      }
      await pause(10);
      if (!keyed) return;
    }
  };

  return {
    async submitAll() {
      while (accepted.length + begun < submits) {
        begun += 1;
        await submitOne();
        begun -= 1;
      }
    },
    work: (name: string) =>
      runOldWorker({
        wire,
        name,
        signal,
        async run({ id }) {
          const proof = randomUUID();
          events.push({
            kind: "began",
            taskId: id,
            worker: name,
            proof,
          });
          await pause(20);
          return proof;
        },
        confirmed: ({ id }, proof) =>
          events.push({
            kind: "confirmed",
            taskId: id,
            proof,
          }),
      }),
    async acceptedAtLeast(count: number) {
      while (accepted.length < count) await new Promise<void>((resolve) => watchers.push(resolve));
    },
    async allEnded() {
      // A task whose submit was never answered is nobody's to read, and ends all the same.
      await until(async () => {
        const running = await client.list({ status: "running", limit: 1 });
        const pending = await client.list({ status: "pending", limit: 1 });
        return running.tasks.length + pending.tasks.length === 0 ? true : undefined;
      });
      for (const taskId of accepted)
        while (!ended.has(taskId) && !signal.aborted) await read(taskId);
    },
  };
}

async function standingsOf({ client }: Stage): Promise<readonly Standing[]> {
  const standings: Standing[] = [];
  let cursor: string | null = null;
  do {
    const page = await client.list(cursor === null ? { limit: 200 } : { limit: 200, cursor });
    for (const { taskId, summary } of page.tasks) {
      const view = await client.get(taskId);
      const marker = summary.replace(/^echo /, "");
      const ending =
        view.state === "finished"
          ? { outcome: view.result.outcome, proof: view.result.stdout }
          : null;
      standings.push({ marker, taskId, ending });
    }
    ({ cursor } = page);
  } while (cursor !== null);
  return standings;
}
