import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { migrations } from "../../src/store/sqlite/migrations.ts";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import type { Store } from "../../src/store/store.ts";
import { startMs } from "../clock.ts";
import { temporaryFolder } from "../folder.ts";
import { command, done, home, ids, prompt, put, settleWith, take, takeOne } from "../orders.ts";
import { storeContract } from "./contract.ts";

storeContract("SQLite in memory", async () => openSqliteStore(":memory:"));
storeContract("a SQLite file", async () => {
  const folder = temporaryFolder();
  return withEnd(openSqliteStore(`${folder.path}/tasks.db`), () => folder[Symbol.dispose]());
});

describe("the SQLite file", () => {
  test("opened again, it has everything that was acknowledged", async () => {
    using folder = temporaryFolder();
    const file = `${folder.path}/tasks.db`;
    const first = openSqliteStore(file);
    const ended = await put(first, command("ended"));
    await settleWith(first, await takeOne(first));
    const begun = await put(first, command("begun"));
    const held = await takeOne(first);
    await first.start(held, startMs);
    const running = await put(first, prompt("s"));
    const blocked = await put(first, prompt("s"));
    await first.cancel(held.taskId, startMs);
    const told = [await first.counts(), await first.events(100), await first.list({ max: 100 })];
    await first[Symbol.asyncDispose]();

    await using again = openSqliteStore(file);
    assert.deepEqual(
      [await again.counts(), await again.events(100), await again.list({ max: 100 })],
      told,
    );
    assert.equal((await again.result(ended))?.outcome, done.outcome);
    assert.deepEqual(await again.cancelsFor("home"), [held]);
    assert.deepEqual(ids(await take(again, home, { max: 10 })), [running]);
    assert.equal((await settleWith(again, { taskId: begun, fence: 1 })).kind, "settled");
    await settleWith(again, { taskId: running, fence: 1 });
    assert.deepEqual(ids(await take(again, home, { max: 10 })), [blocked]);
  });

  test("a file of the first schema is brought up, and its tasks go on", async () => {
    using folder = temporaryFolder();
    const file = `${folder.path}/tasks.db`;
    const db = new DatabaseSync(file);
    db.exec(migrations[0] ?? "");
    db.exec(`PRAGMA user_version=1;
      INSERT INTO tasks (id, kind, status, state, selector, priority, timeout_ms, created_at, deliver_by, summary)
        VALUES ('019a0000-0000-7000-8000-000000000001', 'command', 'pending', 'pending', '0*', 0, 1000, 1, 9e15, 'ls');
      INSERT INTO specs VALUES (1, '{"kind":"command","command":"ls"}', NULL);
      INSERT INTO workers VALUES ('home', 'i', '', '1', 'linux', 1, 'd', 1);`);
    db.close();
    await using store = openSqliteStore(file);
    assert.equal((await store.workers())[0]?.publicKey, null);
    const [task] = await take(store);
    assert.deepEqual([task?.spec, task?.reason], [{ kind: "command", command: "ls" }, undefined]);
  });

  test("a file of a newer version is refused with a sentence, and left as it is", () => {
    using folder = temporaryFolder();
    const file = `${folder.path}/tasks.db`;
    const db = new DatabaseSync(file);
    db.exec("PRAGMA user_version=999");
    db.close();
    assert.throws(() => openSqliteStore(file), /was made by a newer version \(schema 999/);
    const after = new DatabaseSync(file);
    assert.equal(after.prepare("PRAGMA user_version").get()?.["user_version"], 999);
    after.close();
  });

  test("a file that another server has open is refused with a sentence", async () => {
    using folder = temporaryFolder();
    const file = `${folder.path}/tasks.db`;
    {
      await using first = openSqliteStore(file);
      assert.throws(() => openSqliteStore(file), /is in use by another server/);
      await put(first, command());
      assert.throws(() => openSqliteStore(file), /is in use by another server/);
    }
    await using second = openSqliteStore(file);
    assert.equal((await second.counts()).byStatus.pending, 1);
  });

  test("a file that is no database is refused with a sentence", async () => {
    using folder = temporaryFolder();
    const { writeFileSync } = await import("node:fs");
    writeFileSync(
      `${folder.path}/tasks.db`,
      "this is a text, and it is long enough for a header\n".repeat(100),
    );
    assert.throws(() => openSqliteStore(`${folder.path}/tasks.db`), /Cannot open .*not a database/);
  });

  test("a verb after the end is refused, and the process lives", async () => {
    const store = openSqliteStore(":memory:");
    await put(store, command());
    const underWay = put(store, command());
    await store[Symbol.asyncDispose]();
    await underWay;
    await assert.rejects(put(store, command()), { code: "stopping" });
    await store[Symbol.asyncDispose]();
  });

  test("the index of ready selectors is empty when nothing waits", async () => {
    using folder = temporaryFolder();
    const file = `${folder.path}/tasks.db`;
    {
      await using store = openSqliteStore(file);
      for (const label of ["a", "b", "c"]) await put(store, command("x", { labels: [label] }));
      const all = { name: "home", labels: ["a", "b", "c"], leased: true };
      const tasks = await take(store, all, { max: 10 });
      await store.giveBack(
        "home",
        [{ taskId: tasks[0]?.id ?? (await put(store, command())), fence: 1 }],
        startMs,
      );
    }
    const db = new DatabaseSync(file);
    const ready = db
      .prepare("SELECT selector, tasks FROM ready")
      .all()
      .map((row) => ({ ...row }));
    assert.deepEqual(ready, [{ selector: "0l:a", tasks: 1 }]);
    db.close();
  });
});

function withEnd(store: Store, end: () => void): Store {
  return {
    ...store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      end();
    },
  };
}
