import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { command, done } from "../orders.ts";
import { heldBy, openQueueStage, pollOf, send, takeTask } from "./stage.ts";

describe("capacity", () => {
  test("a full worker's poll gets cancels only", async () => {
    await using stage = await openQueueStage();
    const { queue, clock } = stage;
    await send(queue, command());
    const task = await takeTask(queue, pollOf("home"));
    await queue.started(heldBy(task));
    await send(queue, command("waits"));
    const polled = queue.poll(pollOf("home", { capacity: 0, order: 1 }));
    await queue.cancel(task.id);
    assert.deepEqual(await polled, {
      tasks: [],
      cancel: [heldBy(task)],
      decisions: [],
      stop: null,
    });
    const quiet = queue.poll(pollOf("home", { capacity: 0, order: 2, holdMs: 1_000 }));
    await send(queue, command("waits too"));
    clock.advance(1_000);
    assert.deepEqual((await quiet).tasks, []);
  });

  test("a result that frees a slot brings the next task on the poll that waits", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    await send(queue, command("first"));
    const next = await send(queue, command("next"));
    const task = await takeTask(queue, pollOf("home"));
    const polled = queue.poll(pollOf("home", { capacity: 0, order: 1 }));
    await queue.settle({
      ...heldBy(task),
      report: done,
      freed: { instance: "home", capacity: 1, order: 2 },
    });
    assert.equal((await polled).tasks[0]?.id, next);
  });

  test("a result that overtook the poll sent before it counts for that poll", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    await send(queue, command("first"));
    const next = await send(queue, command("next"));
    const task = await takeTask(queue, pollOf("home"));
    await queue.settle({
      ...heldBy(task),
      report: done,
      freed: { instance: "home", capacity: 1, order: 2 },
    });
    const { tasks } = await queue.poll(pollOf("home", { capacity: 0, order: 1 }));
    assert.deepEqual(
      tasks.map(({ id }) => id),
      [next],
    );
  });

  test("an older word about capacity changes nothing, in either order of arrival", async () => {
    for (const overtakes of [true, false]) {
      await using stage = await openQueueStage();
      const { queue, clock } = stage;
      const tasks = [];
      for (let index = 0; index < 3; index += 1) {
        await send(queue, command());
        tasks.push(await takeTask(queue, pollOf("home", { order: index })));
      }
      const [first, second] = tasks;
      assert.ok(first && second);
      const settle = (task: typeof first, capacity: number, order: number) =>
        queue.settle({
          ...heldBy(task),
          report: done,
          freed: { instance: "home", capacity, order },
        });
      // 12 says that the worker is full again; 11, which comes later, must not say otherwise.
      const polled = overtakes
        ? null
        : queue.poll(pollOf("home", { capacity: 0, order: 10, holdMs: 1_000 }));
      await settle(first, 0, 12);
      const late = polled ?? queue.poll(pollOf("home", { capacity: 2, order: 10, holdMs: 1_000 }));
      await settle(second, 1, 11);
      await send(queue, command("must wait"));
      clock.advance(1_000);
      assert.deepEqual(
        (await late).tasks,
        [],
        overtakes ? "the result overtook the poll" : "the poll came first",
      );
    }
  });

  test("no more tasks come than there are free slots", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    for (let index = 0; index < 5; index += 1) await send(queue, command());
    assert.equal((await queue.poll(pollOf("home", { capacity: 3 }))).tasks.length, 3);
    assert.equal((await queue.poll(pollOf("home", { capacity: 3 }))).tasks.length, 2);
  });

  test("three tasks of 32 MiB come in three answers, which a worker can take", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    const large = "x".repeat(32 * 1_048_576 - 1_024);
    const sent = [];
    for (let index = 0; index < 3; index += 1) sent.push(await send(queue, command(large)));
    const came = [];
    for (let order = 0; order < 3; order += 1) {
      const { tasks } = await queue.poll(pollOf("home", { capacity: 3 - order, order }));
      assert.ok(JSON.stringify(tasks).length < 64 * 1_048_576);
      came.push(...tasks.map(({ id }) => id));
    }
    assert.deepEqual(came, sent);
  });

  test("a newer poll of the same worker answers the older one with nothing", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    const older = queue.poll(pollOf("home"));
    const newer = queue.poll(pollOf("home", { order: 1 }));
    assert.deepEqual((await older).tasks, []);
    const id = await send(queue, command());
    assert.equal((await newer).tasks[0]?.id, id);
  });

  test("a task that was on its way to a superseded poll goes to the newer one", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    const id = await send(queue, command());
    // The first poll's claim is under way when the second one comes.
    const older = queue.poll(pollOf("home"));
    const newer = queue.poll(pollOf("home", { order: 1 }));
    assert.deepEqual((await older).tasks, []);
    const { tasks } = await newer;
    assert.deepEqual(
      tasks.map((task) => task.id),
      [id],
    );
  });
});
