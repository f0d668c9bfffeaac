// HTTP as the network really is: sizes that lie, halves of requests, odd methods, pipelines.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  assertProblem,
  eventually,
  openApiStage,
  rawRequest,
  speak,
  type ApiStage,
} from "./stage.ts";

let stage: ApiStage;
before(async () => {
  stage = await openApiStage();
});
after(() => stage[Symbol.asyncDispose]());

const post = (headers: readonly string[], body: string) =>
  rawRequest("POST /tasks", ["connection: close", ...headers], body);
const submitBody = JSON.stringify({ command: "x" });

describe("bodies", () => {
  test("over 32 MiB are 413 JSON, told by their length before they are sent", async () => {
    using peer = await speak(stage.port, post(["content-length: 33554433"], ""));
    const heard = await peer.end;
    assert.match(heard, /^HTTP\/1\.1 413 /);
    assert.match(heard, /"code":"body-too-large"/);
  });

  test("over 32 MiB in chunks are 413 JSON", async () => {
    const chunk = `100000\r\n${" ".repeat(0x100000)}\r\n`;
    using peer = await speak(stage.port, rawRequest("POST /tasks", ["transfer-encoding: chunked"]));
    for (let sent = 0; sent < 34; sent += 1) peer.socket.write(chunk);
    assert.match(await peer.until(/413/), /^HTTP\/1\.1 413 /);
  });

  test("of 31 MiB are taken whole", async () => {
    const content = "x".repeat(31 * 1024 * 1024);
    const { body } = await stage.post("/files/write", { path: "big", content, worker: "nobody" });
    assert.equal(body.status, "pending");
  });

  test("shorter than they say, with the connection closed, submit nothing", async () => {
    const before = (await stage.store.counts()).byStatus.pending;
    using peer = await speak(stage.port, post(["content-length: 500"], submitBody));
    peer.socket.end();
    await peer.end;
    assert.equal((await stage.store.counts()).byStatus.pending, before);
  });

  test("longer than they say are cut where they said, and the rest is no request", async () => {
    const before = (await stage.store.counts()).byStatus.pending;
    using peer = await speak(
      stage.port,
      post([`content-length: ${submitBody.length}`], `${submitBody}garbage`),
    );
    assert.match(await peer.end, /^HTTP\/1\.1 (200|400) /);
    assert.ok((await stage.store.counts()).byStatus.pending <= before + 1);
  });

  test("two lengths, a length that is none, and a length beside chunks are 400", async () => {
    for (const headers of [
      ["content-length: 5", "content-length: 6"],
      ["content-length: -1"],
      ["content-length: 1e3"],
      ["content-length: 5", "transfer-encoding: chunked"],
    ]) {
      using peer = await speak(stage.port, post(headers, "hello"));
      const heard = await peer.end;
      assert.match(heard, /^HTTP\/1\.1 400 /, headers.join());
      assert.match(heard, /"code":"invalid-request"/);
    }
  });

  test("that come a byte at a time are read", async () => {
    using peer = await speak(stage.port, post([`content-length: ${submitBody.length}`], ""));
    for (const byte of submitBody) {
      peer.socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.match(await peer.end, /^HTTP\/1\.1 200 /);
  });

  test("of any content type, or none, or a broken one, are JSON", async () => {
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "application/json; charset=latin1",
      "broken",
      "a/b; c",
      "",
    ]) {
      const answer = await stage.post("/tasks", submitBody, { headers: { "content-type": type } });
      assert.equal(answer.status, 200, `${type}: ${answer.text}`);
    }
  });

  test("nested deeper than can be walked are 400, on every route that takes one", async () => {
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    const object = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    for (const value of [deep, object]) {
      for (const [path, body] of [
        ["/tasks", `{"command":"x","metadata":{"a":${value}}}`],
        ["/tasks", `{"command":"x","idempotencyKey":"deep","metadata":{"a":${value}}}`],
        ["/claude", `{"prompt":"x","anything":${value}}`],
        ["/worker/event", `{"type":"x","details":${value}}`],
        ["/worker/result", `{"taskId":"x","metadata":{"a":${value}}}`],
        ["/worker/beat", value],
      ] as const) {
        assertProblem(await stage.post(path, body), 400, /nested deeper/);
      }
    }
  });
});

describe("what is not HTTP, or odd HTTP", () => {
  test("noise is answered 400 in JSON", async () => {
    for (const noise of [
      "\u0016\u0003\u0001\u0002\r\n\r\n",
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      `GET / HTTP/1.1\r\nx: ${"y".repeat(100_000)}\r\n\r\n`,
    ]) {
      using peer = await speak(stage.port, noise);
      const heard = await peer.end;
      assert.match(heard, /^HTTP\/1\.1 400 [^]*"error":"[^"]+"/);
    }
  });

  test("an address that is none, an unknown route, an unknown method are 404 JSON", async () => {
    for (const [method, path] of [
      ["GET", "/tasks/%zz"],
      ["GET", "/nowhere"],
      ["GET", "//tasks"],
      ["DELETE", "/tasks"],
      ["PUT", "/health"],
      ["OPTIONS", "/tasks"],
      ["PATCH", "/worker/poll"],
      ["GET", `/tasks/${"a".repeat(300)}`],
    ] as const) {
      assertProblem(await stage.get(path, { method }), 404);
    }
  });

  test("HEAD takes no task and marks nothing read", async () => {
    await using own = await openApiStage();
    const { body } = await own.post("/tasks", { command: "x" });
    assert.equal((await own.get("/worker/poll?wait=0", { method: "HEAD" })).status, 404);
    assert.equal((await own.store.get(body.taskId))?.status, "pending");
    await own.post(`/tasks/${body.taskId}/cancel`);
    await own.get(`/tasks/${body.taskId}`, { method: "HEAD" });
    assert.equal((await own.store.counts()).unread, 1);
  });

  test("requests in one packet are answered in their order", async () => {
    const one = rawRequest("GET /tasks/stats");
    using peer = await speak(
      stage.port,
      one + one + rawRequest("GET /nowhere", ["connection: close"]),
    );
    const heard = await peer.end;
    assert.deepEqual(heard.match(/HTTP\/1\.1 \d+/g), [
      "HTTP/1.1 200",
      "HTTP/1.1 200",
      "HTTP/1.1 404",
    ]);
  });

  test("a poll behind another poll on one connection takes no task that nobody would read", async () => {
    await using own = await openApiStage();
    const poll = rawRequest("GET /worker/poll?wait=50000");
    await own.get("/health");
    const others = await own.connections();
    using peer = await speak(
      own.port,
      poll + poll + rawRequest("GET /worker/poll?wait=50000&capacity=5&workerId=home"),
    );
    await eventually(async () =>
      (await own.get("/workers")).body.workers.length >= 2 ? true : null,
    );
    peer.socket.destroy();
    await eventually(async () => ((await own.connections()) === others ? true : null));
    const { body } = await own.post("/tasks", { command: "x" });
    assert.equal((await own.store.get(body.taskId))?.fence, 0);
  });

  test("an HTTP/1.0 client is answered and its connection closed", async () => {
    using peer = await speak(stage.port, "GET /health HTTP/1.0\r\n\r\n");
    assert.match(await peer.end, /^HTTP\/1\.1 200 [^]*"status":"ok"/);
  });
});
