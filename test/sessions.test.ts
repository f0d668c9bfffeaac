// Who gets which task, and when: sessions, mixed workers, racing polls.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { acceptedSchema } from "@openclaw-worker/protocol";
import { violations, type Event, type Standing } from "./history.ts";
import { runOldWorker } from "./old-worker.ts";
import { openStage } from "./stage.ts";

test("tasks of one session run one after another, in order, while others run beside them", async () => {
  await using stage = await openStage();
  const sessions = ["a", "b", "c"];
  const perSession = 12;
  const total = sessions.length * perSession;
  for (let index = 0; index < total; index += 1) {
    const sessionId = sessions[index % sessions.length] ?? "";
    await stage.client.submitOld("/claude", {
      prompt: `${sessionId} ${Math.floor(index / 3)}`,
      sessionId,
    });
  }
  const order = new Map<string, string[]>();
  const running = new Set<string>();
  let [most, finished] = [0, 0];
  const done = new AbortController();
  const run = async (prompt: string): Promise<string> => {
    const [session = "", number = ""] = prompt.split(" ");
    assert.ok(!running.has(session), `two tasks of session ${session} ran at once`);
    running.add(session);
    order.set(session, [...(order.get(session) ?? []), number]);
    most = Math.max(most, running.size);
    await pause(10);
    running.delete(session);
    return prompt;
  };
  const workers = Array.from({ length: 6 }, (_, index) =>
    runOldWorker({
      wire: stage.wire,
      name: `old-${index}`,
      signal: done.signal,
      run: ({ prompt }) => run(prompt),
      confirmed() {
        finished += 1;
        if (finished === total) done.abort();
      },
    }),
  );
  await Promise.all(workers);
  const numbers = Array.from({ length: perSession }, (_, index) => String(index));
  for (const session of sessions) assert.deepEqual(order.get(session), numbers);
  assert.ok(most > 1, "sessions ran beside each other");
});

test("an old worker and ours share a queue: every task runs once, and only ours takes what is new", async () => {
  await using stage = await openStage();
  await stage.startWorker({ name: "ours", noting: true });
  const done = new AbortController();
  const byOld = new Set<string>();
  const old = runOldWorker({
    wire: stage.wire,
    name: "old",
    signal: done.signal,
    async run({ id, type }) {
      assert.equal(type, "command");
      assert.ok(!byOld.has(id));
      byOld.add(id);
      await pause(5);
      return "old";
    },
  });
  const ids = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      // What an old worker does not know, it would leave out: it is never given such a task.
      const extra = index % 4 === 0 ? { env: { ONLY: "ours" } } : {};
      const task = { kind: "command", command: `echo ${index}`, ...extra } as const;
      return { taskId: (await stage.client.submit(task)).taskId, onlyOurs: index % 4 === 0 };
    }),
  );
  const results = await Promise.all(ids.map(({ taskId }) => stage.client.wait(taskId)));
  done.abort();
  await old;
  assert.ok(results.every(({ outcome }) => outcome === "done"));
  const byOurs = stage.ledger().map(({ taskId }) => taskId);
  assert.deepEqual([...byOld, ...byOurs].toSorted(), ids.map(({ taskId }) => taskId).toSorted());
  assert.ok(ids.every(({ taskId, onlyOurs }) => !onlyOurs || byOurs.includes(taskId)));
  assert.ok(byOld.size > 0 && byOurs.length >= 50);
});

test("ten racing pollers get 2,000 tasks, each of them once", async () => {
  const [pollers, tasks] = [10, 2_000];
  await using stage = await openStage();
  const events: Event[] = [];
  let confirmed = 0;
  const done = new AbortController();
  const racing = Array.from({ length: pollers }, (_, index) =>
    runOldWorker({
      wire: stage.wire,
      name: `old-${index}`,
      signal: done.signal,
      run({ id }) {
        const proof = randomUUID();
        events.push({
          kind: "began",
          taskId: id,
          worker: "old",
          proof,
        });
        return proof;
      },
      confirmed({ id }, proof) {
        events.push({
          kind: "confirmed",
          taskId: id,
          proof,
        });
        confirmed += 1;
        if (confirmed === tasks) done.abort();
      },
    }),
  );
  const submitting = Array.from({ length: 20 }, async (_, lane) => {
    for (let index = 0; index < tasks / 20; index += 1) {
      const marker = `${lane}-${index}`;
      const body = { command: `echo ${marker}` };
      const answer = await stage.wire.ask({ method: "POST", path: "/tasks", body });
      events.push({ kind: "accepted", marker, taskId: acceptedSchema.parse(answer.json()).taskId });
    }
  });
  await Promise.all([...racing, ...submitting]);
  const standings = await Promise.all(
    events
      .filter((event) => event.kind === "accepted")
      .map(async ({ marker, taskId }): Promise<Standing> => {
        const { outcome, stdout: proof } = await stage.client.wait(taskId);
        return { marker, taskId, ending: { outcome, proof } };
      }),
  );
  assert.deepEqual(violations({ events, standings, faithful: ["old"] }), []);
  assert.equal(standings.length, tasks);
  assert.equal((await stage.client.health()).tasks, 0);
});
