import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startMs } from "../../clock.ts";
import {
  command,
  done,
  failed,
  leaseMs,
  old,
  oldDone,
  put,
  settleWith,
  strangerId,
  takeOne,
} from "../../orders.ts";
import type { Open } from "../contract.ts";

export function endContract(open: Open): void {
  describe("settle", () => {
    test("a report becomes the result, with the submit's metadata beside the worker's", async () => {
      await using store = await open();
      const id = await put(store, command("x", { metadata: { origin: "chat", both: 1 } }));
      const held = await takeOne(store);
      const settled = await settleWith(store, held, { ...done, metadata: { both: 2, cost: 3 } });
      const result = await store.result(id);
      assert.deepEqual(settled.kind === "settled" ? settled.result : null, result);
      assert.deepEqual(result, {
        ...done,
        taskId: id,
        completedAt: startMs,
        status: "completed",
        outcome: "done",
        worker: "home",
        metadata: { origin: "chat", both: 2, cost: 3 },
      });
      const record = await store.get(id);
      assert.equal(record?.status, "completed");
      assert.equal(record.exitCode, 0);
      assert.equal(record.completedAt, startMs);
    });

    test("a worker may end a task that it never started", async () => {
      await using store = await open();
      await put(store, command());
      const settled = await settleWith(store, await takeOne(store), failed);
      assert.equal(settled.kind, "settled");
      assert.equal((await store.counts()).byStatus.failed, 1);
    });

    test("the first result stays: a second one is a duplicate and changes nothing", async () => {
      await using store = await open();
      const id = await put(store, command());
      const held = await takeOne(store);
      await settleWith(store, held);
      assert.deepEqual(await settleWith(store, held, failed), { kind: "duplicate" });
      assert.equal((await store.result(id))?.outcome, "done");
    });

    test("a result of an older attempt is stale, of an unknown task unknown", async () => {
      await using store = await open();
      await put(store, command());
      const first = await takeOne(store);
      await store.giveBack("home", [first], startMs);
      const second = await takeOne(store);
      assert.deepEqual(await settleWith(store, first), { kind: "stale" });
      assert.equal((await settleWith(store, second)).kind, "settled");
      assert.deepEqual(await settleWith(store, first), { kind: "stale" });
      assert.deepEqual(await settleWith(store, { taskId: strangerId(), fence: 1 }), {
        kind: "unknown",
      });
    });

    test("nobody has a result of a task that was never handed out", async () => {
      await using store = await open();
      const taskId = await put(store, command());
      for (const fence of [null, 1, 2]) {
        assert.deepEqual(await store.settle({ taskId, fence, report: done, at: startMs }), {
          kind: "stale",
        });
      }
      assert.equal((await store.get(taskId))?.status, "pending");
    });

    test("a result without a fence is taken from an old worker only", async () => {
      await using store = await open();
      await put(store, command());
      const leased = await takeOne(store);
      const nobody = { taskId: leased.taskId, fence: null, report: oldDone, at: startMs };
      assert.deepEqual(await store.settle(nobody), { kind: "stale" });
      await put(store, command());
      const { taskId } = await takeOne(store, old);
      assert.equal((await store.settle({ ...nobody, taskId })).kind, "settled");
    });

    test("a late result of the same attempt replaces lost, and is unread again", async () => {
      await using store = await open();
      const id = await put(store, command());
      const held = await takeOne(store);
      await store.start(held, startMs);
      const swept = await store.sweep(leaseMs, startMs);
      assert.equal(swept.ended[0]?.outcome, "lost");
      assert.match(swept.ended[0]?.error ?? "", /home vanished/);
      assert.equal((await store.result(id))?.outcome, "lost");
      await store.markRead(id, startMs);
      assert.equal((await store.counts()).unread, 0);

      assert.equal((await settleWith(store, held)).kind, "settled");
      assert.equal((await store.result(id))?.outcome, "done");
      assert.equal((await store.get(id))?.status, "completed");
      assert.deepEqual(await store.counts(), {
        byStatus: { pending: 0, running: 0, completed: 1, failed: 0 },
        unread: 1,
      });
      assert.deepEqual(await settleWith(store, held), { kind: "duplicate" });
    });

    test("a late result of a task that waits again ends it, and nobody gets it any more", async () => {
      await using store = await open();
      await put(store, command());
      const held = await takeOne(store);
      await store.sweep(leaseMs, startMs);
      assert.equal((await settleWith(store, held)).kind, "settled");
      await assert.rejects(takeOne(store), /nothing to take/);
    });

    test("an old worker's task becomes lost, is never handed out again, and takes a late result", async () => {
      await using store = await open();
      const id = await put(store, command());
      await takeOne(store, old);
      assert.equal((await store.sweep(leaseMs + 30_000, startMs)).ended[0]?.outcome, "lost");
      await assert.rejects(takeOne(store, old), /nothing to take/);
      const late = await store.settle({ taskId: id, fence: null, report: oldDone, at: startMs });
      assert.equal(late.kind, "settled");
      assert.equal((await store.result(id))?.status, "completed");
    });

    test("a big result comes back whole", async () => {
      await using store = await open();
      const id = await put(store, command());
      const stdout = "\u{1f600}\u0000\n".repeat(2_000_000);
      await settleWith(store, await takeOne(store), { ...done, stdout });
      assert.equal((await store.result(id))?.stdout === stdout, true);
    });
  });

  describe("cancel and expire", () => {
    test("a waiting task ends at once, a claimed one too, and its holder is named", async () => {
      await using store = await open();
      const waiting = await put(store, command());
      const cancelled = await store.cancel(waiting, startMs);
      assert.ok(cancelled.kind === "ended");
      assert.equal(cancelled.holder, null);
      assert.equal(cancelled.result.outcome, "cancelled");
      assert.equal(cancelled.result.exitCode, 130);
      assert.equal(cancelled.result.error, "Cancelled");
      await put(store, command());
      const held = await takeOne(store);
      const taken = await store.cancel(held.taskId, startMs);
      assert.ok(taken.kind === "ended");
      assert.deepEqual(taken.holder, { ...held, worker: "home", instance: "home", leased: true });
    });

    test("a started task is marked, and every word to its worker carries the cancel", async () => {
      await using store = await open();
      await put(store, command());
      const held = await takeOne(store);
      await store.start(held, startMs);
      const asked = await store.cancel(held.taskId, startMs);
      assert.deepEqual(asked, {
        kind: "asked",
        holder: { ...held, worker: "home", instance: "home", leased: true },
      });
      assert.equal((await store.get(held.taskId))?.cancelAsked, true);
      assert.deepEqual(await store.cancelsFor("home"), [held]);
      assert.deepEqual(await store.cancelsFor("other"), []);
      const renewed = await store.renew({ instance: "home", held: [held], leaseUntil: leaseMs });
      assert.deepEqual(renewed.cancel, [held]);
      await settleWith(store, held, { ...failed, outcome: "cancelled" });
      assert.deepEqual(await store.cancelsFor("home"), []);
    });

    test("an old worker's task is marked, and says that nobody can be told", async () => {
      await using store = await open();
      await put(store, command());
      const held = await takeOne(store, old);
      const asked = await store.cancel(held.taskId, startMs);
      assert.equal(asked.kind === "asked" && asked.holder.leased, false);
    });

    test("what has ended stays as it is, and what is unknown is unknown", async () => {
      await using store = await open();
      await put(store, command());
      const held = await takeOne(store);
      await settleWith(store, held);
      const over = await store.cancel(held.taskId, startMs);
      assert.equal(over.kind === "over" && over.result.outcome, "done");
      assert.deepEqual(await store.cancel(strangerId(), startMs), { kind: "unknown" });
    });

    test("a task that nobody took in time expires, a held one does not", async () => {
      await using store = await open();
      const held = await put(store, command("held", { ttlMs: 1_000 }));
      await takeOne(store);
      const waiting = await put(store, command("waiting", { ttlMs: 1_000 }));
      assert.deepEqual(await store.sweep(0, startMs + 999), { ended: [], readied: [] });
      const { ended } = await store.sweep(0, startMs + 1_000);
      assert.deepEqual(
        ended.map((result) => [result.taskId, result.outcome]),
        [[waiting, "expired"]],
      );
      assert.equal((await store.get(held))?.status, "running");
    });
  });
}
