import { Problem } from "@openclaw-worker/protocol";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import { command, dayMs, done, leaseMs, prompt, strangerId } from "../orders.ts";
import { heldBy, never, oldPollOf, openQueueStage, pollOf, send, takeTask } from "./stage.ts";

describe("stop", () => {
  test("answers everybody who waits, and lets nobody wait any more", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    const id = await send(queue, command("x", { worker: "nobody" }));
    const waiting = [
      queue.poll(pollOf("a")),
      queue.poll(pollOf("b", { capacity: 0 })),
      queue.poll(oldPollOf()),
    ];
    const readers = [queue.read(id, 600_000, never), queue.read(id, 600_000, never)];
    await new Promise((resolve) => setImmediate(resolve));
    queue.stop();
    for (const answer of await Promise.all(waiting)) assert.deepEqual(answer.tasks, []);
    for (const waited of await Promise.all(readers)) assert.equal(waited.kind, "not-ready");
    assert.deepEqual((await queue.poll(pollOf("a"))).tasks, []);
    assert.equal((await queue.read(id, 600_000, never)).kind, "not-ready");
    await assert.rejects(queue.submit(command()), { code: "stopping" });
  });

  test("a task on its way to a poll at that moment arrives or goes back, nothing between", async () => {
    await using stage = await openQueueStage();
    const { queue, store } = stage;
    const polled = queue.poll(pollOf("home"));
    const id = await send(queue, command());
    queue.stop();
    const { tasks } = await polled;
    const record = await store.get(id);
    assert.equal(record?.status, tasks.length === 1 ? "running" : "pending");
  });

  test("a result that comes while it stops is kept", async () => {
    await using stage = await openQueueStage();
    const { queue, store } = stage;
    await send(queue, command());
    const task = await takeTask(queue, pollOf("home"));
    queue.stop();
    assert.equal(await queue.settle({ ...heldBy(task), report: done, freed: null }), "settled");
    assert.equal((await store.result(task.id))?.outcome, "done");
  });
});

describe("cancel", () => {
  test("a waiting task ends, and its reader hears so", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    const id = await send(queue, command());
    const reading = queue.read(id, 600_000, never);
    assert.equal((await queue.cancel(id)).kind, "ended");
    const waited = await reading;
    assert.equal(waited.kind === "result" && waited.result.outcome, "cancelled");
    assert.equal((await queue.cancel(id)).kind, "over");
  });

  test("a claimed task ends, its worker is told, and its start refused", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    const id = await send(queue, command());
    const task = await takeTask(queue, pollOf("home"));
    const polled = queue.poll(pollOf("home", { capacity: 0 }));
    assert.equal((await queue.cancel(id)).kind, "ended");
    assert.deepEqual((await polled).cancel, [heldBy(task)]);
    assert.equal(await queue.started(heldBy(task)), "stale");
    assert.deepEqual((await queue.beat({ instance: "home", held: [heldBy(task)] })).stale, [
      heldBy(task),
    ]);
  });

  test("a started task's worker is told by its parked poll, its next poll, and its beats", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    const id = await send(queue, command());
    const task = await takeTask(queue, pollOf("home"));
    await queue.started(heldBy(task));
    assert.equal((await queue.cancel(id)).kind, "asked");
    assert.deepEqual((await queue.poll(pollOf("home", { capacity: 0 }))).cancel, [heldBy(task)]);
    assert.deepEqual((await queue.beat({ instance: "home", held: [heldBy(task)] })).cancel, [
      heldBy(task),
    ]);
    const polled = queue.poll(pollOf("home", { capacity: 0, order: 1 }));
    await queue.cancel(id);
    assert.deepEqual((await polled).cancel, [heldBy(task)]);
  });

  test("an unknown task is unknown", async () => {
    await using stage = await openQueueStage();
    assert.deepEqual(await stage.queue.cancel(strangerId()), { kind: "unknown" });
  });
});

