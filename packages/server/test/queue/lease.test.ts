import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import { temporaryFolder } from "../folder.ts";
import { command, done, leaseMs, oldDone } from "../orders.ts";
import { heldBy, never, oldPollOf, openQueueStage, pollOf, send, takeTask } from "./stage.ts";

describe("a lease", () => {
  test("over before the task began: it goes back and wakes the next poll", async () => {
    await using stage = await openQueueStage();
    const { queue, clock } = stage;
    const id = await send(queue, command());
    const first = await takeTask(queue, pollOf("home"));
    const next = queue.poll(pollOf("other", { holdMs: leaseMs * 2 }));
    await clock.pass(leaseMs);
    const [task] = (await next).tasks;
    assert.equal(task?.id, id);
    assert.equal(task.fence, 2);
    assert.equal(await queue.started(heldBy(first)), "stale");
    assert.equal(await queue.settle({ ...heldBy(first), report: done, freed: null }), "stale");
  });

  test("over after it began: it is lost, its reader hears so, and it is not run again", async () => {
    await using stage = await openQueueStage();
    const { queue, clock, store } = stage;
    const id = await send(queue, command());
    const task = await takeTask(queue, pollOf("home"));
    assert.equal(await queue.started(heldBy(task)), "started");
    const reading = queue.read(id, 600_000, never);
    await clock.pass(leaseMs);
    const waited = await reading;
    assert.ok(waited.kind === "result");
    assert.equal(waited.result.outcome, "lost");
    assert.equal((await store.counts()).byStatus.pending, 0);

    assert.equal(await queue.settle({ ...heldBy(task), report: done, freed: null }), "settled");
    const late = await queue.read(id, 0, never);
    assert.equal(late.kind === "result" && late.result.outcome, "done");
  });

  test("renewed by beats, it lasts as long as they come", async () => {
    await using stage = await openQueueStage();
    const { queue, clock, store } = stage;
    const id = await send(queue, command());
    const task = await takeTask(queue, pollOf("home"));
    await queue.started(heldBy(task));
    for (let beat = 0; beat < 12; beat += 1) {
      await clock.pass(leaseMs / 3);
      const answer = await queue.beat({ instance: "home", held: [heldBy(task)] });
      assert.deepEqual(answer, { now: clock.now(), cancel: [], stale: [] });
    }
    assert.equal((await store.get(id))?.phase, "started");
  });

  test("renewed by a worker that names no instance, because the fence says whose it is", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    await send(queue, command());
    const task = await takeTask(queue, pollOf("home", { instance: "anonymous-1" }));
    assert.deepEqual((await queue.beat({ held: [heldBy(task)] })).stale, []);
    assert.deepEqual((await queue.beat({ held: [{ ...heldBy(task), fence: 2 }] })).stale.length, 1);
  });

  test("of an old worker is as long as its task may run and a minute more, then it is lost for good", async () => {
    await using stage = await openQueueStage();
    const { queue, clock } = stage;
    const id = await send(queue, command());
    const task = await takeTask(queue, oldPollOf());
    const reading = queue.read(id, 600_000, never);
    await clock.pass(leaseMs + 60_000 + 29_999);
    await queue.beat({ held: [] });
    await clock.pass(1);
    const waited = await reading;
    assert.equal(waited.kind === "result" && waited.result.outcome, "lost");
    const idle = queue.poll(oldPollOf({ holdMs: 1_000 }));
    await clock.pass(1_000);
    assert.deepEqual((await idle).tasks, []);
    assert.equal(
      await queue.settle({ taskId: task.id, fence: null, report: oldDone, freed: null }),
      "settled",
    );
    const late = await queue.read(id, 0, never);
    assert.equal(late.kind === "result" && late.result.status, "completed");
  });

  test("is forgiven when this process stood still: beats may wait in its sockets", async () => {
    for (const stillMs of [leaseMs * 10, leaseMs * 0.9]) {
      await using stage = await openQueueStage();
      const { queue, clock, store } = stage;
      const id = await send(queue, command());
      const task = await takeTask(queue, pollOf("home"));
      await queue.started(heldBy(task));
      await clock.pass(leaseMs * 0.2);
      clock.stall(stillMs);
      // The beat that waited in the socket is read only now.
      const answer = await queue.beat({ instance: "home", held: [heldBy(task)] });
      assert.deepEqual(answer.stale, []);
      assert.equal((await store.get(id))?.phase, "started");
      // And a worker that is really gone is found a lease later.
      const reading = queue.read(id, 600_000, never);
      await clock.pass(leaseMs * 2);
      const waited = await reading;
      assert.equal(waited.kind === "result" && waited.result.outcome, "lost");
    }
  });

  test("starts anew for whoever holds a task when the server starts again", async () => {
    using folder = temporaryFolder();
    const file = `${folder.path}/tasks.db`;
    let held;
    {
      await using before = await openQueueStage({ store: openSqliteStore(file) });
      before.clock.advance(1_000_000);
      await send(before.queue, command());
      const task = await takeTask(before.queue, pollOf("home"));
      await before.queue.started(heldBy(task));
      held = heldBy(task);
    }
    await using stage = await openQueueStage({ store: openSqliteStore(file) });
    assert.equal((await stage.store.nextSweep()).leaseUntil, leaseMs);
    await stage.clock.pass(leaseMs - 1);
    assert.deepEqual((await stage.queue.beat({ instance: "home", held: [held] })).stale, []);
    assert.equal(await stage.queue.settle({ ...held, report: done, freed: null }), "settled");
  });
});

describe("the delivery clock", () => {
  test("ends a task that nobody took in time, and tells its reader", async () => {
    await using stage = await openQueueStage();
    const { queue, clock } = stage;
    const id = await send(queue, command("x", { ttlMs: 5_000 }));
    const reading = queue.read(id, 600_000, never);
    await clock.pass(5_000);
    const waited = await reading;
    assert.ok(waited.kind === "result");
    assert.equal(waited.result.outcome, "expired");
    assert.equal(waited.result.exitCode, -1);
    assert.match(waited.result.error ?? "", /^Expired: /);
  });

  test("a task that expired while the server was down is not handed out afterwards", async () => {
    using folder = temporaryFolder();
    const file = `${folder.path}/tasks.db`;
    let id;
    {
      await using before = await openQueueStage({ store: openSqliteStore(file) });
      id = await send(before.queue, command("x", { ttlMs: 5_000 }));
    }
    const store = openSqliteStore(file);
    await using stage = await openQueueStage({ store });
    await stage.clock.pass(0);
    const { clock, queue } = stage;
    clock.stall(5_000);
    const reading = queue.read(id, 600_000, never);
    const polled = queue.poll(pollOf("home", { holdMs: 1_000 }));
    await clock.pass(1_000);
    assert.deepEqual((await polled).tasks, []);
    const waited = await reading;
    assert.equal(waited.kind === "result" && waited.result.outcome, "expired");
  });
});
