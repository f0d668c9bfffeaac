// Several queues on one Redis, as several API processes have them.

import { silentLog, systemClock } from "@openclaw-worker/base";
import { limits } from "@openclaw-worker/protocol";
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { openQueue, type Queue } from "../../src/queue/queue.ts";
import { openRedisStore } from "../../src/store/redis/store.ts";
import type { Store } from "../../src/store/store.ts";
import { askOf, introductionOf, operator, signedDecision } from "../asks.ts";
import { startMs } from "../clock.ts";
import { command, done, idOf } from "../orders.ts";
import { startRedis, type RedisServer } from "../redis.ts";
import { heldBy, never, oldPollOf, pollOf, send, takeTask } from "./stage.ts";

const redis = await startRedis();
after(() => redis[Symbol.asyncDispose]());

interface Member {
  readonly queue: Queue;
  readonly store: Store;
}

interface Town extends AsyncDisposable {
  /** One more queue on the same store. */
  join(): Promise<Member>;
}

function openTown(server: RedisServer = redis, leaseMs = 30_000): Town {
  const url = server.url();
  const members: Member[] = [];
  return {
    async join() {
      const clock = systemClock();
      const store = await openRedisStore({ url, clock, log: silentLog, leaseMs });
      const queue = await openQueue({
        ...{ store, clock, leaseMs, log: silentLog },
        retentionMs: limits.retentionMs,
        queuedTasksMax: limits.queuedTasksMax,
        parkedRequestsMax: limits.parkedRequestsMax,
      });
      members.push({ queue, store });
      return { queue, store };
    },
    async [Symbol.asyncDispose]() {
      for (const { queue } of members) await queue[Symbol.asyncDispose]();
    },
  };
}

/** Looks until it is so; the words between processes take a moment. */
async function until(look: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await look())) await pause(2);
}