describe("submit", () => {
  test("says whether somebody who may take the task is there", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    assert.equal((await queue.submit(command("x", { worker: "home" }))).online, false);
    const polled = queue.poll(pollOf("home", { capacity: 0 }));
    assert.equal((await queue.submit(command("x", { worker: "home" }))).online, true);
    assert.equal((await queue.submit(command("x", { worker: "desk" }))).online, false);
    assert.equal((await queue.submit(command("x", { labels: ["gpu"] }))).online, false);
    queue.stop();
    await polled;
  });

  test("the same key and body is the same task, another body a conflict", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    const first = await queue.submit(prompt("s", { idempotencyKey: "k" }));
    assert.deepEqual(await queue.submit(prompt("s", { idempotencyKey: "k" })), first);
    await assert.rejects(queue.submit(prompt("t", { idempotencyKey: "k" })), {
      code: "idempotency-conflict",
    });
    await assert.rejects(queue.submit(prompt("s", { idempotencyKey: "k", priority: 1 })), {
      code: "idempotency-conflict",
    });
  });

  test("a full queue says so with a time to wait", async () => {
    await using stage = await openQueueStage({ queuedTasksMax: 1 });
    await send(stage.queue, command());
    await assert.rejects(stage.queue.submit(command()), (error) => {
      assert.ok(error instanceof Problem);
      assert.equal(error.code, "queue-full");
      assert.equal(error.retryAfterSeconds, 5);
      return true;
    });
  });

  test("a store that cannot write answers so, polls are answered with nothing, and the next try works", async () => {
    const inner = openSqliteStore(":memory:");
    let broken = false;
    const failing = async (): Promise<never> => {
      throw new Problem("store-unavailable");
    };
    const store = {
      ...inner,
      submit: (...args: Parameters<typeof inner.submit>) =>
        broken ? failing() : inner.submit(...args),
      claim: (...args: Parameters<typeof inner.claim>) =>
        broken ? failing() : inner.claim(...args),
    };
    await using stage = await openQueueStage({ store });
    broken = true;
    await assert.rejects(stage.queue.submit(command()), { code: "store-unavailable" });
    assert.deepEqual((await stage.queue.poll(pollOf("home"))).tasks, []);
    broken = false;
    const polled = stage.queue.poll(pollOf("home"));
    const id = await send(stage.queue, command());
    assert.equal((await polled).tasks[0]?.id, id);
  });
});

describe("workers", () => {
  const instance = "instance-1";
  const worker = {
    name: "home",
    instance,
    labels: ["gpu"],
    version: "1",
    platform: "linux",
    slots: 2,
    policyDigest: "d",
  };

  test("a process that did not introduce itself gets no work, and is asked to", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    const id = await send(queue, command("x", { labels: ["gpu"] }));
    const stranger = pollOf("home", { instance, introduces: true });
    assert.deepEqual(await queue.poll(stranger), {
      tasks: [],
      cancel: [],
      decisions: [],
      stop: null,
      unknown: true,
    });
    await queue.beat({ worker, held: [] });
    assert.equal((await takeTask(queue, stranger)).id, id);
    const [presence] = await queue.presences();
    assert.deepEqual(
      [presence?.name, presence?.state, presence?.running, presence?.labels],
      ["home", "online", 1, ["gpu"]],
    );
  });

  test("a worker that leaves gives back what it did not begin, and is away at once", async () => {
    await using stage = await openQueueStage();
    const { queue, store } = stage;
    await queue.beat({ worker, held: [] });
    const id = await send(queue, command());
    const task = await takeTask(queue, pollOf("home", { instance, introduces: true }));
    await queue.leave(instance, [heldBy(task)]);
    assert.equal((await store.get(id))?.status, "pending");
    assert.equal(queue.onlineWorkers(), 0);
  });
});

describe("retention", () => {
  test("finished tasks are forgotten after their time, in the background", async () => {
    await using stage = await openQueueStage({ retentionMs: dayMs });
    const { queue, clock, store } = stage;
    const id = await send(queue, command());
    const task = await takeTask(queue, pollOf("home"));
    await queue.settle({ ...heldBy(task), report: done, freed: null });
    clock.advance(dayMs - leaseMs);
    await store.note({ type: "after", taskId: null, at: 0 });
    assert.equal((await queue.read(id, 0, never)).kind, "result");
    clock.advance(600_000 + leaseMs);
    await store.note({ type: "after", taskId: null, at: 0 });
    assert.equal((await queue.read(id, 0, never)).kind, "unknown");
  });
});
