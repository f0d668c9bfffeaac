import { reportOf } from "@openclaw-worker/protocol";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startMs } from "../../clock.ts";
import {
  command,
  dayMs,
  done,
  home,
  ids,
  leaseMs,
  prompt,
  put,
  settleWith,
  take,
  takeOne,
} from "../../orders.ts";
import type { Open } from "../contract.ts";

export function sessionContract(open: Open): void {
  describe("session", () => {
    test("tasks of one session run one after another, others beside them", async () => {
      await using store = await open();
      const a1 = await put(store, prompt("a"));
      const a2 = await put(store, prompt("a"));
      const b1 = await put(store, prompt("b"));
      assert.deepEqual(ids(await take(store, home, { max: 10 })), [a1, b1]);
      const settled = await settleWith(store, { taskId: a1, fence: 1 });
      assert.deepEqual(settled.kind === "settled" ? settled.readied : null, ["0*"]);
      assert.deepEqual(ids(await take(store, home, { max: 10 })), [a2]);
    });

    test("a later task with a higher priority waits for its session all the same", async () => {
      await using store = await open();
      const first = await put(store, prompt("a"));
      const second = await put(store, prompt("a", { priority: 100 }));
      assert.deepEqual(ids(await take(store, home, { max: 10 })), [first]);
      await settleWith(store, { taskId: first, fence: 1 });
      assert.deepEqual(ids(await take(store, home, { max: 10 })), [second]);
    });

    test("cancelling the first of a session, held or not, lets the next go", async () => {
      await using store = await open();
      const first = await put(store, prompt("a"));
      const second = await put(store, prompt("a"));
      const third = await put(store, prompt("a"));
      assert.equal((await store.cancel(first, startMs)).kind, "ended");
      assert.deepEqual(ids(await take(store, home, { max: 10 })), [second]);
      const cancelled = await store.cancel(second, startMs);
      assert.deepEqual(cancelled.kind === "ended" ? cancelled.readied : null, ["0*"]);
      assert.deepEqual(ids(await take(store, home, { max: 10 })), [third]);
    });

    test("cancelling one in the middle frees nobody", async () => {
      await using store = await open();
      const first = await put(store, prompt("a"));
      const second = await put(store, prompt("a"));
      const third = await put(store, prompt("a"));
      await take(store);
      const cancelled = await store.cancel(second, startMs);
      assert.deepEqual(cancelled.kind === "ended" ? cancelled.readied : null, []);
      assert.deepEqual(await take(store), []);
      await settleWith(store, { taskId: first, fence: 1 });
      assert.deepEqual(ids(await take(store)), [third]);
    });

    test("an expired first lets the next go, and an expired middle is left out", async () => {
      await using store = await open();
      await put(store, prompt("a", { ttlMs: 1_000 }));
      await put(store, prompt("a", { ttlMs: 1_000 }));
      const third = await put(store, prompt("a"));
      const swept = await store.sweep(0, startMs + 1_000);
      assert.equal(swept.ended.length, 2);
      assert.ok(swept.readied.includes("0*"));
      assert.deepEqual(ids(await take(store, home, { max: 10 })), [third]);
    });

    test("a lost one lets the next go, and its late result frees nobody twice", async () => {
      await using store = await open();
      const first = await put(store, prompt("a"));
      const second = await put(store, prompt("a"));
      await put(store, prompt("a"));
      const held = await takeOne(store);
      await store.start(held, startMs);
      const swept = await store.sweep(leaseMs, startMs);
      assert.deepEqual(swept.readied, ["0*"]);
      assert.deepEqual(ids(await take(store, home, { max: 10 })), [second]);
      const late = await settleWith(store, { taskId: first, fence: 1 });
      assert.deepEqual(late.kind === "settled" ? late.readied : null, []);
      assert.deepEqual(await take(store, home, { max: 10 }), []);
    });

    test("one that is given back stays before the next", async () => {
      await using store = await open();
      const first = await put(store, prompt("a"));
      await put(store, prompt("a", { priority: 9 }));
      const held = await takeOne(store);
      assert.deepEqual(await store.giveBack("home", [held], startMs), ["0*"]);
      assert.deepEqual(ids(await take(store, home, { max: 10 })), [first]);
    });

    test("one whose lease was over before it began stays before the next", async () => {
      await using store = await open();
      const first = await put(store, prompt("a"));
      await put(store, prompt("a"));
      await take(store);
      assert.deepEqual(await store.sweep(leaseMs, startMs), { ended: [], readied: ["0*"] });
      assert.deepEqual(ids(await take(store, home, { max: 10 })), [first]);
    });

    test("the next task of a session keeps its own selector", async () => {
      await using store = await open();
      await put(store, prompt("a"));
      await put(store, prompt("a", { labels: ["gpu"] }));
      const settled = await settleWith(store, await takeOne(store), reportOf("refused", "no"));
      assert.deepEqual(settled.kind === "settled" ? settled.readied : null, ["0l:gpu"]);
    });

    test("sessions are listed with the latest first, by kind, with their counts", async () => {
      await using store = await open();
      await put(store, prompt("a"), { at: startMs });
      await put(store, prompt("a"), { at: startMs + 1 });
      await put(store, prompt("b"), { at: startMs + 2 });
      await put(store, command());
      const listed = await store.sessions({ kind: "claude-cli", max: 10 });
      assert.deepEqual(listed, [
        {
          sessionId: "b",
          kind: "claude-cli",
          taskCount: 1,
          unfinished: 1,
          lastActivity: startMs + 2,
        },
        {
          sessionId: "a",
          kind: "claude-cli",
          taskCount: 2,
          unfinished: 2,
          lastActivity: startMs + 1,
        },
      ]);
      await settleWith(store, await takeOne(store), done);
      assert.equal(
        (await store.sessions({ max: 10 })).find((one) => one.sessionId === "a")?.unfinished,
        1,
      );
      assert.deepEqual(await store.sessions({ kind: "codex-cli", max: 10 }), []);
    });

    test("a session that all its tasks left is forgotten with the last of them", async () => {
      await using store = await open();
      await put(store, prompt("a"));
      await settleWith(store, await takeOne(store));
      await store.prune(startMs + dayMs, 100);
      assert.deepEqual(await store.sessions({ max: 10 }), []);
    });
  });
}
