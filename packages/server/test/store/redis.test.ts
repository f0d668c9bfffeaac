import { silentLog, systemClock } from "@openclaw-worker/base";
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { parseAddress } from "../../src/store/redis/address.ts";
import { openRedisStore, type RedisStoreOptions } from "../../src/store/redis/store.ts";
import type { Store } from "../../src/store/store.ts";
import { manualClock, startMs } from "../clock.ts";
import { command, done, leaseMs, put, settleWith, takeOne } from "../orders.ts";
import { durable, startRedis } from "../redis.ts";
import { storeContract } from "./contract.ts";

const redis = await startRedis();
after(() => redis[Symbol.asyncDispose]());

// Redis' own time stands still, so that the contract's times are exact.
storeContract("Redis", () =>
  openRedisStore({
    url: redis.url(),
    clock: manualClock(),
    log: silentLog,
    leaseMs,
    timeMs: () => startMs,
  }),
);

function open(options: Pick<RedisStoreOptions, "url" | "unchecked">): Promise<Store> {
  return openRedisStore({ ...options, clock: systemClock(), log: silentLog, leaseMs });
}

describe("the Redis store", () => {
  test("opened again, it has everything that was acknowledged", async () => {
    const url = redis.url();
    const first = await open({ url });
    const ended = await put(first, command("ended"));
    await settleWith(first, await takeOne(first));
    await put(first, command("begun"));
    const held = await takeOne(first);
    await first.start(held, startMs);
    const told = [await first.counts(), await first.events(100), await first.list({ max: 100 })];
    await first[Symbol.asyncDispose]();
    await assert.rejects(put(first, command()), { code: "stopping" });

    await using again = await open({ url });
    assert.deepEqual(
      [await again.counts(), await again.events(100), await again.list({ max: 100 })],
      told,
    );
    assert.equal((await again.result(ended))?.outcome, done.outcome);
  });

  test("a Redis that is killed loses nothing that was acknowledged, and is served again by itself", async () => {
    await using own = await startRedis();
    await using store = await open({ url: own.url() });
    const accepted: string[] = [];
    const submitting = Promise.allSettled(
      Array.from({ length: 400 }, async (_, index) => {
        if (index === 200) await own.kill();
        accepted.push(await put(store, command(`echo ${index}`)));
      }),
    );
    const outcomes = await submitting;
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") assert.equal(outcome.reason.code, "store-unavailable");
    }
    assert.ok(accepted.length < 400);
    await assert.rejects(store.counts(), { code: "store-unavailable", retryAfterSeconds: 2 });
    await own.restart();
    await served(store);
    const kept = new Set((await store.list({ max: 1_000 })).map(({ id }) => String(id)));
    assert.deepEqual(
      accepted.filter((id) => !kept.has(id)),
      [],
    );
  });

  test("a Redis that stands still is refused after a moment, and served again when it goes on", async () => {
    await using own = await startRedis();
    await using store = await open({ url: own.url() });
    const id = await put(store, command());
    own.process.kill("SIGSTOP");
    await assert.rejects(store.get(id), { code: "store-unavailable", message: /not known/ });
    // Nobody waits that long again.
    const from = performance.now();
    await assert.rejects(store.get(id), { code: "store-unavailable", message: /away/ });
    assert.ok(performance.now() - from < 1_000);
    own.process.kill("SIGCONT");
    await served(store);
    assert.equal((await store.get(id))?.status, "pending");
  });

  const unfit: readonly (readonly [string, readonly string[], RegExp])[] = [
    ["writes without a log", ["--maxmemory-policy noeviction"], /appendonly is "no"/],
    [
      "syncs its log once a second",
      ["--appendonly yes", "--appendfsync everysec"],
      /redis-cli CONFIG SET appendfsync always/,
    ],
    [
      "throws keys away",
      ["--appendonly yes", "--appendfsync always", "--maxmemory-policy allkeys-lru"],
      /maxmemory-policy is "allkeys-lru"/,
    ],
  ];
  for (const [what, settings, remedy] of unfit) {
    test(`a Redis that ${what} is refused, and told how to mend it`, async () => {
      await using own = await startRedis(settings);
      const refused = { name: "Error", message: remedy };
      await assert.rejects(open({ url: own.url() }), refused);
      // What is seen to be wrong stays wrong.
      await assert.rejects(open({ url: own.url(), unchecked: true }), refused);
    });
  }

  test("a Redis that forbids CONFIG is believed only when the operator says so", async () => {
    await using own = await startRedis([...durable, '--rename-command CONFIG ""']);
    await assert.rejects(open({ url: own.url() }), /WORKER_STORE_UNCHECKED=1/);
    await using store = await open({ url: own.url(), unchecked: true });
    await put(store, command());
  });

  test("one that changed meanwhile is not served after its return", async () => {
    await using own = await startRedis([...durable]);
    await using store = await open({ url: own.url() });
    await own.ask("CONFIG", "SET", "appendfsync", "everysec");
    await own.ask("CLIENT", "KILL", "TYPE", "normal");
    // The break is heard a moment later.
    while (await store.counts().then(Boolean, () => false)) await pause(5);
    await pause(300);
    await assert.rejects(store.counts(), { code: "store-unavailable" });
  });

  test("scripts that Redis has forgotten are sent again", async () => {
    await using own = await startRedis();
    await using store = await open({ url: own.url() });
    await own.ask("SCRIPT", "FLUSH");
    await put(store, command());
    assert.equal((await store.counts()).byStatus.pending, 1);
  });

  test("a layout of a newer version is refused, and so is a migration that was not finished", async () => {
    await using own = await startRedis();
    await own.ask("HSET", "{newer}:meta", "layout", "999");
    await assert.rejects(open({ url: own.url("newer") }), /made by another version \(layout 999/);
    await own.ask("HSET", "{moving}:meta", "layout", "1", "moving", "x");
    await assert.rejects(open({ url: own.url("moving") }), /store migrate/);
  });

  test("a Redis that is not there is refused with a sentence, without its password", async () => {
    const url = "redis://anna:secret-word@127.0.0.1:1/0";
    await assert.rejects(open({ url }), (error: Error) => {
      assert.match(error.message, /Cannot use the store at redis:\/\/127\.0\.0\.1:1\/0/);
      assert.doesNotMatch(error.message, /secret-word/);
      return true;
    });
  });

  test("every key has the one hash tag, so that a cluster keeps them in one slot", async () => {
    await using own = await startRedis();
    await using store = await open({ url: own.url("home") });
    await put(store, command());
    await store.act({
      by: { name: "x", from: "y" },
      action: "a",
      target: "t",
      at: startMs,
    });
    await store.actions(null, 1);
    const keys = (await own.ask("KEYS", "*")).split("\r\n").filter((line) => !/^[$*]/.test(line));
    assert.ok(keys.length > 10);
    assert.deepEqual(
      keys.filter((key) => key !== "" && !key.startsWith("{home}:")),
      [],
    );
  });
});

