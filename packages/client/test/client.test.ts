import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient, ClientError, type Client } from "../src/index.ts";
import { accepted, hangUp, json, openStage, problem, result, taskId, waiting } from "./stage.ts";

const token = "a-token-of-the-test";

function clientOf(url: string, patienceMs = 10_000): Client {
  return createClient({ url, token, patienceMs, waitPatienceMs: patienceMs, random: () => 0 });
}

async function failureOf(work: Promise<unknown>): Promise<ClientError> {
  const thrown: unknown = await work.then(
    () => assert.fail("it succeeded"),
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof ClientError, String(thrown));
  return thrown;
}

test("a submit carries the token and an idempotency key of its own", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  stage.answer(json(200, accepted));
  assert.equal((await client.submit({ kind: "command", command: "true" })).taskId, taskId);
  await client.submit({ kind: "command", command: "true", idempotencyKey: "mine" });
  const [first, second] = stage.seen;
  assert.equal(first?.path, "/tasks");
  assert.equal(first?.authorization, `Bearer ${token}`);
  assert.match(JSON.stringify(first?.body), /"idempotencyKey":"[0-9a-f-]{36}"/);
  assert.deepEqual(second?.body, { kind: "command", command: "true", idempotencyKey: "mine" });
});

test("a submit whose answer was lost is sent again with the same key", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  stage.answer(
    hangUp,
    json(503, problem("stopping", 503, "Server is stopping")),
    json(200, accepted),
  );
  await client.submit({ kind: "exec", argv: ["true"] });
  assert.equal(stage.seen.length, 3);
  assert.deepEqual(stage.seen[1]?.body, stage.seen[0]?.body);
  assert.deepEqual(stage.seen[2]?.body, stage.seen[0]?.body);
});

test("the guide's routes take the guide's bodies", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  stage.answer(json(200, { ...accepted, sessionId: "s" }));
  const answer = await client.submitOld("/claude", { prompt: "hi", origin: "bridge" });
  assert.equal(answer.sessionId, "s");
  assert.equal(stage.seen[0]?.path, "/claude");
});

test("waiting asks again until the task has finished", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  stage.answer(json(200, waiting), json(200, waiting), json(200, result));
  assert.equal((await client.wait(taskId)).stdout, "hello\n");
  assert.equal(stage.seen.length, 3);
  assert.equal(stage.seen[0]?.path, `/tasks/${taskId}?wait=600000`);
});

test("spaces before the JSON keep a long wait alive and change nothing", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  stage.answer((_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.write(" ");
    response.write(" ");
    response.end(JSON.stringify(result));
  });
  assert.equal((await client.wait(taskId)).exitCode, 0);
});

test("a server that goes away and comes back within patience costs a wait nothing", async () => {
  let stage = await openStage();
  const { port, url } = stage;
  using client = clientOf(url);
  const arrived = Promise.withResolvers<void>();
  stage.answer(() => arrived.resolve());
  const waitingForIt = client.wait(taskId);
  await arrived.promise;
  await stage[Symbol.asyncDispose]();
  stage = await openStage(port);
  await using _ = stage;
  stage.answer(json(200, result));
  assert.equal((await waitingForIt).outcome, "done");
});

test("a wait ends with its signal, and the request with it", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  const arrived = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  stage.answer((_, response) => {
    response.on("close", closed.resolve);
    arrived.resolve();
  });
  const stop = new AbortController();
  const work = client.wait(taskId, { signal: stop.signal });
  await arrived.promise;
  stop.abort(new Error("enough"));
  await assert.rejects(work, /enough/);
  await closed.promise;
});

test("nobody listening is told as unreachable, with the address and what to do", async () => {
  const stage = await openStage();
  const { url } = stage;
  await stage[Symbol.asyncDispose]();
  using client = clientOf(url, 0);
  const failure = await failureOf(client.health());
  assert.equal(failure.code, "unreachable");
  assert.match(
    failure.message,
    /Cannot reach the server: http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/,
  );
  assert.match(failure.remedy, /runs/);
});

test("a refused token is told at once and not tried again", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  stage.answer(json(401, problem("unauthorized", 401, "Unauthorized")));
  assert.equal((await failureOf(client.workers())).code, "unauthorized");
  assert.equal(stage.seen.length, 1);
});

test("the server's own code and words reach the caller", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  stage.answer(json(404, problem("task-not-found", 404, "Task not found")));
  const failure = await failureOf(client.get(taskId));
  assert.equal(failure.code, "task-not-found");
  assert.equal(failure.status, 404);
  assert.equal(failure.why, "Task not found");
});

test("an answer that asks to come back later is obeyed within patience, and told when it is over", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url, 500);
  const full = problem("queue-full", 429, "Queue is full");
  stage.answer(json(429, full, { "retry-after": "0" }), json(200, accepted));
  await client.submit({ kind: "file-read", path: "a" });
  stage.answer(json(429, full, { "retry-after": "60" }));
  const failure = await failureOf(client.submit({ kind: "file-read", path: "a" }));
  assert.equal(failure.code, "queue-full");
  assert.equal(failure.retryAfterMs, 60_000);
});

for (const [name, answer] of [
  ["a login page", json(200, "<html>")],
  ["an empty body", (_: unknown, response: { end(): void }) => response.end()],
  ["a half result", json(200, { status: "completed", stdout: 7 })],
  ["a redirect", json(302, {}, { location: "http://elsewhere.example/" })],
  ["a stranger's error", json(418, { message: "teapot" })],
] as const) {
  test(`${name} is told as a bad answer`, async () => {
    await using stage = await openStage();
    using client = clientOf(stage.url);
    stage.answer(answer);
    assert.equal((await failureOf(client.get(taskId))).code, "bad-answer");
    assert.equal(stage.seen.length, 1);
  });
}

test("lists, workers, health and cancel are parsed into their words", async () => {
  await using stage = await openStage();
  using client = clientOf(stage.url);
  const row = {
    taskId,
    kind: "command",
    status: "running",
    createdAt: 1,
    priority: 0,
    summary: "ls",
  };
  stage.answer(json(200, { tasks: [row], cursor: null }));
  const list = await client.list({ status: "running", limit: 5 });
  assert.equal(stage.seen[0]?.path, "/tasks?status=running&limit=5");
  assert.deepEqual(list.tasks[0]?.exitCode, null);
  stage.answer(json(200, { taskId, status: "failed", outcome: "cancelled", message: "Cancelled" }));
  assert.equal((await client.cancel(taskId)).outcome, "cancelled");
  stage.answer(json(200, { status: "ok", tasks: 0, results: 0, workers: 1 }));
  const health = await client.health();
  assert.equal(health.workers, 1);
  assert.ok(health.serverNowMs !== null);
});

test("an address that is none is refused when the client is made", () => {
  assert.throws(() => clientOf("127.0.0.1:3456"), /is not an http or https URL/);
});

test("a path before the routes is kept", async () => {
  await using stage = await openStage();
  using client = clientOf(`${stage.url}/api/`);
  stage.answer(json(200, { status: "ok", tasks: 0, results: 0 }));
  await client.health();
  assert.equal(stage.seen[0]?.path, "/api/health");
});
