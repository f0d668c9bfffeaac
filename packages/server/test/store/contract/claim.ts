import type { Claimant } from "@openclaw-worker/protocol";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startMs } from "../../clock.ts";
import { command, exec, home, ids, old, put, take, takeOne } from "../../orders.ts";
import type { Open } from "../contract.ts";

export function claimContract(open: Open): void {
  describe("claim", () => {
    test("the highest priority goes first, then the oldest", async () => {
      await using store = await open();
      const low = await put(store, command("low", { priority: -100 }));
      const first = await put(store, command("first"));
      const second = await put(store, command("second"));
      const high = await put(store, command("high", { priority: 100 }));
      assert.deepEqual(ids(await take(store, home, { max: 10 })), [high, first, second, low]);
    });

    test("order holds over several selectors", async () => {
      await using store = await open();
      const worker: Claimant = { name: "home", labels: ["gpu"], leased: true };
      const a = await put(store, command("a", { labels: ["gpu"] }));
      const b = await put(store, command("b"));
      const c = await put(store, command("c", { worker: "home", priority: 1 }));
      const d = await put(store, exec());
      assert.deepEqual(ids(await take(store, worker, { max: 10 })), [c, a, b, d]);
    });

    test("no more than asked for are handed out, each with its first fence", async () => {
      await using store = await open();
      for (let index = 0; index < 5; index += 1) await put(store, command());
      const tasks = await take(store, home, { max: 3 });
      assert.equal(tasks.length, 3);
      assert.deepEqual(
        tasks.map((task) => task.fence),
        [1, 1, 1],
      );
      assert.deepEqual(await take(store, home, { max: 0 }), []);
    });

    test("large tasks come one after another, in order, and each comes", async () => {
      await using store = await open();
      const large = "é".repeat(500);
      const first = await put(store, command(large));
      const second = await put(store, command("b", { metadata: { large } }));
      const small = await put(store, command("c"));
      const two = { max: 10, bytesMax: 1_200 };
      assert.deepEqual(ids(await take(store, home, two)), [first]);
      assert.deepEqual(ids(await take(store, home, two)), [second, small]);
      const larger = await put(store, command(large));
      assert.deepEqual(ids(await take(store, home, { max: 10, bytesMax: 1 })), [larger]);
      assert.deepEqual(await take(store, home, { max: 10, bytesMax: 1 }), []);
    });

    test("a claimed task is running and held by name", async () => {
      await using store = await open();
      const id = await put(store, command());
      await take(store);
      const record = await store.get(id);
      assert.equal(record?.status, "running");
      assert.equal(record.phase, "claimed");
      assert.equal(record.worker, "home");
      assert.equal(record.startedAt, null);
    });

    test("an old worker's task has begun when it is handed out, and the event says so", async () => {
      await using store = await open();
      const id = await put(store, command());
      await takeOne(store, old);
      const record = await store.get(id);
      assert.equal(record?.phase, "started");
      assert.equal(record.startedAt, startMs);
      assert.deepEqual(
        (await store.events(10)).map((event) => event.type),
        ["task.created", "task.started"],
      );
    });

    for (const [name, fields, claimant, may] of selectors) {
      test(name, async () => {
        await using store = await open();
        await put(store, command("x", fields));
        assert.equal((await take(store, claimant)).length, may ? 1 : 0);
      });
    }

    test("an old worker gets only what old workers can run", async () => {
      await using store = await open();
      await put(store, exec());
      const plain = await put(store, command());
      assert.deepEqual(ids(await take(store, old, { max: 10 })), [plain]);
      assert.equal((await take(store, home, { max: 10 })).length, 1);
    });

    test("a task whose time of delivery is over is not handed out any more", async () => {
      await using store = await open();
      await put(store, command("late", { ttlMs: 1_000, priority: 5 }));
      const fresh = await put(store, command("fresh"));
      assert.deepEqual(ids(await take(store, home, { max: 10, at: startMs + 1_000 })), [fresh]);
    });

    test("a worker's name that begins like another's takes nothing of it", async () => {
      await using store = await open();
      await put(store, command("x", { worker: "home" }));
      await put(store, command("x", { worker: "home", labels: ["gpu"] }));
      const other: Claimant = { name: "home-2", labels: ["gpu"], leased: true };
      const shorter: Claimant = { name: "hom", labels: ["gpu"], leased: true };
      assert.deepEqual(await take(store, other, { max: 10 }), []);
      assert.deepEqual(await take(store, shorter, { max: 10 }), []);
    });

    test("claims in one turn never share a task", async () => {
      await using store = await open();
      for (let index = 0; index < 20; index += 1) await put(store, command());
      const claims = await Promise.all(
        Array.from({ length: 15 }, () => take(store, home, { max: 2 })),
      );
      const handed = claims.flatMap(ids);
      assert.equal(handed.length, 20);
      assert.equal(new Set(handed).size, 20);
    });
  });
}

type Case = readonly [
  name: string,
  fields: { readonly worker?: string; readonly labels?: string[] },
  claimant: Claimant,
  may: boolean,
];

const worker = (name: string, ...labels: readonly string[]): Claimant => ({
  name,
  labels,
  leased: true,
});

const selectors: readonly Case[] = [
  ["a task for anybody goes to anybody", {}, worker("a", "x"), true],
  ["a task for anybody does not go to a cloud worker", {}, worker("a", "cloud"), false],
  [
    "a task for label cloud goes to a cloud worker",
    { labels: ["cloud"] },
    worker("a", "cloud"),
    true,
  ],
  [
    "a cloud worker takes a task for another label that it has",
    { labels: ["x"] },
    worker("a", "cloud", "x"),
    true,
  ],
  ["a cloud worker takes a task by its name", { worker: "a" }, worker("a", "cloud"), true],
  ["a task with labels needs all of them", { labels: ["x", "y"] }, worker("a", "x"), false],
  [
    "a task with labels goes to a worker that has more",
    { labels: ["y", "x"] },
    worker("a", "x", "y", "z"),
    true,
  ],
  ["a task by name goes to that worker", { worker: "a" }, worker("a"), true],
  ["a task by name does not go to another", { worker: "a" }, worker("b"), false],
  ["a task by name and label needs both", { worker: "a", labels: ["x"] }, worker("a"), false],
  [
    "a task by name and label goes where both are",
    { worker: "a", labels: ["x"] },
    worker("a", "x"),
    true,
  ],
  ["names differ by case", { worker: "Home" }, worker("home"), false],
  ["an old worker takes a task for anybody", {}, old, true],
  ["an old worker takes no task for a label", { labels: ["x"] }, old, false],
  ["an old worker takes a task by its name", { worker: "anonymous" }, old, true],
];
