import { silentLog, systemClock } from "@openclaw-worker/base";
import { newTaskId } from "@openclaw-worker/protocol";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, describe, test } from "node:test";
import { verifyChain } from "../../src/audit/chain.ts";
import { moveStore } from "../../src/store/move/move.ts";
import type { MoveRecord } from "../../src/store/move/record.ts";
import { openRedisStore } from "../../src/store/redis/store.ts";
import { openRedisVault } from "../../src/store/redis/vault.ts";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import { openSqliteVault } from "../../src/store/sqlite/vault.ts";
import type { Store } from "../../src/store/store.ts";
import {
  askOf,
  ended,
  envelopeOf,
  introductionOf,
  operator,
  signedResume,
  stoppedBy,
} from "../asks.ts";
import { startMs } from "../clock.ts";
import { temporaryFolder } from "../folder.ts";
import {
  command,
  home,
  ids,
  leaseMs,
  old,
  order,
  prompt,
  put,
  settleWith,
  take,
  takeOne,
} from "../orders.ts";
import { startRedis } from "../redis.ts";

const redis = await startRedis();
after(() => redis[Symbol.asyncDispose]());
const clock = systemClock();

const vaultOf = (place: string) =>
  place.startsWith("redis") ? openRedisVault({ url: place, clock }) : openSqliteVault(place);
const storeOf = (place: string): Promise<Store> =>
  place.startsWith("redis")
    ? openRedisStore({ url: place, clock, log: silentLog, leaseMs })
    : Promise.resolve(openSqliteStore(place));

async function move(from: string, to: string) {
  await using source = await vaultOf(from);
  await using target = await vaultOf(to);
  return await moveStore(source, target, () => {});
}

/** Something of everything that a store can hold. */
async function fill(store: Store): Promise<void> {
  const at = startMs;
  const act = (action: string) => ({ by: operator, action, target: "x", at });
  await store.saveWorker({ ...introductionOf("home"), publicKey: "ssh-ed25519 A", lastSeenAt: at });
  const text = "a\u0000b\u{1f600}\u2028'\";--";
  await put(
    store,
    command(text, { idempotencyKey: `k${text}`, reason: "", metadata: { [text]: 1 } }),
    { digest: "d" },
  );
  await settleWith(store, await takeOne(store));
  const lost = await put(store, command("lost"));
  await store.start(await takeOne(store), at);
  await store.sweep(Number.MAX_SAFE_INTEGER, at);
  await store.markRead(lost, at);
  await put(store, command("begun"));
  const begun = await takeOne(store);
  await store.start(begun, at);
  await store.cancel(begun.taskId, at, act("task.cancel"));
  await put(store, command("old"));
  await takeOne(store, old);
  await put(store, command("asks", { reason: "release" }));
  const held = await takeOne(store);
  const [first, second] = [askOf(held), askOf(held)];
  for (const ask of [first, second]) await store.ask({ ask, at, perTaskMax: 9, waitingMax: 9 });
  await store.ask({ ask: ended(first, "denied"), at, perTaskMax: 9, waitingMax: 9 });
  const { id, expiresAt } = second.request;
  await store.decide({
    id,
    envelope: envelopeOf(second),
    expiresAt,
    at,
    max: 8,
    action: act("approval.once"),
  });
  for (const priority of [-100, 0, 100])
    await put(store, command(`p${priority}`, { priority, labels: ["gpu"] }));
  for (const session of ["a", "a", "b"]) await put(store, prompt(session));
  await store.submit({ ...order(command("acted")), action: act("task.submit") });
  const stop = newTaskId(at, randomBytes(10));
  await store.orderStop({ worker: "desk", order: { id: stop, by: "api", reason: "r", at } });
  const stopped = stoppedBy(newTaskId(at, randomBytes(10)));
  await store.saveStopped({ worker: "home", stopped, seen: null, at });
  const { resume, signature } = signedResume(stopped.id);
  const envelope = { type: "resume" as const, resume, signature };
  await store.sendResume({ worker: "home", stopId: stopped.id, envelope, expiresAt, at, max: 8 });
  const nodes = Array.from({ length: 3 }, (_, index) => Buffer.alloc(32, index + 1));
  const alarm = { text: "cut", evidence: "{}" };
  await store.saveWitness({
    ...{ worker: "home", version: 0, known: "{}", from: 0, entries: ["e0", "e1"] },
    ...{ nodesFrom: 0, nodes, alarm, at },
  });
  await store.note({ type: "callback.sent", taskId: null, at, details: { text } });
  await store.actions(null, 1);
}

/** What readers of a store can see. */
async function seen(store: Store) {
  const records = await store.list({ max: 1_000 });
  return {
    records,
    results: await Promise.all(records.map(({ id }) => store.result(id))),
    counts: await store.counts(),
    sessions: (await store.sessions({ max: 99 })).toSorted((one, other) =>
      one.sessionId < other.sessionId ? -1 : 1,
    ),
    events: await store.events(500),
    eventCounts: await store.eventCounts(),
    workers: await store.workers(),
    approvals: await store.approvals({ max: 99 }),
    letters: await store.letters(),
    halts: await store.halts(),
    witness: await store.witness("home"),
    alarms: [...(await store.alarms())],
    entries: await store.auditEntries("home", 0, 9),
    nodes: [...(await store.auditNodes("home", [0, 1, 2, 3]))],
    actions: await store.actions(0, 99),
    cancels: await store.cancelsFor("home"),
  };
}

