// The server may say anything. The worker neither dies of it nor does what its policy forbids, and
// takes the next honest task.

import assert from "node:assert/strict";
import type http from "node:http";
import { test } from "node:test";
import { systemClock, type Clock } from "@openclaw-worker/base";
import { hello, openStage } from "../stage.ts";

const id = "00000000-0000-7000-8000-000000000001";
const task = { id, fence: 1, timeoutMs: 1_000, createdAt: 0, spec: hello };

function hastyClock(): Clock {
  const clock = systemClock();
  return { ...clock, sleep: (delayMs, signal) => clock.sleep(Math.min(delayMs, 5), signal) };
}

function json(value: unknown): (response: http.ServerResponse) => void {
  return (response) => void response.end(typeof value === "string" ? value : JSON.stringify(value));
}

function answer(fields: object): (response: http.ServerResponse) => void {
  return json({ tasks: [], cancel: [], decisions: [], stop: null, ...fields });
}

const lies: Readonly<Record<string, (response: http.ServerResponse) => void>> = {
  "nothing at all": (response) => void response.destroy(),
  "a 500": (response) => void response.writeHead(500).end("<h1>oops</h1>"),
  "a 404": (response) => void response.writeHead(404).end("{}"),
  "a redirect to elsewhere": (response) =>
    void response.writeHead(307, { location: "http://127.0.0.1:1/" }).end(),
  "an upgrade": (response) =>
    void response.writeHead(101, { upgrade: "x", connection: "upgrade" }).end(),
  "a 204": (response) => void response.writeHead(204).end(),
  "no JSON": json("{"),
  "an empty body": json(""),
  null: json(null),
  "a list": json([]),
  "tasks that are no list": answer({ tasks: { length: 1e9 } }),
  "a body that breaks off": (response) => {
    response.writeHead(200, { "content-length": 1_000 });
    response.write('{"tasks":[');
    response.destroy();
  },
  "a body that claims more than it may": (response) => {
    response.writeHead(200, { "content-length": "68719476736" });
    response.write("{");
    response.destroy();
  },
  "deep nesting": json("[".repeat(100_000)),
  "entries that are no tasks": answer({
    tasks: [null, 1, "x", [], {}, { id: 5 }, { id, fence: "1" }, { id: "../x", fence: 1 }],
  }),
  "a prototype": json(
    `{"__proto__":{"tasks":[1]},"tasks":[{"__proto__":{"id":"x"},"constructor":1}],"cancel":[{"__proto__":null}],"stop":null}`,
  ),
  "huge numbers": json(
    `{"tasks":[{"id":"${id}","fence":1e308,"timeoutMs":1e999,"createdAt":-1e99,"spec":{}}],"cancel":[{"taskId":"${id}","fence":1e400}],"stop":null}`,
  ),
  "cancels of nobody": answer({ cancel: [{ taskId: id, fence: 1 }, null, 7, { taskId: {} }] }),
  "a stop of no known shape": answer({
    stop: { everything: true },
    decisions: [{ approved: true }, null],
  }),
  "ten thousand times nothing": answer({ tasks: Array.from({ length: 10_000 }, () => null) }),
};

for (const [name, lie] of Object.entries(lies)) {
  test(`a poll answered with ${name} is survived`, async () => {
    await using stage = await openStage();
    await stage.start({ clock: hastyClock() }).ready;
    let told = false;
    stage.plane.lie = ({ path }, response) => {
      if (path !== "/worker/poll" || told) return false;
      told = true;
      lie(response);
      return true;
    };
    const first = stage.plane.submit(hello);
    assert.equal((await stage.plane.report(first))["stdout"], "ok");
    const second = stage.plane.submit(hello);
    assert.equal((await stage.plane.report(second))["stdout"], "ok");
    assert.equal(told, true);
    assert.equal(stage.runner.jobs.length, 2);
  });
}

const malformed: Readonly<Record<string, unknown>> = {
  "an unknown kind": { ...task, spec: { kind: "root-shell", command: "id" } },
  "an unknown field of its spec": { ...task, spec: { ...hello, sudo: true } },
  "no spec": { ...task, spec: undefined },
  "an endless timeout": { ...task, timeoutMs: 1e300 },
  "variables with strange names": { ...task, spec: { ...hello, env: { "LD=PRELOAD": "x" } } },
};

for (const [name, sent] of Object.entries(malformed)) {
  test(`a task with ${name} is answered as failed and not run`, async () => {
    await using stage = await openStage();
    await stage.start({ clock: hastyClock() }).ready;
    let told = false;
    stage.plane.lie = ({ path }, response) => {
      if (path !== "/worker/poll" || told) return false;
      told = true;
      answer({ tasks: [sent] })(response);
      return true;
    };
    stage.plane.submit(hello);
    const result = await stage.plane.request(
      ({ path, body }) => path === "/worker/result" && body["taskId"] === id,
    );
    assert.equal(result.body["outcome"], "failed");
    assert.match(String(result.body["error"]), /^This worker does not understand the task: /);
    assert.equal(
      stage.runner.jobs.some(({ taskId }) => taskId === id),
      false,
    );
  });
}

test("a malformed copy of a task that runs does not end it", async () => {
  await using stage = await openStage();
  const { promise, resolve } = Promise.withResolvers<void>();
  stage.runner.end = async () => {
    await promise;
    return { stdout: "whole", stderr: "", exitCode: 0, error: null, outcome: "done" };
  };
  await stage.start({ clock: hastyClock() }).ready;
  const running = stage.plane.submit(hello);
  await stage.runner.job(running);
  let told = false;
  stage.plane.lie = ({ path }, response) => {
    if (path !== "/worker/poll" || told) return false;
    told = true;
    answer({ tasks: [{ id: running, fence: 1, spec: { kind: "nonsense" } }] })(response);
    return true;
  };
  stage.plane.submit({ kind: "file-read", path: "/etc/hostname" });
  await stage.plane.until(() => (told ? true : undefined));
  resolve();
  assert.equal((await stage.plane.report(running))["stdout"], "whole");
});

test("a token that is refused is said once, and the worker waits for a better day", async () => {
  await using stage = await openStage();
  let refused = 0;
  stage.plane.lie = (_seen, response) => {
    if (refused >= 3) return false;
    refused += 1;
    response.writeHead(401).end('{"error":"Unauthorized"}');
    return true;
  };
  await stage.start({ clock: hastyClock() }).ready;
  assert.equal(refused, 3);
  assert.equal(
    stage.logged.filter((line) => line.includes("unauthorized: the token was refused")).length,
    1,
  );
  assert.ok(stage.logged.every((line) => !line.includes(stage.plane.token)));
});

test("the token goes to the configured server only: a redirect is not followed", async () => {
  await using elsewhere = await openStage();
  await using stage = await openStage();
  let redirects = 0;
  stage.plane.lie = (_seen, response) => {
    if (redirects >= 2) return false;
    redirects += 1;
    response.writeHead(302, { location: `${elsewhere.plane.url.href}worker/beat` }).end();
    return true;
  };
  await stage.start({ clock: hastyClock() }).ready;
  assert.equal(redirects, 2);
  assert.equal(elsewhere.plane.seen.length, 0);
});
