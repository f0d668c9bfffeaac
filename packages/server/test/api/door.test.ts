// What is ours in the API: kinds, idempotency, lists, cancel, chat, the document.

import assert from "node:assert/strict";
import http from "node:http";
import { describe, test } from "node:test";
import { assertProblem, openApiStage, pollOld } from "./stage.ts";

describe("POST /tasks by kind", () => {
  test("takes every kind", async () => {
    await using stage = await openApiStage();
    for (const body of [
      { kind: "command", command: "x", cwd: "/", env: { A: "b" }, stdin: "" },
      { kind: "exec", argv: ["a"] },
      { argv: ["a"] },
      { kind: "file-read", path: "a" },
      { kind: "file-write", path: "a", content: "" },
      { kind: "file-edit", path: "a", oldString: "a", newString: "" },
      { kind: "file-list", path: "a" },
      { kind: "claude-cli", prompt: "a", sessionId: "s" },
      { kind: "agent", agent: "codex", prompt: "a", sessionId: "s" },
      { kind: "action", action: "deploy", params: { a: 1 } },
    ]) {
      const answer = await stage.post("/tasks", {
        ...body,
        timeout: 5_000,
        priority: 1,
        labels: ["x"],
        metadata: { a: 1 },
      });
      assert.equal(answer.status, 200, answer.text);
    }
  });

  test("is strict: unknown fields, kinds, times out of range are refused with their names", async () => {
    await using stage = await openApiStage();
    for (const [body, error] of [
      [{ kind: "command", command: "x", comand: "y" }, /comand/],
      [{ kind: "exec", argv: [] }, /argv/],
      [{ kind: "exec", argv: "ls" }, /argv/],
      [{ kind: "nope" }, /kind/],
      [{ kind: 5 }, /kind/],
      [{ kind: "command", command: "x", timeout: 10 }, /timeout/],
      [{ kind: "command", command: "x", timeout: "5000" }, /timeout/],
      [{ kind: "command", command: "x", priority: 101 }, /priority/],
      [{ kind: "command", command: "x", labels: ["a b"] }, /labels/],
      [{ kind: "command", command: "x", worker: "" }, /worker/],
    ] as const) {
      assertProblem(await stage.post("/tasks", body), 400, error);
    }
    assert.equal((await stage.store.counts()).byStatus.pending, 0);
  });
});

describe("what no worker could be handed", () => {
  test("is refused at the door, and the queue goes on", async () => {
    await using stage = await openApiStage();
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`A${index}`, ""]));
    for (const [path, body] of [
      ["/tasks", { command: "x", env: { "not a name": "x" } }],
      ["/tasks", { command: "x", env: many }],
      ["/files/read", { path: "x".repeat(5_000) }],
      ["/files/write", { path: "x".repeat(5_000), content: "" }],
      ["/files/edit", { path: "x".repeat(5_000), old_string: "a", new_string: "" }],
    ] as const) {
      assertProblem(await stage.post(path, body), 400);
    }
    const { taskId } = (await stage.post("/tasks", { command: "goes on" })).body;
    const { body } = await stage.get("/worker/poll?wait=5000&capacity=10&workerId=lab");
    assert.deepEqual(
      body.tasks.map((task: { readonly id: string }) => task.id),
      [taskId],
    );
  });
});

