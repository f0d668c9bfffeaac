import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { command, done, strangerId } from "../orders.ts";
import { heldBy, never, oldPollOf, openQueueStage, pollOf, send, takeTask } from "./stage.ts";

describe("whoever hangs up", () => {
  for (const [kind, make] of [
    ["leased", (gone: AbortSignal) => pollOf("home", { gone })],
    ["old", (gone: AbortSignal) => oldPollOf({ gone })],
  ] as const) {
    test(`a ${kind} poller that hangs up while its task is on the way leaves it in the queue`, async () => {
      await using stage = await openQueueStage();
      const { queue, store } = stage;
      const caller = new AbortController();
      const polled = queue.poll(make(caller.signal));
      const submitted = send(queue, command());
      caller.abort();
      const id = await submitted;
      assert.deepEqual((await polled).tasks, []);
      const task = await takeTask(queue, pollOf("other"));
      assert.equal(task.id, id);
      assert.equal((await store.get(id))?.worker, "other");
    });

    test(`a ${kind} poller that hung up is never handed a task`, async () => {
      await using stage = await openQueueStage();
      const { queue, store } = stage;
      const caller = new AbortController();
      const polled = queue.poll(make(caller.signal));
      caller.abort();
      await polled;
      const id = await send(queue, command());
      assert.equal((await store.get(id))?.status, "pending");
      assert.equal((await store.get(id))?.fence, 0);
    });
  }

  test("a task that comes back wakes the next poll that waits", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    const caller = new AbortController();
    const first = queue.poll(pollOf("home", { gone: caller.signal }));
    const submitted = send(queue, command());
    const second = queue.poll(pollOf("other"));
    caller.abort();
    const id = await submitted;
    assert.deepEqual((await first).tasks, []);
    assert.equal((await second).tasks[0]?.id, id);
  });

  test("a worker whose connection broke counts as away after a moment", async () => {
    await using stage = await openQueueStage();
    const { queue, clock } = stage;
    const caller = new AbortController();
    const polled = queue.poll(pollOf("home", { gone: caller.signal }));
    caller.abort();
    await polled;
    assert.equal(queue.onlineWorkers(), 1);
    clock.advance(5_000);
    assert.equal(queue.onlineWorkers(), 0);
  });

  test("a reader that hangs up destroys nothing", async () => {
    await using stage = await openQueueStage();
    const { queue, store } = stage;
    const id = await send(queue, command());
    const task = await takeTask(queue, pollOf("home"));
    const caller = new AbortController();
    const hungUp = queue.read(id, 60_000, caller.signal);
    const stays = queue.read(id, 60_000, never);
    caller.abort();
    assert.equal((await hungUp).kind, "not-ready");
    await queue.settle({ ...heldBy(task), report: done, freed: null });
    assert.equal((await stays).kind, "result");
    for (let again = 0; again < 3; again += 1) {
      assert.equal((await queue.read(id, 0, never)).kind, "result");
    }
    assert.equal((await store.counts()).byStatus.completed, 1);
  });
});

describe("readers", () => {
  test("every reader that waits is told at once, and reading marks it read", async () => {
    await using stage = await openQueueStage();
    const { queue, store } = stage;
    const id = await send(queue, command());
    const readers = Array.from({ length: 50 }, () => queue.read(id, 600_000, never));
    const task = await takeTask(queue, pollOf("home"));
    await queue.settle({ ...heldBy(task), report: done, freed: null });
    for (const waited of await Promise.all(readers)) assert.equal(waited.kind, "result");
    await store.note({ type: "after", taskId: null, at: 0 });
    assert.equal((await store.counts()).unread, 0);
  });

  test("a wait that is over says what the task is doing", async () => {
    await using stage = await openQueueStage();
    const { queue, clock } = stage;
    const id = await send(queue, command());
    const reading = queue.read(id, 10_000, never);
    await takeTask(queue, pollOf("home"));
    clock.advance(10_000);
    const waited = await reading;
    assert.ok(waited.kind === "not-ready");
    assert.equal(waited.task.phase, "claimed");
  });

  test("an unknown task is unknown at once, whatever wait says", async () => {
    await using stage = await openQueueStage();
    assert.deepEqual(await stage.queue.read(strangerId(), 600_000, never), { kind: "unknown" });
  });

  test("more waiting readers than the limit are refused, not dropped", async () => {
    await using stage = await openQueueStage({ parkedRequestsMax: 2 });
    const { queue } = stage;
    const id = await send(queue, command());
    const waiting = [queue.read(id, 1_000, never), queue.read(id, 1_000, never)];
    // Both are waiting only after their first look into the store.
    await new Promise((resolve) => setImmediate(resolve));
    await assert.rejects(queue.read(id, 1_000, never), { code: "too-many-waiting" });
    queue.stop();
    await Promise.all(waiting);
  });
});
