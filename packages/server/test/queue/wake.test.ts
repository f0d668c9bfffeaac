import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { command, done, exec, prompt } from "../orders.ts";
import { heldBy, oldPollOf, openQueueStage, pollOf, send, takeTask } from "./stage.ts";

describe("a poll and a submit", () => {
  test("a poll that waits is woken by a submit", async () => {
    await using stage = await openQueueStage();
    const polled = stage.queue.poll(pollOf("home"));
    const id = await send(stage.queue, command());
    assert.deepEqual(
      (await polled).tasks.map((task) => task.id),
      [id],
    );
  });

  test("a poll finds what was submitted before it came", async () => {
    await using stage = await openQueueStage();
    const id = await send(stage.queue, command());
    assert.equal((await takeTask(stage.queue, pollOf("home"))).id, id);
  });

  test("a poll that comes in the same turn as a submit gets the task, in either order", async () => {
    await using stage = await openQueueStage();
    for (let round = 0; round < 20; round += 1) {
      const order = [
        () => stage.queue.poll(pollOf("home")).then((answer) => answer.tasks[0]?.id),
        () => send(stage.queue, command()),
      ];
      if (round % 2 === 0) order.reverse();
      const [first, second] = await Promise.all(order.map((one) => one()));
      assert.equal(first, second);
    }
  });

  test("the poll that waited longest is woken, and only that one", async () => {
    await using stage = await openQueueStage();
    const first = stage.queue.poll(pollOf("first"));
    const second = stage.queue.poll(pollOf("second"));
    await send(stage.queue, command());
    assert.equal((await first).tasks.length, 1);
    await send(stage.queue, command());
    assert.equal((await second).tasks.length, 1);
  });

  test("a task for one worker wakes that worker beside thousands of others", async () => {
    await using stage = await openQueueStage();
    const others = Array.from({ length: 2_000 }, (_, index) =>
      stage.queue.poll(pollOf(`w${index}`)),
    );
    const polled = stage.queue.poll(pollOf("home"));
    const id = await send(stage.queue, command("x", { worker: "home" }));
    assert.equal((await polled).tasks[0]?.id, id);
    stage.queue.stop();
    for (const answer of await Promise.all(others)) assert.equal(answer.tasks.length, 0);
  });

  test("ten racing pollers hand out five thousand tasks, each once", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    const total = 5_000;
    const handed: string[] = [];
    const over = Promise.withResolvers<void>();
    const loop = async (name: string, capacity: number | null): Promise<void> => {
      for (let turn = 0; handed.length < total; turn += 1) {
        const request = capacity === null ? oldPollOf() : pollOf(name, { capacity });
        const answer = await Promise.race([queue.poll(request), over.promise]);
        if (answer === undefined) return;
        for (const task of answer.tasks) {
          handed.push(task.id);
          await queue.settle({
            taskId: task.id,
            fence: capacity === null ? null : task.fence,
            report: done,
            freed: null,
          });
        }
        if (handed.length >= total) over.resolve();
      }
    };
    const pollers = Array.from({ length: 10 }, (_, index) =>
      loop(`w${index}`, index < 3 ? null : 1 + (index % 4)),
    );
    const sent: string[] = [];
    for (let group = 0; group < 50; group += 1) {
      sent.push(
        ...(await Promise.all(Array.from({ length: total / 50 }, () => send(queue, command())))),
      );
    }
    await Promise.all(pollers);
    assert.equal(handed.length, total);
    assert.deepEqual([...handed].sort(), [...sent].sort());
    const counts = await stage.store.counts();
    assert.equal(counts.byStatus.completed, total);
  });

  test("of several tasks that become ready at once, none is left while somebody waits for it", async () => {
    await using stage = await openQueueStage();
    const { queue, store } = stage;
    // Both were handed to a worker that leaves: they become ready in one go.
    const any = await send(queue, command("any", { priority: -1 }));
    const labelled = await send(queue, command("labelled", { labels: ["x"] }));
    await introduce(stage, "both", ["x"], 1);
    const tasks = (await queue.poll(pollOf("both", { capacity: 2 }))).tasks;
    assert.equal(tasks.length, 2);
    await introduce(stage, "only-x", ["x", "cloud"], 2);
    const first = queue.poll(pollOf("both"));
    const second = queue.poll(pollOf("only-x"));
    const third = queue.poll(pollOf("plain"));
    await queue.leave("both", tasks.map(heldBy).reverse());
    assert.equal((await first).tasks[0]?.id, labelled);
    assert.equal((await third).tasks[0]?.id, any);
    queue.stop();
    assert.equal((await second).tasks.length, 0);
    assert.equal((await store.counts()).byStatus.pending, 0);
  });

  test("the next task of a session wakes a poll when the one before it ends", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    await send(queue, prompt("s"));
    const next = await send(queue, prompt("s"));
    const first = await takeTask(queue, pollOf("home"));
    const polled = queue.poll(pollOf("other"));
    await queue.settle({ ...heldBy(first), report: done, freed: null });
    assert.equal((await polled).tasks[0]?.id, next);
  });

  test("an old worker's poll is not woken by what it cannot run", async () => {
    await using stage = await openQueueStage();
    const polled = stage.queue.poll(oldPollOf({ holdMs: 5_000 }));
    await send(stage.queue, exec());
    stage.clock.advance(5_000);
    assert.deepEqual((await polled).tasks, []);
  });

  test("a poll's hold ends with nothing, and its worker stays online for a moment", async () => {
    await using stage = await openQueueStage();
    const polled = stage.queue.poll(pollOf("home", { holdMs: 10_000 }));
    await send(stage.queue, command("x", { worker: "other" }));
    stage.clock.advance(9_999);
    assert.equal(stage.queue.onlineWorkers(), 1);
    stage.clock.advance(1);
    assert.deepEqual(await polled, { tasks: [], cancel: [], decisions: [], stop: null });
    stage.clock.advance(4_999);
    assert.equal(stage.queue.onlineWorkers(), 1);
    stage.clock.advance(1);
    assert.equal(stage.queue.onlineWorkers(), 0);
  });
});

async function introduce(
  { queue }: Awaited<ReturnType<typeof openQueueStage>>,
  name: string,
  labels: string[],
  number: number,
): Promise<void> {
  await queue.beat({
    worker: {
      name,
      instance: `instance-${number}`,
      labels,
      version: "1",
      platform: "linux",
      slots: 1,
      policyDigest: "",
    },
    held: [],
  });
}