describe("two processes on one store", () => {
  test("a poll that waits at one is woken by a submit at the other", async (t) => {
    await using town = openTown();
    const [one, other] = [await town.join(), await town.join()];
    const times: number[] = [];
    for (let round = 0; round < 50; round += 1) {
      const polled = one.queue.poll(pollOf("home"));
      await until(() => other.queue.onlineWorkers() === 1);
      const from = performance.now();
      const { id } = await other.queue.submit(command());
      const [task] = (await polled).tasks;
      times.push(performance.now() - from);
      assert.equal(task?.id, id);
      await other.queue.settle({ taskId: id, fence: 1, report: done, freed: null });
    }
    times.sort((a, b) => a - b);
    t.diagnostic(`submit to wake at the other process: p50 ${times[25]?.toFixed(2)} ms`);
  });

  test("ten polls at two processes hand out a thousand tasks, each once", async () => {
    await using town = openTown();
    const members = [await town.join(), await town.join()];
    const total = 1_000;
    const handed: string[] = [];
    const over = Promise.withResolvers<void>();
    const work = async ({ queue }: Member, name: string): Promise<void> => {
      while (handed.length < total) {
        const answer = await Promise.race([
          queue.poll(pollOf(name, { capacity: 3 })),
          over.promise,
        ]);
        for (const task of answer?.tasks ?? []) {
          handed.push(task.id);
          await queue.settle({ ...heldBy(task), report: done, freed: null });
        }
        if (handed.length >= total) over.resolve();
      }
    };
    const working = members.flatMap((member, place) =>
      Array.from({ length: 5 }, (_, index) => work(member, `w${place}-${index}`)),
    );
    const sent: string[] = [];
    for (let round = 0; round < total / 50; round += 1) {
      const queue = members[round % 2]?.queue;
      assert.ok(queue);
      sent.push(...(await Promise.all(Array.from({ length: 50 }, () => send(queue, command())))));
    }
    await Promise.all(working);
    assert.deepEqual(handed.toSorted(), sent.toSorted());
  });

  test("a reader at one is given what was settled at the other, and what was cancelled there", async () => {
    await using town = openTown();
    const [one, other] = [await town.join(), await town.join()];
    const ended = await send(one.queue, command());
    const reading = one.queue.read(ended, 20_000, never);
    const task = await takeTask(other.queue, pollOf("home"));
    await other.queue.settle({ ...heldBy(task), report: done, freed: null });
    const read = await reading;
    assert.equal(read.kind === "result" && read.result.stdout, done.stdout);
    const cancelled = await send(one.queue, command());
    const waiting = one.queue.read(cancelled, 20_000, never);
    await other.queue.cancel(cancelled);
    const found = await waiting;
    assert.equal(found.kind === "result" && found.result.outcome, "cancelled");
  });

  test("a cancel at one reaches the worker whose poll waits at the other", async () => {
    await using town = openTown();
    const [one, other] = [await town.join(), await town.join()];
    await send(one.queue, command());
    const task = await takeTask(one.queue, pollOf("home"));
    await one.queue.started(heldBy(task));
    const polled = one.queue.poll(pollOf("home", { capacity: 0 }));
    await until(() => other.queue.onlineWorkers() === 1);
    await other.queue.cancel(task.id);
    assert.deepEqual((await polled).cancel, [heldBy(task)]);
  });

  test("slots that are told free at one get work through the poll that waits at the other", async () => {
    await using town = openTown();
    const [one, other] = [await town.join(), await town.join()];
    const first = await send(one.queue, command());
    const task = await takeTask(one.queue, pollOf("home"));
    assert.equal(task.id, first);
    const next = await send(other.queue, command());
    const polled = one.queue.poll(pollOf("home", { capacity: 0, order: 1 }));
    const freed = { instance: "home", capacity: 1, order: 2 };
    await other.queue.settle({ ...heldBy(task), report: done, freed });
    assert.deepEqual(
      (await polled).tasks.map(({ id }) => id),
      [next],
    );
  });

  test("who is connected to one is online at the other, until it leaves", async () => {
    await using town = openTown();
    const [one, other] = [await town.join(), await town.join()];
    const worker = { ...introductionOf("home"), labels: ["gpu"] };
    await one.queue.beat({ worker, held: [] });
    const { instance } = worker;
    const polled = one.queue.poll(pollOf("home", { instance, introduces: true }));
    const stateAt = async ({ queue }: Member) =>
      (await queue.presences()).map(({ name, state, labels }) => [name, state, labels]);
    await until(() => other.queue.onlineWorkers() === 1);
    assert.deepEqual(await stateAt(other), [["home", "online", ["gpu"]]]);
    const receipt = await other.queue.submit(command("x", { labels: ["gpu"] }));
    assert.equal(receipt.online, true);
    assert.equal((await polled).tasks.length, 1);
    // A third process that starts now knows as much, and asks nobody to introduce itself again.
    const third = await town.join();
    assert.deepEqual(await stateAt(third), [["home", "online", ["gpu"]]]);
    const again = third.queue.poll(pollOf("home", { instance, introduces: true, holdMs: 50 }));
    assert.equal((await again).unknown, undefined);
    await one.queue.leave(instance, []);
    await until(() => other.queue.onlineWorkers() + third.queue.onlineWorkers() === 0);
    assert.equal((await other.queue.submit(command("x", { labels: ["gpu"] }))).online, false);
  });

  test("an approval that was asked at one is seen and decided at the other", async () => {
    await using town = openTown();
    const [one, other] = [await town.join(), await town.join()];
    await send(one.queue, command());
    const task = await takeTask(one.queue, pollOf("home"));
    const waiting = other.queue.approvals.list({ state: "waiting", max: 10 }, 20_000, never);
    const ask = askOf(heldBy(task), { at: Date.now() });
    await one.queue.approvals.ask(ask);
    assert.deepEqual(
      (await waiting).approvals.map(({ id }) => id),
      [ask.request.id],
    );
    const polled = one.queue.poll(pollOf("home", { capacity: 0 }));
    const decision = signedDecision(ask, { decidedAt: Date.now() });
    await other.queue.approvals.decide({
      id: ask.request.id,
      ...decision,
      by: operator,
      mayApprove: false,
    });
    assert.equal((await polled).decisions.length, 1);
    const watched = other.queue.approvals.list(
      { after: (await other.store.approvals({ max: 1 })).cursor, max: 10 },
      20_000,
      never,
    );
    await one.queue.settle({ ...heldBy(task), report: done, freed: null });
    assert.equal((await watched).approvals[0]?.state, "withdrawn");
  });

  test("a stop that was ordered at one stops the worker at the other, and its end is known at both", async () => {
    await using town = openTown();
    const [one, other] = [await town.join(), await town.join()];
    const worker = introductionOf("home");
    await one.queue.beat({ worker, held: [] });
    const { instance } = worker;
    const polled = one.queue.poll(pollOf("home", { instance, introduces: true }));
    await until(() => other.queue.onlineWorkers() === 1);
    const order = await other.queue.halts.order("home", "enough", operator);
    assert.equal((await polled).stop?.id, order.id);
    const stopped = { id: idOf(order.id), by: "api", reason: "enough", since: startMs } as const;
    await one.queue.beat({ worker, held: [], stopped, stopSeen: order.id });
    await until(async () => (await other.queue.presences())[0]?.state === "stopped");
    assert.equal((await other.queue.presences())[0]?.stopAsked, null);
    await other.queue.beat({ worker, held: [], stopped: null });
    const again = one.queue.poll(pollOf("home", { instance, introduces: true }));
    await send(other.queue, command());
    assert.equal((await again).tasks.length, 1);
  });

  test("actions of both are one chain", async () => {
    await using town = openTown();
    const [one, other] = [await town.join(), await town.join()];
    const submits = Array.from({ length: 40 }, (_, index) =>
      (index % 2 === 0 ? one : other).queue.submit(command(), operator),
    );
    await Promise.all(submits);
    const [mine, theirs] = await Promise.all([
      one.store.actions(0, 100),
      other.store.actions(0, 100),
    ]);
    assert.deepEqual(mine, theirs);
    assert.deepEqual(
      mine.map(({ seq }) => seq),
      Array.from({ length: 40 }, (_, seq) => seq),
    );
    const { verifyChain } = await import("../../src/audit/chain.ts");
    assert.equal(verifyChain(mine, null), null);
  });
});

