import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startMs } from "../../clock.ts";
import {
  command,
  exec,
  home,
  old,
  order,
  prompt,
  put,
  settleWith,
  strangerId,
  take,
  takeOne,
} from "../../orders.ts";
import type { Open } from "../contract.ts";

const worker = {
  name: "home",
  instance: "instance-1",
  labels: ["gpu", "linux"],
  version: "0.1.0",
  platform: "linux",
  slots: 3,
  policyDigest: "abc",
  publicKey: "ssh-ed25519 AAAA",
  lastSeenAt: startMs,
};

export function keepContract(open: Open): void {
  describe("keep and read", () => {
    test("counts follow every move, and a finished task is unread until it is read", async () => {
      await using store = await open();
      const none = { pending: 0, running: 0, completed: 0, failed: 0 };
      assert.deepEqual(await store.counts(), { byStatus: none, unread: 0 });
      const id = await put(store, command());
      assert.deepEqual(await store.counts(), { byStatus: { ...none, pending: 1 }, unread: 0 });
      assert.equal(await store.markRead(id, startMs), false);
      const held = await takeOne(store);
      assert.deepEqual(await store.counts(), { byStatus: { ...none, running: 1 }, unread: 0 });
      await settleWith(store, held);
      assert.deepEqual(await store.counts(), { byStatus: { ...none, completed: 1 }, unread: 1 });
      assert.equal(await store.markRead(id, startMs), true);
      assert.equal(await store.markRead(id, startMs), false);
      assert.deepEqual(await store.counts(), { byStatus: { ...none, completed: 1 }, unread: 0 });
      assert.equal(await store.markRead(strangerId(), startMs), false);
      assert.notEqual(await store.result(id), null);
    });

    test("pruning forgets finished tasks by age, a few at a time, and nothing else", async () => {
      await using store = await open();
      for (let index = 0; index < 3; index += 1) {
        const id = await put(store, command());
        await store.settle({
          ...(await takeOne(store)),
          taskId: id,
          report: { stdout: "", stderr: "", exitCode: 0, error: null },
          at: startMs + index,
        });
      }
      const waiting = await put(store, command());
      assert.equal(await store.prune(startMs, 10), 0);
      assert.equal(await store.prune(startMs + 10, 2), 2);
      assert.equal(await store.prune(startMs + 10, 2), 1);
      assert.equal(await store.prune(startMs + 10, 2), 0);
      assert.deepEqual(await store.counts(), {
        byStatus: { pending: 1, running: 0, completed: 0, failed: 0 },
        unread: 0,
      });
      assert.equal((await store.get(waiting))?.status, "pending");
    });

    test("a pruned task's key is free again, and its id unknown", async () => {
      await using store = await open();
      const id = await put(store, command("x", { idempotencyKey: "k" }), { digest: "1" });
      await settleWith(store, await takeOne(store));
      await store.prune(startMs + 1, 10);
      assert.equal(await store.get(id), null);
      assert.equal(await store.result(id), null);
      assert.deepEqual(await settleWith(store, { taskId: id, fence: 1 }), { kind: "unknown" });
      assert.notEqual(await put(store, command("x", { idempotencyKey: "k" }), { digest: "2" }), id);
    });

    test("lists are newest first, by any filter, page by page", async () => {
      await using store = await open();
      const a = await put(store, command("a"));
      const b = await put(store, exec());
      const c = await put(store, command("c"));
      const listed = async (filter: Parameters<typeof store.list>[0]) =>
        (await store.list(filter)).map((record) => record.id);
      assert.deepEqual(await listed({ max: 10 }), [c, b, a]);
      assert.deepEqual(await listed({ max: 2 }), [c, b]);
      const [, second] = await store.list({ max: 2 });
      assert.deepEqual(await listed({ max: 2, beforeSeq: second?.seq }), [a]);
      assert.deepEqual(await listed({ max: 10, kind: "exec" }), [b]);
      await take(store, home);
      assert.deepEqual(await listed({ max: 10, status: "running" }), [a]);
      assert.deepEqual(
        await listed({ max: 10, worker: "home", status: "running", kind: "command" }),
        [a],
      );
      assert.deepEqual(await listed({ max: 10, worker: "nobody" }), []);
    });

    test("events tell a task's life in order, and others' notes between them", async () => {
      await using store = await open();
      const id = await put(store, command());
      const held = await takeOne(store);
      await store.start(held, startMs);
      await store.note({
        type: "callback.sent",
        taskId: null,
        at: startMs,
        details: { channel: "1" },
      });
      await settleWith(store, held);
      await store.markRead(id, startMs);
      const events = await store.events(10);
      assert.deepEqual(
        events.map(({ type, taskId }) => [type, taskId]),
        [
          ["task.created", id],
          ["task.started", id],
          ["callback.sent", null],
          ["task.completed", id],
          ["task.reconciled", id],
        ],
      );
      assert.deepEqual(events[2]?.details, { channel: "1" });
      assert.deepEqual(
        (await store.events(2)).map((event) => event.type),
        ["task.completed", "task.reconciled"],
      );
      assert.deepEqual(
        await store.eventCounts(),
        Object.fromEntries(events.map(({ type }) => [type, 1])),
      );
    });

    test("workers are kept by name, the newest word counts", async () => {
      await using store = await open();
      await store.saveWorker(worker);
      const later = { ...worker, instance: "instance-2", labels: [], slots: 1 };
      await store.saveWorker(later);
      await store.saveWorker({ ...worker, name: "desk" });
      assert.deepEqual(await store.workers(), [{ ...worker, name: "desk" }, later]);
    });

    test("the next sweep is the first lease and the first expiry, waiting sessions included", async () => {
      await using store = await open();
      assert.deepEqual(await store.nextSweep(), { leaseUntil: null, deliverBy: null });
      await put(store, prompt("a", { ttlMs: 5_000 }));
      await put(store, prompt("a", { ttlMs: 2_000 }));
      assert.equal((await store.nextSweep()).deliverBy, startMs + 2_000);
      await takeOne(store, old, { leaseUntil: 77 });
      assert.deepEqual(await store.nextSweep(), {
        leaseUntil: 77 + 120_000,
        deliverBy: startMs + 2_000,
      });
    });

    test("one poisoned operation in a batch fails alone, and says nothing of the others", async () => {
      await using store = await open();
      const id = await put(store, command("first"));
      // An id that is taken already is what no store can keep.
      const twin = { ...order(command("twin")), id };
      const answers = await Promise.allSettled([
        put(store, command("before")),
        store.submit(twin),
        put(store, command("after")),
        store.note({ type: "x", taskId: null, at: startMs }),
      ]);
      assert.deepEqual(
        answers.map((answer) => answer.status),
        ["fulfilled", "rejected", "fulfilled", "fulfilled"],
      );
      assert.equal((await store.counts()).byStatus.pending, 3);
      assert.equal((await take(store, home, { max: 10 })).length, 3);
    });
  });
}