describe("a store is moved", () => {
  for (const way of ["SQLite to Redis and back", "Redis to SQLite and back"]) {
    test(`from ${way}, and everything is as it was`, async () => {
      using folder = temporaryFolder();
      const file = (name: string): string => `${folder.path}/${name}.db`;
      const [one, two, three] = way.startsWith("SQLite")
        ? [file("one"), redis.url(), file("three")]
        : [redis.url(), file("two"), redis.url()];
      const first = await storeOf(one);
      await fill(first);
      const before = await seen(first);
      await first[Symbol.asyncDispose]();
      const moved = await move(one, two);
      assert.equal(moved.kind, "moved");
      assert.ok(moved.records > 40);
      const back = await move(two, three);
      assert.deepEqual(back, moved);

      for (const place of [two, three]) {
        await using store = await storeOf(place);
        assert.deepEqual(await seen(store), before);
        assert.equal(verifyChain(before.actions, null), null);
      }
    });

    test(`from ${way}, and the queue goes on where it was`, async () => {
      using folder = temporaryFolder();
      const [one, two] = way.startsWith("SQLite")
        ? [`${folder.path}/one.db`, redis.url()]
        : [redis.url(), `${folder.path}/two.db`];
      const first = await storeOf(one);
      await fill(first);
      await first[Symbol.asyncDispose]();
      await move(one, two);
      await using store = await storeOf(two);
      // A held task has a whole lease: SQLite's from its server, Redis' from the copy.
      if (store.shared === null) await store.forgive(Math.ceil(performance.now()) + leaseMs);
      assert.deepEqual(await store.sweep(performance.now(), startMs), { ended: [], readied: [] });
      const gpu = { ...home, labels: ["gpu"] };
      const specs = (await take(store, gpu, { max: 3 })).map(({ spec }) => spec);
      assert.deepEqual(
        specs.map((spec) => "command" in spec && spec.command),
        ["p100", "p0", false],
      );
      const more = await put(store, command("next"));
      const [newest] = await store.list({ max: 1 });
      assert.equal(newest?.id, more);
      const again = await store.submit(
        order(command("x", { idempotencyKey: "ka\u0000b\u{1f600}\u2028'\";--" }), { digest: "d" }),
      );
      assert.equal(again.kind, "same");
      await store.act({ by: operator, action: "after", target: "x", at: startMs });
      assert.equal(verifyChain(await store.actions(0, 99), null), null);
      const rest = await take(store, gpu, { max: 50 });
      for (const task of rest) await settleWith(store, { taskId: task.id, fence: task.fence });
      assert.equal(new Set(ids(rest)).size, rest.length);
    });
  }

  test("run again, it finds the same and changes nothing; another store is left alone", async () => {
    using folder = temporaryFolder();
    const [from, to, other] = [`${folder.path}/a.db`, redis.url(), redis.url()];
    const first = await storeOf(from);
    await fill(first);
    await first[Symbol.asyncDispose]();
    const moved = await move(from, to);
    assert.deepEqual(await move(from, to), { ...moved, kind: "same" });
    const filled = await storeOf(other);
    await put(filled, command("mine"));
    await filled[Symbol.asyncDispose]();
    await assert.rejects(move(from, other), /not empty/);
    await using still = await storeOf(other);
    assert.equal((await still.counts()).byStatus.pending, 1);
  });

  test("a run that broke off is done anew, and meanwhile no server opens the half", async () => {
    using folder = temporaryFolder();
    const file = `${folder.path}/a.db`;
    const full = await storeOf(file);
    await fill(full);
    await full[Symbol.asyncDispose]();
    const url = redis.url();
    for (const [from, to] of [
      [file, url],
      [url, `${folder.path}/b.db`],
    ] as const) {
      {
        await using source = await vaultOf(from);
        await using target = await vaultOf(to);
        await target.begin();
        const some: MoveRecord[] = [];
        for await (const record of source.records()) if (some.length < 5) some.push(record);
        await target.put(some);
      }
      // Opening may fail at once or by its promise.
      await assert.rejects(async () => storeOf(to), /begun and not finished/);
      assert.equal((await move(from, to)).kind, "moved");
      const store = await storeOf(to);
      assert.ok((await store.list({ max: 99 })).length > 5);
      await store[Symbol.asyncDispose]();
    }
  });

  test("while a server is there, nothing is copied", async () => {
    using folder = temporaryFolder();
    const [file, url] = [`${folder.path}/a.db`, redis.url()];
    {
      await using store = await storeOf(url);
      await store.sweep(performance.now(), Date.now());
      await assert.rejects(move(url, file), /1 server\(s\) work on this store/);
    }
    await using _open = await storeOf(file);
    await assert.rejects(move(file, url), /in use by another server/);
  });
});