describe("idempotency", () => {
  test("the same key and body is the same task, by field or header", async () => {
    await using stage = await openApiStage();
    const headers = { "Idempotency-Key": "k1" };
    const first = (await stage.post("/tasks", { command: "x" }, { headers })).body.taskId;
    assert.equal((await stage.post("/tasks", { command: "x" }, { headers })).body.taskId, first);
    assert.equal(
      (await stage.post("/tasks", { command: "x", idempotencyKey: "k1" })).body.taskId,
      first,
    );
    assert.equal(
      (await stage.post("/tasks", { command: "x", idempotencyKey: "other" }, { headers })).body
        .taskId,
      first,
    );
    assert.notEqual((await stage.post("/tasks", { command: "x" })).body.taskId, first);
    assertProblem(await stage.post("/tasks", { command: "y" }, { headers }), 409);
    assertProblem(await stage.post("/files/read", { path: "x" }, { headers }), 409);
    assertProblem(
      await stage.post(
        "/tasks",
        { command: "x" },
        { headers: { "Idempotency-Key": "k".repeat(201) } },
      ),
      400,
    );
  });

  test("an agent's task without a session is the same task and session when asked again", async () => {
    await using stage = await openApiStage();
    for (const [path, options, fields] of [
      ["/claude", { headers: { "idempotency-key": "a" } }, {}],
      ["/codex", {}, { idempotencyKey: "b" }],
    ] as const) {
      const first = (await stage.post(path, { prompt: "x", ...fields }, options)).body;
      const again = (await stage.post(path, { prompt: "x", ...fields }, options)).body;
      assert.deepEqual([again.taskId, again.sessionId], [first.taskId, first.sessionId]);
      assertProblem(await stage.post(path, { prompt: "y", ...fields }, options), 409);
    }
  });
});

describe("GET /tasks", () => {
  test("lists page by page, with filters, and refuses wrong ones", async () => {
    await using stage = await openApiStage();
    const sent: string[] = [];
    for (let index = 0; index < 5; index += 1)
      sent.unshift((await stage.post("/tasks", { command: `c${index}` })).body.taskId);
    const idsOf = (tasks: readonly { readonly taskId: string }[]) =>
      tasks.map((task) => task.taskId);
    const first = (await stage.get("/tasks?limit=2")).body;
    assert.deepEqual(idsOf(first.tasks), sent.slice(0, 2));
    const second = (await stage.get(`/tasks?limit=3&cursor=${first.cursor}`)).body;
    assert.deepEqual(idsOf(second.tasks), sent.slice(2));
    assert.deepEqual((await stage.get(`/tasks?limit=3&cursor=${second.cursor}`)).body, {
      tasks: [],
      cursor: null,
    });
    assert.equal((await stage.get("/tasks?status=pending&kind=command")).body.tasks.length, 5);
    assert.equal((await stage.get("/tasks?worker=nobody")).body.tasks.length, 0);
    for (const query of ["status=x", "kind=x", "cursor=x", "cursor=-1", "limit=0", "limit=1e9"]) {
      assertProblem(await stage.get(`/tasks?${query}`), 400);
    }
  });
});

describe("cancel", () => {
  test("ends what waits, says so of what has ended, and 404 to the unknown", async () => {
    await using stage = await openApiStage();
    const { taskId } = (await stage.post("/tasks", { command: "x" })).body;
    const reading = stage.get(`/tasks/${taskId}?wait=60000`);
    assert.equal((await stage.post(`/tasks/${taskId}/cancel`)).body.outcome, "cancelled");
    const { body } = await reading;
    assert.deepEqual(
      [body.stdout, body.stderr, body.exitCode, body.error],
      ["", "", 130, "Cancelled"],
    );
    assert.equal(
      (await stage.post(`/tasks/${taskId}/cancel`)).body.message,
      "The task had ended already",
    );
    assertProblem(await stage.post("/tasks/nonsense/cancel"), 404, "Task not found");
  });

  test("an old worker's running task says that nobody can be told", async () => {
    await using stage = await openApiStage();
    const { taskId } = (await stage.post("/tasks", { command: "x" })).body;
    await pollOld(stage);
    assert.match((await stage.post(`/tasks/${taskId}/cancel`)).body.message, /cannot be told/);
  });
});

