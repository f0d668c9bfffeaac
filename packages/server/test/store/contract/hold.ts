import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startMs } from "../../clock.ts";
import {
  command,
  dayMs,
  home,
  ids,
  leaseMs,
  old,
  put,
  strangerId,
  take,
  takeOne,
} from "../../orders.ts";
import type { Open } from "../contract.ts";

export function holdContract(open: Open): void {
  describe("hold", () => {
    test("a claimed task is started once, and saying so twice is no harm", async () => {
      await using store = await open();
      const id = await put(store, command());
      const held = await takeOne(store);
      assert.equal(await store.start(held, startMs + 1), "started");
      assert.equal(await store.start(held, startMs + 2), "started");
      const record = await store.get(id);
      assert.equal(record?.phase, "started");
      assert.equal(record.startedAt, startMs + 1);
      const started = (await store.events(10)).filter((event) => event.type === "task.started");
      assert.equal(started.length, 1);
    });

    test("a start with an older or a made-up fence is stale, of an unknown task unknown", async () => {
      await using store = await open();
      const taskId = await put(store, command());
      assert.equal(await store.start({ taskId, fence: 1 }, startMs), "stale");
      await store.giveBack("home", [await takeOne(store)], startMs);
      assert.equal(await store.start({ taskId, fence: 1 }, startMs), "stale");
      assert.equal((await takeOne(store)).fence, 2);
      assert.equal(await store.start({ taskId, fence: 1 }, startMs), "stale");
      assert.equal(await store.start({ taskId, fence: 3 }, startMs), "stale");
      assert.equal(await store.start({ taskId: strangerId(), fence: 1 }, startMs), "unknown");
    });

    test("a task that was cancelled, lost or ended does not begin", async () => {
      await using store = await open();
      for (const end of [
        (held: { taskId: Parameters<typeof store.cancel>[0] }) =>
          store.cancel(held.taskId, startMs),
        (held: { taskId: Parameters<typeof store.cancel>[0] }) =>
          store.settle({
            taskId: held.taskId,
            fence: 1,
            report: { stdout: "", stderr: "", exitCode: 0, error: null },
            at: startMs,
          }),
      ]) {
        await put(store, command());
        const held = await takeOne(store);
        await end(held);
        assert.equal(await store.start(held, startMs), "stale");
      }
      await put(store, command());
      const held = await takeOne(store);
      await store.start(held, startMs);
      await store.sweep(leaseMs, startMs);
      assert.equal(await store.start(held, startMs), "stale");
    });

    test("given back, a task stands where it stood, with a new fence for the next", async () => {
      await using store = await open();
      const first = await put(store, command("first"));
      const second = await put(store, command("second"));
      const held = await takeOne(store);
      assert.deepEqual(await store.giveBack("home", [held], startMs), ["0*"]);
      const record = await store.get(first);
      assert.equal(record?.status, "pending");
      assert.equal(record.worker, null);
      const tasks = await take(store, home, { max: 2 });
      assert.deepEqual(ids(tasks), [first, second]);
      assert.deepEqual(
        tasks.map((task) => task.fence),
        [2, 1],
      );
    });

    test("only its holder gives a task back, only this attempt, and only before it began", async () => {
      await using store = await open();
      await put(store, command());
      const held = await takeOne(store);
      assert.deepEqual(await store.giveBack("other", [held], startMs), []);
      assert.deepEqual(await store.giveBack("home", [{ ...held, fence: 2 }], startMs), []);
      assert.deepEqual(
        await store.giveBack("home", [{ taskId: strangerId(), fence: 1 }], startMs),
        [],
      );
      await store.start(held, startMs);
      assert.deepEqual(await store.giveBack("home", [held], startMs), []);
      assert.equal((await store.get(held.taskId))?.phase, "started");
    });

    test("an old worker's task goes back when its connection was gone before the answer", async () => {
      await using store = await open();
      const id = await put(store, command());
      const held = await takeOne(store, old);
      assert.deepEqual(await store.giveBack("anonymous", [held], startMs), ["0*"]);
      const record = await store.get(id);
      assert.equal(record?.status, "pending");
      assert.equal(record.startedAt, null);
    });

    test("a renewed lease lasts, one that is not renewed is over", async () => {
      await using store = await open();
      const kept = await put(store, command("kept"));
      const dropped = await put(store, command("dropped"));
      await take(store, home, { max: 2 });
      const renewed = await store.renew({
        instance: "home",
        held: [{ taskId: kept, fence: 1 }],
        leaseUntil: leaseMs * 2,
      });
      assert.deepEqual(renewed, { cancel: [], stale: [] });
      assert.deepEqual(await store.nextSweep(), { leaseUntil: leaseMs, deliverBy: null });
      assert.deepEqual(await store.sweep(leaseMs - 1, startMs), { ended: [], readied: [] });
      assert.deepEqual(await store.sweep(leaseMs, startMs), { ended: [], readied: ["0*"] });
      assert.equal((await store.get(kept))?.status, "running");
      assert.equal((await store.get(dropped))?.status, "pending");
      assert.deepEqual(await store.nextSweep(), {
        leaseUntil: leaseMs * 2,
        deliverBy: startMs + dayMs,
      });
    });

    test("renewing tells what is stale: another's, an older attempt, ended, unknown", async () => {
      await using store = await open();
      const mine = await put(store, command("mine"));
      await takeOne(store);
      await put(store, command("given back"));
      const back = await takeOne(store);
      await store.giveBack("home", [back], startMs);
      const again = await takeOne(store);
      await put(store, command("ended"));
      const ended = await takeOne(store);
      await store.cancel(ended.taskId, startMs);
      const stranger = { taskId: strangerId(), fence: 1 };
      const held = [{ taskId: mine, fence: 1 }, back, again, ended, stranger];
      const renewed = await store.renew({ instance: "home", held, leaseUntil: leaseMs });
      assert.deepEqual(renewed, { cancel: [], stale: [back, ended, stranger] });
      const other = await store.renew({ instance: "other", held: [again], leaseUntil: leaseMs });
      assert.deepEqual(other.stale, [again]);
    });

    test("a worker that names no instance renews by the fence alone", async () => {
      await using store = await open();
      await put(store, command());
      const held = await takeOne(store);
      const renewed = await store.renew({ instance: null, held: [held], leaseUntil: leaseMs * 2 });
      assert.deepEqual(renewed, { cancel: [], stale: [] });
      assert.equal((await store.nextSweep()).leaseUntil, leaseMs * 2);
    });

    test("an old worker's lease is the task's timeout longer, and forgiving keeps that", async () => {
      await using store = await open();
      await put(store, command());
      await takeOne(store, old);
      assert.equal((await store.nextSweep()).leaseUntil, leaseMs + 30_000);
      await store.forgive(5_000);
      assert.equal((await store.nextSweep()).leaseUntil, 35_000);
    });

    test("forgiving gives everything held a whole lease", async () => {
      await using store = await open();
      await put(store, command());
      await put(store, command());
      const [first] = await take(store, home, { max: 2 });
      assert.ok(first);
      await store.start({ taskId: first.id, fence: 1 }, startMs);
      await store.forgive(1_000_000);
      assert.deepEqual(await store.sweep(999_999, startMs), { ended: [], readied: [] });
      const swept = await store.sweep(1_000_000, startMs);
      assert.equal(swept.ended.length, 1);
      assert.deepEqual(swept.readied, ["0*"]);
    });

    test("what is over is swept in one go, however much it is, in repeated rounds", async () => {
      await using store = await open();
      const many = 1_500;
      await Promise.all(
        Array.from({ length: many }, () => put(store, command("x", { ttlMs: 10 }))),
      );
      let ended = 0;
      for (let round = 0; round < 3; round += 1) {
        ended += (await store.sweep(0, startMs + 10)).ended.length;
      }
      assert.equal(ended, many);
      assert.deepEqual(await store.nextSweep(), { leaseUntil: null, deliverBy: null });
    });
  });
}
