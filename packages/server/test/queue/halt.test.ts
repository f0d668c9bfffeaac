import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { introductionOf, operator, signedResume, stoppedBy } from "../asks.ts";
import { startMs } from "../clock.ts";
import { command, dayMs } from "../orders.ts";
import { openQueueStage, pollOf, send, type QueueStage } from "./stage.ts";

const instance = "home-instance";
const poll = (fields: object = {}) =>
  pollOf("home", { instance, introduces: true, capacity: 0, ...fields });

async function introduce({ queue }: QueueStage, fields: object = {}): Promise<void> {
  await queue.beat({ worker: introductionOf("home"), held: [], ...fields });
}

describe("stop", () => {
  test("reaches a parked poll at once, and is said until the worker confirms it", async () => {
    await using stage = await openQueueStage();
    const { queue, clock } = stage;
    await introduce(stage);
    const parked = queue.poll(poll({ capacity: 2 }));
    await new Promise((resolve) => setImmediate(resolve));
    const order = await queue.halts.order("home", "enough", operator);
    assert.deepEqual((await parked).stop, order);
    const again = queue.poll(poll({ capacity: 2 }));
    clock.advance(2_000);
    assert.deepEqual((await again).stop, order);
    const [asked] = await queue.presences();
    assert.deepEqual([asked?.state, asked?.stopAsked], ["online", order]);

    const stopped = stoppedBy(order.id, "enough");
    await introduce(stage, { stopped });
    const quiet = queue.poll(poll());
    await clock.pass(25_000);
    assert.equal((await quiet).stop, null);
    const [told] = await queue.presences();
    assert.deepEqual([told?.state, told?.stopped, told?.stopAsked], ["stopped", stopped, null]);
  });

  test("a stopped worker is handed nothing, whatever capacity it claims, until it says it works", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    await introduce(stage, { stopped: stoppedBy(newId(stage)) });
    const parked = queue.poll(poll({ capacity: 3 }));
    const receipt = await queue.submit(command("x", { worker: "home" }));
    assert.deepEqual([receipt.online, receipt.stopped], [false, true]);
    assert.equal((await stage.store.get(receipt.id))?.status, "pending");
    await introduce(stage, { stopped: null });
    assert.deepEqual(
      (await parked).tasks.map(({ id }) => id),
      [receipt.id],
    );
  });

  test("a worker that was stopped and resumed between two beats works on", async () => {
    await using stage = await openQueueStage();
    await introduce(stage, { stopped: null });
    const order = await stage.queue.halts.order("home", "", operator);
    assert.deepEqual((await stage.queue.poll(poll())).stop, order);
    await introduce(stage, { stopped: null });
    assert.notEqual((await stage.queue.presences())[0]?.stopAsked, null);
    await introduce(stage, { stopped: null, stopSeen: order.id });
    assert.equal((await stage.queue.presences())[0]?.stopAsked, null);
    await send(stage.queue, command());
    assert.equal((await stage.queue.poll(poll({ capacity: 1 }))).tasks.length, 1);
  });

  test("an unknown worker is not stopped; one that is away is told when it comes", async () => {
    await using stage = await openQueueStage();
    await assert.rejects(stage.queue.halts.order("home", "", operator), {
      code: "worker-not-found",
    });
    await introduce(stage);
    await stage.clock.pass(dayMs);
    const order = await stage.queue.halts.order("home", "", operator);
    await introduce(stage);
    assert.deepEqual((await stage.queue.poll(poll())).stop, order);
  });

  test("an old worker, which cannot be told, is handed nothing until the server lifts it", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    const old = { instance: "old-1", capacity: null };
    const first = queue.poll(pollOf("old", old));
    const order = await queue.halts.order("old", "", operator);
    await send(queue, command());
    const { resume, signature } = signedResume(order.id, "old");
    assert.equal(
      await queue.halts.resume({ worker: "old", resume, signature, by: operator }),
      "lifted",
    );
    assert.equal((await first).tasks.length, 1);
  });

  test("a resume is carried to the worker until that stop is over", async () => {
    await using stage = await openQueueStage();
    const { queue } = stage;
    const stopped = stoppedBy(newId(stage));
    await introduce(stage, { stopped });
    const parked = queue.poll(poll());
    await new Promise((resolve) => setImmediate(resolve));
    const { resume, signature } = signedResume(stopped.id);
    const message = { worker: "home", resume, signature, by: operator };
    assert.equal(await queue.halts.resume(message), "sent");
    assert.deepEqual((await parked).decisions, [{ type: "resume", resume, signature }]);
    await introduce(stage, { stopped: null });
    const quiet = queue.poll(poll());
    await stage.clock.pass(25_000);
    assert.deepEqual((await quiet).decisions, []);
    const other = { ...message, resume: { ...resume, worker: "other" } };
    await assert.rejects(queue.halts.resume(other), { code: "invalid-request" });
  });
});

function newId(stage: QueueStage): string {
  const at = (startMs + stage.clock.monotonic()).toString(16).padStart(12, "0");
  return `${at.slice(0, 8)}-${at.slice(8)}-7000-8000-${"0".repeat(12)}`;
}