describe("leases of two processes", () => {
  const leaseMs = 900;

  test("what a process claimed that is gone is swept by the one that stays", async () => {
    await using town = openTown(redis, leaseMs);
    const stays = await town.join();
    const goes = await town.join();
    const id = await send(goes.queue, command());
    const task = await takeTask(goes.queue, pollOf("home"));
    await goes.queue.started(heldBy(task));
    await goes.queue[Symbol.asyncDispose]();
    const read = await stays.queue.read(id, 20_000, never);
    assert.equal(read.kind === "result" && read.result.outcome, "lost");
  });

  test("a process that starts gives nobody more time, and a renewed lease lasts", async () => {
    await using town = openTown(redis, leaseMs);
    const stays = await town.join();
    const [kept, left] = [await send(stays.queue, command()), await send(stays.queue, command())];
    const { tasks } = await stays.queue.poll(pollOf("home", { capacity: 2 }));
    for (const task of tasks) await stays.queue.started(heldBy(task));
    const reading = stays.queue.read(left, 20_000, never);
    const over = new AbortController();
    void reading.then(() => over.abort());
    while (!over.signal.aborted) {
      const starts = await town.join();
      await starts.queue.beat({ instance: "home", held: [{ taskId: kept, fence: 1 }] });
      await pause(leaseMs / 6);
    }
    assert.equal((await stays.store.get(kept))?.status, "running");
  });

  test("while nobody serves, no lease runs out", async () => {
    await using town = openTown(redis, leaseMs);
    const before = await town.join();
    const id = await send(before.queue, command());
    const task = await takeTask(before.queue, pollOf("home"));
    await before.queue.started(heldBy(task));
    await before.queue[Symbol.asyncDispose]();
    await pause(2 * leaseMs);
    const next = await town.join();
    await next.store.sweep(performance.now(), Date.now());
    const renewed = await next.queue.beat({ instance: "home", held: [heldBy(task)] });
    assert.deepEqual(renewed.stale, []);
    assert.equal((await next.store.get(id))?.phase, "started");
  });

  test("while Redis is away, no lease runs out", async () => {
    await using own = await startRedis();
    await using town = openTown(own, leaseMs);
    const { queue, store } = await town.join();
    const id = await send(queue, command());
    const task = await takeTask(queue, pollOf("home"));
    await queue.started(heldBy(task));
    const polled = queue.poll(pollOf("other"));
    await own.kill();
    await pause(2 * leaseMs);
    await own.restart();
    await until(() => store.counts().then(Boolean, () => false));
    const beat = await queue.beat({ instance: "home", held: [heldBy(task)] });
    assert.deepEqual(beat.stale, []);
    assert.equal((await store.get(id))?.phase, "started");
    // Who waited all the time is given work again.
    const next = await send(queue, command());
    assert.equal((await polled).tasks[0]?.id, next);
  });

  test("an old worker's poll at one process takes a task of the other", async () => {
    await using town = openTown(redis, leaseMs);
    const [one, other] = [await town.join(), await town.join()];
    const polled = one.queue.poll(oldPollOf());
    await until(() => other.queue.onlineWorkers() === 1);
    const id = await send(other.queue, command());
    assert.equal((await polled).tasks[0]?.id, id);
  });
});
