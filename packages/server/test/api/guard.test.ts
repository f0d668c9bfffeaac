import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertProblem, openApiStage, rawRequest, speak, token, type ApiStage } from "./stage.ts";

let stage: ApiStage;
before(async () => {
  stage = await openApiStage();
});
after(() => stage[Symbol.asyncDispose]());

describe("the token", () => {
  for (const authorization of [
    `Bearer ${token}`,
    `bearer ${token}`,
    `BEARER ${token}`,
    `bEaReR   ${token}`,
    token,
    `  ${token}  `,
  ]) {
    test(`"${authorization.replace(token, "<token>")}" comes in`, async () => {
      const answer = await stage.get("/tasks/stats", { token: null, headers: { authorization } });
      assert.equal(answer.status, 200);
    });
  }

  for (const authorization of [
    "Bearer wrong-token-of-some-length",
    "Bearer",
    "",
    `Basic ${token}`,
    `${token}x`,
    token.slice(1),
    "Bearer Bearer",
  ]) {
    test(`"${authorization}" does not`, async () => {
      const answer = await stage.get("/tasks/stats", { token: null, headers: { authorization } });
      assertProblem(answer, 401, "Unauthorized");
    });
  }

  test("every route but /health asks for it, unknown ones too, and says the same to all", async () => {
    for (const [method, path] of [
      ["GET", "/tasks/stats"],
      ["POST", "/tasks"],
      ["GET", "/worker/poll?wait=50000"],
      ["POST", "/worker/result"],
      ["GET", "/openapi.json"],
      ["GET", "/no/such/route"],
      ["POST", "/health"],
      ["GET", "/health/x"],
      ["GET", "/tasks/%zz"],
      ["DELETE", "/tasks"],
      ["OPTIONS", "/tasks"],
    ] as const) {
      assertProblem(await stage.get(path, { method, token: null }), 401, "Unauthorized");
    }
    assert.equal((await stage.get("/health", { token: null })).status, 200);
  });

  test("is in no log line and no answer, right or wrong", async () => {
    await stage.get(`/tasks/stats?token=${token}`, { token: "guessed-token-123456" });
    await stage.get(`/nowhere?token=${token}`);
    const text = stage.logged.join("");
    assert.match(text, /unauthorized/);
    assert.equal(text.includes(token), false);
    assert.equal(text.includes("guessed"), false);
  });
});

describe("before a byte of the body is read", () => {
  const unauthorized = (headers: readonly string[]) =>
    ["POST /tasks HTTP/1.1", "host: x", "authorization: Bearer nope", ...headers, "", ""].join(
      "\r\n",
    );

  test("a 30 MB body that is never sent is answered 401", async () => {
    using peer = await speak(stage.port, unauthorized(["content-length: 30000000"]));
    assert.match(await peer.end, /^HTTP\/1\.1 401 /);
  });

  test("Expect: 100-continue is answered 401, and never 100", async () => {
    using peer = await speak(
      stage.port,
      unauthorized(["content-length: 30000000", "expect: 100-continue"]),
    );
    const heard = await peer.end;
    assert.match(heard, /^HTTP\/1\.1 401 /);
    assert.doesNotMatch(heard, /100 Continue/);
  });

  test("Expect: 100-continue with the token is answered 100 and then 200", async () => {
    const body = JSON.stringify({ command: "x" });
    const headers = [`content-length: ${body.length}`, "expect: 100-continue", "connection: close"];
    using peer = await speak(stage.port, rawRequest("POST /tasks", headers));
    await peer.until(/^HTTP\/1\.1 100 Continue/);
    peer.socket.write(body);
    assert.match(await peer.end, /HTTP\/1\.1 200 /);
  });

  test("a chunked body without end is answered 401", async () => {
    using peer = await speak(
      stage.port,
      `${unauthorized(["transfer-encoding: chunked"])}5\r\nhello\r\n`,
    );
    assert.match(await peer.end, /^HTTP\/1\.1 401 /);
  });
});