describe("the address of a Redis", () => {
  const parsed: readonly (readonly [string, object])[] = [
    ["redis://cache", { way: "one", hosts: [{ host: "cache", port: 6379 }], db: 0, tls: false }],
    [
      "rediss://u:p%40@h:1/3?name=n",
      { username: "u", password: "p@", db: 3, tls: true, name: "n" },
    ],
    ["redis+unix:///run/r.sock?db=2", { path: "/run/r.sock", db: 2 }],
    ["redis://[::1]:7", { hosts: [{ host: "::1", port: 7 }] }],
    [
      "redis-sentinel://:pw@a:1,b/main?sentinelPassword=s",
      {
        way: "sentinel",
        master: "main",
        hosts: [
          { host: "a", port: 1 },
          { host: "b", port: 26_379 },
        ],
        username: null,
        password: "pw",
        sentinelPassword: "s",
      },
    ],
    [
      "redis-cluster://a,b:2",
      {
        way: "cluster",
        hosts: [
          { host: "a", port: 6379 },
          { host: "b", port: 2 },
        ],
      },
    ],
  ];
  for (const [text, expected] of parsed) {
    test(`${text} is understood`, () => {
      assert.partialDeepStrictEqual(parseAddress(text), expected);
    });
  }
  for (const text of [
    "http://x",
    "redis://",
    "redis://h/x",
    "redis://h?nmae=x",
    "redis://h?name={x}",
    "redis-sentinel://a:1",
    "redis-cluster://a/3",
    "redis://h:p:q",
  ]) {
    test(`${text} is refused with the forms that there are`, () => {
      assert.throws(() => parseAddress(text), /Forms: redis:\/\//);
    });
  }
});

async function served(store: Store): Promise<void> {
  while (!(await store.counts().then(Boolean, () => false))) await pause(10);
}
