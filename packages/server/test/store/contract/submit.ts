import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startMs } from "../../clock.ts";
import { command, done, order, prompt, put, settleWith, takeOne } from "../../orders.ts";
import type { Open } from "../contract.ts";

export function submitContract(open: Open): void {
  describe("submit", () => {
    test("a submitted task is pending, and everything that was said of it is kept", async () => {
      await using store = await open();
      const asked = command("echo  'a\nb'", {
        priority: 7,
        labels: ["gpu"],
        metadata: { a: [1, null] },
      });
      const id = await put(store, asked);
      const record = await store.get(id);
      assert.equal(record?.status, "pending");
      assert.equal(record.phase, null);
      assert.equal(record.outcome, null);
      assert.equal(record.exitCode, null);
      assert.equal(record.kind, "command");
      assert.equal(record.priority, 7);
      assert.equal(record.selector, "0l:gpu");
      assert.equal(record.session, null);
      assert.equal(record.worker, null);
      assert.equal(record.fence, 0);
      assert.equal(record.createdAt, startMs);
      assert.equal(record.timeoutMs, 30_000);
      assert.equal(record.cancelAsked, false);
      assert.equal(record.summary, "echo 'a b'");
      assert.equal(await store.result(id), null);
    });

    test("the same key with the same body is the same task, also when it has ended", async () => {
      await using store = await open();
      const asked = command("echo hi", { idempotencyKey: "k" });
      const first = await store.submit(order(asked, { digest: "d" }));
      assert.equal(first.kind, "created");
      const again = await store.submit(order(asked, { digest: "d" }));
      assert.deepEqual(again, { kind: "same", id: first.id, sessionId: null });
      await settleWith(store, await takeOne(store));
      assert.deepEqual(await store.submit(order(asked, { digest: "d" })), again);
      assert.equal((await store.counts()).byStatus.completed, 1);
    });

    test("the same key with another body is a conflict, and nothing is queued", async () => {
      await using store = await open();
      await store.submit(order(command("a", { idempotencyKey: "k" }), { digest: "1" }));
      const other = await store.submit(
        order(command("b", { idempotencyKey: "k" }), { digest: "2" }),
      );
      assert.deepEqual(other, { kind: "conflict" });
      assert.equal((await store.counts()).byStatus.pending, 1);
    });

    test("the same key twice in one turn makes one task, in its own session", async () => {
      await using store = await open();
      const asked = prompt("s1", { idempotencyKey: "k" });
      const [first, second] = await Promise.all([
        store.submit(order(asked, { digest: "d" })),
        store.submit(order(asked, { digest: "d" })),
      ]);
      assert.equal(first.kind, "created");
      assert.deepEqual(second, { kind: "same", id: first.id, sessionId: "s1" });
    });

    test("tasks without a key are never the same", async () => {
      await using store = await open();
      const first = await put(store, command("same"));
      assert.notEqual(await put(store, command("same")), first);
    });

    test("a full queue says how full it is, and takes tasks again when one has ended", async () => {
      await using store = await open();
      await put(store, command(), { queuedMax: 2 });
      await put(store, command(), { queuedMax: 2 });
      const refused = await store.submit(order(command(), { queuedMax: 2 }));
      assert.deepEqual(refused, { kind: "full", queued: 2 });
      const held = await takeOne(store);
      assert.equal((await store.submit(order(command(), { queuedMax: 2 }))).kind, "full");
      await settleWith(store, held, done);
      assert.equal((await store.submit(order(command(), { queuedMax: 2 }))).kind, "created");
    });

    test("a known key is answered also when the queue is full", async () => {
      await using store = await open();
      const asked = command("a", { idempotencyKey: "k" });
      const id = await put(store, asked, { queuedMax: 1, digest: "d" });
      const again = await store.submit(order(asked, { queuedMax: 1, digest: "d" }));
      assert.deepEqual(again, { kind: "same", id, sessionId: null });
    });

    test("text with NUL bytes, lone surrogates and every plane comes back as it was", async () => {
      await using store = await open();
      const text = "a\u0000b\ud800c\udfff\u{1f600}\u2028'\";--";
      await put(store, command(text, { metadata: { [text]: text } }));
      const [task] = await store.claim({
        claimant: { name: "home", labels: [], leased: true },
        instance: "home",
        max: 1,
        leaseUntil: 1,
        at: startMs,
      });
      assert.deepEqual(task?.spec, { kind: "command", command: text });
      assert.deepEqual(task.metadata, { [text]: text });
    });

    test("keys that differ after a NUL byte are different keys", async () => {
      await using store = await open();
      const first = await put(store, command("a", { idempotencyKey: "k\u0000one" }), {
        digest: "1",
      });
      const second = await put(store, command("a", { idempotencyKey: "k\u0000two" }), {
        digest: "1",
      });
      assert.notEqual(first, second);
    });
  });
}
