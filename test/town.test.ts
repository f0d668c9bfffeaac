// What users of several API processes on one Redis are promised.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { acceptedSchema, resultSchema } from "@openclaw-worker/protocol";
import { until } from "./scene.ts";
import { openTown, type Town } from "./town.ts";
import type { Answered, Wire } from "./wire.ts";

test("any process answers any request about any task", async () => {
  await using town = await openTown();
  await town.stage.startWorker({ noting: true, url: town.url });
  const [one, other] = sides(town);
  for (const [submits, reads] of [
    [one, other],
    [other, one],
  ] as const) {
    const taskId = await submitted(submits, "echo hi");
    const answer = await reads.ask({ path: `/tasks/${taskId}?wait=20000` });
    assert.equal(resultSchema.parse(answer.json()).outcome, "done");
    const told = [
      "/workers",
      "/tasks?limit=5",
      "/tasks/stats",
      "/events?limit=20",
      "/actions?from=0",
    ];
    for (const path of told) {
      const [mine, theirs] = [await one.ask({ path }), await other.ask({ path })];
      assert.equal(mine.status, 200, mine.text);
      assert.deepEqual(withoutTimes(mine.json()), withoutTimes(theirs.json()), path);
    }
  }
});

test("one of two processes is killed: whoever waits is served by the other, and nothing is lost", async () => {
  await using town = await openTown({ OPENCLAW_LEASE_MS: "1500" });
  await town.stage.startWorker({ noting: true, url: town.url, slots: 4 });
  const ids: string[] = [];
  for (let index = 0; index < 40; index += 1) {
    if (index === 20) await town.member(0).kill();
    const { taskId } = await town.client.submit({ kind: "command", command: `echo ${index}` });
    ids.push(taskId);
  }
  const results = await Promise.all(ids.map((taskId) => town.client.wait(taskId)));
  assert.deepEqual(new Set(results.map(({ outcome }) => outcome)), new Set(["done"]));
  const begun = town.stage.ledger().map(({ taskId }) => taskId);
  assert.deepEqual(begun.toSorted(), ids.toSorted());
  await town.start(0);
});

test("a Redis that goes away is told with 503 and Retry-After; workers stay, and it is back by itself", async () => {
  await using town = await openTown();
  const worker = await town.stage.startWorker({ noting: true, url: town.url });
  const [one, other] = sides(town);
  const before = await submitted(one, "echo before");
  await town.client.wait(before);
  await town.redis.kill();
  await until(async () =>
    (await other.ask({ path: "/health" })).status === 503 ? true : undefined,
  );
  const refused = await fetch(`${town.stage.url}/tasks`, {
    method: "POST",
    headers: { authorization: `Bearer ${town.stage.token}`, "content-type": "application/json" },
    body: JSON.stringify({ command: "echo refused" }),
  });
  assert.equal(refused.status, 503);
  assert.match(refused.headers.get("retry-after") ?? "", /^\d+$/);
  assert.match(await refused.text(), /"code":"store-unavailable"/);
  // An old worker's poll is answered as ever: such workers crash on anything else.
  assert.equal((await one.ask({ path: "/worker/poll?wait=50" })).text, "null");
  await pause(1_500);
  assert.equal(worker.isOver, false);
  await town.redis.restart();
  const result = await town.client.run({ kind: "command", command: "echo after" });
  assert.equal(result.outcome, "done");
  assert.equal((await town.client.wait(before)).outcome, "done");
});

test("an old worker's result that comes while Redis is away is kept", async () => {
  await using town = await openTown();
  const [one] = sides(town);
  const taskId = await submitted(one, "echo x");
  const polled = await one.ask({ path: "/worker/poll?wait=5000" });
  assert.ok(polled.text.includes(taskId));
  await town.redis.kill();
  await until(async () => ((await one.ask({ path: "/health" })).status === 503 ? true : undefined));
  const body = { taskId, stdout: "late", stderr: "", exitCode: 0, error: null };
  const posted = one.ask({ method: "POST", path: "/worker/result", body });
  await pause(300);
  await town.redis.restart();
  assert.equal((await posted).text, '{"success":true}');
  assert.equal((await town.client.wait(taskId)).stdout, "late");
});

test("a rolling restart under load fails no request, and runs every task once", async (t) => {
  await using town = await openTown();
  await town.stage.startWorker({ noting: true, url: town.url, slots: 8 });
  const failures: string[] = [];
  const ids: string[] = [];
  const ending = new AbortController();
  const ask = async (wire: Wire, asked: Parameters<Wire["ask"]>[0]): Promise<Answered | null> => {
    try {
      const answer = await wire.ask(asked);
      if (answer.status !== 200) failures.push(`${asked.path}: ${answer.status} ${answer.text}`);
      return answer;
    } catch (error) {
      failures.push(`${asked.path}: ${String(error)}`);
      return null;
    }
  };
  const load = Array.from({ length: 6 }, async () => {
    while (!ending.signal.aborted) {
      const body = { command: "echo x" };
      const sent = await ask(town.wire, { method: "POST", path: "/tasks", body });
      if (sent === null || sent.status !== 200) continue;
      const { taskId } = acceptedSchema.parse(sent.json());
      ids.push(taskId);
      await ask(town.wire, { path: `/tasks/${taskId}?wait=20000` });
    }
  });
  for (const index of [0, 1, 0]) {
    await pause(400);
    const { code } = await town.member(index).stop();
    assert.equal(code, 0);
    await town.start(index);
  }
  ending.abort();
  await Promise.all(load);
  assert.deepEqual(failures, []);
  await Promise.all(ids.map((taskId) => town.client.wait(taskId)));
  const begun = town.stage.ledger().map(({ taskId }) => taskId);
  assert.deepEqual(begun.toSorted(), ids.toSorted());
  t.diagnostic(`${ids.length} tasks over three restarts`);
});

function sides({ wires }: Town): readonly [Wire, Wire] {
  const [one, other] = wires;
  assert.ok(one !== undefined && other !== undefined);
  return [one, other];
}

async function submitted(wire: Wire, command: string): Promise<string> {
  const answer = await wire.ask({ method: "POST", path: "/tasks", body: { command } });
  assert.equal(answer.status, 200, answer.text);
  return acceptedSchema.parse(answer.json()).taskId;
}

/** When a worker was seen last differs by what is on its way between the two. */
function withoutTimes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, one: unknown) => (key === "lastSeenAt" ? 0 : one));
}