describe("POST /notify", () => {
  test("without a bot token says so", async () => {
    await using stage = await openApiStage();
    assertProblem(
      await stage.post("/notify", { channel: "1", message: "hi" }),
      500,
      "DISCORD_BOT_TOKEN not set",
    );
  });

  test("posts to the chat API, and tells its refusal without the token", async () => {
    const seen: string[] = [];
    let status = 200;
    const chat = http.createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      response
        .writeHead(status, { location: "http://127.0.0.1:9/" })
        .end('{"message":"Missing Access"}');
    });
    await new Promise<void>((resolve) => chat.listen(0, "127.0.0.1", resolve));
    const address = chat.address();
    const port = typeof address === "object" ? address?.port : 0;
    try {
      await using stage = await openApiStage({
        chat: { baseUrl: `http://127.0.0.1:${port}`, token: "bot-token" },
      });
      assert.deepEqual((await stage.post("/notify", { channel: "42", message: "hi" })).body, {
        ok: true,
      });
      assert.deepEqual(seen, ["POST /channels/42/messages Bot bot-token"]);
      for (status of [403, 302, 500]) {
        const answer = await stage.post("/notify", { channel: "42", message: "hi" });
        assertProblem(answer, 502, new RegExp(`^Discord ${status}: .*Missing Access`));
        assert.equal(answer.text.includes("bot-token"), false);
      }
      assertProblem(await stage.post("/notify", { channel: "../../users", message: "hi" }), 400);
      assert.equal(stage.logged.join("").includes("bot-token"), false);
    } finally {
      chat.closeAllConnections();
      await new Promise((resolve) => chat.close(resolve));
    }
  });
});

describe("GET /openapi.json", () => {
  test("is OpenAPI 3.1 and has every route of the guide", async () => {
    await using stage = await openApiStage();
    const { body } = await stage.get("/openapi.json");
    assert.equal(body.openapi, "3.1.0");
    assert.equal(typeof body.info.title, "string");
    assert.equal(typeof body.info.version, "string");
    const routes = Object.entries<Record<string, Operation>>(body.paths).flatMap(
      ([path, methods]) =>
        Object.entries(methods).map(
          ([method, operation]) => [`${method} ${path}`, operation] as const,
        ),
    );
    assert.deepEqual(
      guide.filter((route) => !routes.some(([name]) => name === route)),
      [],
    );
    for (const [name, operation] of routes) {
      assert.ok(operation.summary, `${name} has no summary`);
      const answered = operation.responses?.["200"] ?? operation.responses?.["202"];
      assert.ok(answered, `${name} has no answer`);
      const named = [...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
      const told = (operation.parameters ?? [])
        .filter((one) => one.in === "path")
        .map((one) => one.name);
      assert.deepEqual(told, named, name);
      if (name.startsWith("post") && !name.includes("cancel")) {
        assert.equal(
          typeof operation.requestBody?.content["application/json"]?.schema,
          "object",
          name,
        );
      }
    }
    assert.deepEqual(body.paths["/health"].get.security, []);
    const dangling = [...JSON.stringify(body).matchAll(/"\$ref":"#\/([^"]+)"/g)].filter(
      ([, pointer]) => at(body, pointer) === undefined,
    );
    assert.deepEqual(dangling, []);
  });
});

interface Operation {
  readonly summary?: string;
  readonly responses?: Readonly<Record<string, unknown>>;
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: unknown }>>;
  };
}

function at(document: Readonly<Record<string, never>>, pointer: string | undefined): unknown {
  let value: Readonly<Record<string, never>> | undefined = document;
  for (const part of (pointer ?? "").split("/")) value = value?.[part];
  return value;
}

const guide = [
  "get /health",
  "post /tasks",
  "post /files/read",
  "post /files/write",
  "post /files/edit",
  "post /claude",
  "post /codex",
  "post /gemini",
  "get /tasks/{id}",
  "get /claude/sessions",
  "get /claude/recent",
  "get /codex/recent",
  "post /notify",
  "get /tasks/stats",
  "get /sessions/stats",
  "get /sessions/state",
  "get /events",
  "get /events/stats",
  "get /worker/poll",
  "post /worker/result",
  "post /worker/event",
];
