// Whatever is thrown at any route: below 500, JSON, and nothing about the inside of the server.

import * as fc from "fast-check";
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openApiStage, type Answer, type ApiStage } from "./stage.ts";

let stage: ApiStage;
before(async () => {
  stage = await openApiStage();
});
after(() => stage[Symbol.asyncDispose]());

const posts = [
  "/tasks",
  "/files/read",
  "/files/write",
  "/files/edit",
  "/claude",
  "/codex",
  "/gemini",
  "/worker/result",
  "/worker/started",
  "/worker/beat",
  "/worker/giveback",
  "/worker/event",
  "/tasks/019a0000-0000-7000-8000-000000000001/cancel",
];
const gets = [
  "/health",
  "/tasks",
  "/tasks/stats",
  "/events",
  "/events/stats",
  "/sessions/stats",
  "/sessions/state",
  "/workers",
  "/claude/sessions",
  "/claude/recent",
  "/openapi.json",
];

const fields =
  "command argv kind path content encoding old_string new_string replace_all prompt sessionId model cwd env stdin " +
  "timeout worker labels priority ttlMs metadata idempotencyKey taskId fence instance held stdout stderr exitCode " +
  "error outcome capacity order type details params action agent truncated durationMs startedAt constructor " +
  "prototype toString hasOwnProperty length";
const names = fc.constantFrom("", ...fields.split(" "));
const texts = [
  "",
  "\u0000",
  "\ud800",
  "\udfff\ud800",
  "a\u0000b",
  "__proto__",
  "../../etc/passwd",
  "$&",
  "%00",
];
const words = [
  "command",
  "exec",
  "file-edit",
  "agent",
  "base64",
  "lost",
  "019a0000-0000-7000-8000-000000000001",
];
const numbers = [0, -0, -1, 1, 1e308, -1e308, 5e-324, 2 ** 53, 2 ** 63, 1.5, 4294967296];
const nasty = fc.constantFrom<unknown>(...texts, ...words, ...numbers, true, false, null);
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: "medium", maxDepth: 5 },
    nasty,
    fc.string({ unit: "binary" }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.array(tie("any"), { maxLength: 4 }),
    fc.dictionary(fc.oneof(names, fc.string({ unit: "binary" })), tie("any"), { maxKeys: 4 }),
  ),
})).any;
const body = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .dictionary(names, value, { minKeys: 1, maxKeys: 8 })
      .map((one) => JSON.stringify(one)),
  },
  { weight: 1, arbitrary: value.map((one) => JSON.stringify(one)) },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '{"__proto__":{"admin":true},"command":"x"}',
      '{"command":"x","metadata":{"__proto__":{"a":1}}}',
      '{"constructor":{"prototype":{"a":1}},"command":"x"}',
      '{"command":"x","timeout":1e999}',
      '{"command":"x","timeout":-1e999,"priority":1e999}',
      `{"command":"x","timeout":${"9".repeat(400)}}`,
      '{"command":"\\u0000\\ud800"}',
      '{"taskId":"x","exitCode":1e999}',
      `{"command":"x","metadata":${'{"a":'.repeat(90)}1${"}".repeat(90)}}`,
      `[${"[".repeat(1_000)}${"]".repeat(1_000)}]`,
      "\ufeff{}",
    ),
  },
);
const query = fc.oneof(
  fc
    .dictionary(
      fc.constantFrom(
        "wait",
        "limit",
        "cursor",
        "status",
        "kind",
        "worker",
        "workerId",
        "order",
        "__proto__",
      ),
      fc.oneof(nasty.map(String), fc.string({ unit: "binary" })),
    )
    .map((one) =>
      Object.entries(one)
        .map(([key, text]) => `${key}=${encode(text)}`)
        .join("&"),
    ),
  fc.string({ unit: "binary" }).map(encode),
);

function check(answer: Answer): void {
  assert.ok(answer.status < 500, `${answer.status}: ${answer.text}`);
  assert.notEqual(answer.body, null, `not JSON: ${answer.text}`);
  assert.doesNotMatch(answer.text, /node_modules|\.ts:\d|\.js:\d|\n\s+at |SQLITE|sqlite|ZodError/);
  if (answer.status >= 400) assert.equal(typeof answer.body.error, "string");
}

describe("garbage", () => {
  for (const path of posts) {
    test(`in the body of POST ${path} is answered below 500 in JSON`, async () => {
      await fc.assert(
        fc.asyncProperty(body, query, async (text, search) =>
          check(await stage.post(`${path}?${search}`, text)),
        ),
        { numRuns: 120 },
      );
    });
  }

  test("in queries and paths is answered below 500 in JSON", async () => {
    const paths = fc.oneof(
      fc.constantFrom(...gets),
      fc.string({ unit: "binary", minLength: 1 }).map((text) => `/tasks/${encode(text)}`),
      fc.string({ unit: "binary", minLength: 1 }).map((text) => `/workers/${encode(text)}`),
    );
    await fc.assert(
      fc.asyncProperty(paths, query, async (path, search) =>
        check(await stage.get(`${path}?${search}`)),
      ),
      { numRuns: 500 },
    );
  });

  test("with any method on any route is answered below 500 in JSON", async () => {
    for (const path of [...posts, ...gets, "/worker/poll?wait=0&capacity=x", "/nowhere"]) {
      for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
        check(await stage.get(path, { method }));
      }
    }
  });

  test("that was taken can all be handed out, and the queue is empty in the end", async () => {
    const worker = {
      name: "lab",
      instance: "instance-1",
      labels: [],
      version: "1",
      platform: "x",
      slots: 1,
      policyDigest: "",
    };
    await stage.post("/worker/beat", { worker, held: [] });
    for (;;) {
      const { body: polled } = await stage.get(
        "/worker/poll?wait=0&capacity=100&workerId=lab&instance=instance-1",
      );
      if (polled.tasks.length === 0) break;
      for (const task of polled.tasks) {
        await stage.post("/worker/result", { taskId: task.id, fence: task.fence, exitCode: 0 });
        check(await stage.get(`/tasks/${task.id}`));
      }
    }
    const waiting = await stage.store.list({ status: "pending", max: 100 });
    assert.deepEqual(
      waiting.filter((task) => /^.\*$/.test(task.selector)),
      [],
    );
    assert.doesNotMatch(stage.logged.join(""), /"request failed"/);
  });
});

function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}
