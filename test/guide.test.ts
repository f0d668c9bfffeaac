// The deployment guide's own steps: the programs at the root, started as it starts them, and its
// curl lines as they are written. Only the port and the task's id are put in, and curl is told not
// to draw its progress.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { acceptedSchema, resultSchema } from "@openclaw-worker/protocol";
import { startProgram } from "./program.ts";
import { openStage, type Stage } from "./stage.ts";

const guided = { asGuided: true } as const;
const guidedWorker = { env: { POLL_INTERVAL: "500", MAX_CONCURRENT: "3" } } as const;

test("the guide's verification steps work as they are written", async () => {
  await using stage = await openStage(guided);
  const worker = await stage.startWorker(guidedWorker);
  assert.match(worker.lines[0] ?? "", /^OpenClaw Worker v\d+\.\d+/);
  assert.equal(worker.lines[1], `Server: ${stage.url}`);
  assert.match(worker.lines[2] ?? "", /^Poll interval: 500ms\b/);

  const accepted = acceptedSchema.parse(
    await typed(
      stage,
      String.raw`curl -X POST http://localhost:3456/tasks \
  -H "Authorization: Bearer $WORKER_TOKEN" \
  -H "Content-Type: application/json" \
  -d '{"command": "echo Hello from cloud!", "timeout": 30000}'`,
    ),
  );
  const result = resultSchema.parse(
    await typed(
      stage,
      String.raw`curl "http://localhost:3456/tasks/TASK_ID?wait=30000" \
  -H "Authorization: Bearer $WORKER_TOKEN"`,
      accepted.taskId,
    ),
  );
  // The guide shows it without the end of line that echo prints.
  assert.deepEqual([result.stdout, result.exitCode], ["Hello from cloud!\n", 0]);

  const health = await typed(stage, "curl http://localhost:3456/health");
  assert.deepEqual(pick(health, ["status", "tasks", "results"]), {
    status: "ok",
    tasks: 0,
    results: 0,
  });
});

test("the guide's file operations work as they are written", async () => {
  await using stage = await openStage(guided);
  await stage.startWorker(guidedWorker);
  const file = path.join(stage.rootOf(), "notes/a file.txt");
  const content = "first line\nsecond 'line' \"quoted\" $HOME\n";
  const posted = async (route: string, body: unknown): Promise<string> => {
    const line = `curl -X POST http://localhost:3456${route} -H "Authorization: Bearer $WORKER_TOKEN" -H "Content-Type: application/json" -d @-`;
    return acceptedSchema.parse(await typed(stage, line, "", JSON.stringify(body))).taskId;
  };
  const read = async (taskId: string) =>
    resultSchema.parse(
      await typed(
        stage,
        'curl "http://localhost:3456/tasks/TASK_ID?wait=10000" -H "Authorization: Bearer $WORKER_TOKEN"',
        taskId,
      ),
    );
  const written = await read(await posted("/files/write", { path: file, content }));
  assert.equal(written.stdout, `File written: ${file}`);
  assert.equal(readFileSync(file, "utf8"), content);
  assert.equal((await read(await posted("/files/read", { path: file }))).stdout, content);
  const edit = { path: file, old_string: "second", new_string: "2nd" };
  assert.equal((await read(await posted("/files/edit", edit))).stdout, `File edited: ${file}`);
  assert.equal(readFileSync(file, "utf8"), content.replace("second", "2nd"));
});

test("the guide's Claude step is accepted with a session, and ends with an answer", async () => {
  await using stage = await openStage(guided);
  await stage.startWorker(guidedWorker);
  const accepted = acceptedSchema.parse(
    await typed(
      stage,
      String.raw`curl -X POST http://localhost:3456/claude \
  -H "Authorization: Bearer $WORKER_TOKEN" \
  -H "Content-Type: application/json" \
  -d '{"prompt": "What is the current date?", "timeout": 120000}'`,
    ),
  );
  assert.match(accepted.sessionId ?? "", /^[0-9a-f-]{36}$/);
  const result = resultSchema.parse(
    await typed(
      stage,
      String.raw`curl "http://localhost:3456/tasks/TASK_ID?wait=120000" \
  -H "Authorization: Bearer $WORKER_TOKEN"`,
      accepted.taskId,
    ),
  );
  // Claude Code is not here: then the answer says so in words, and does not keep anybody waiting.
  if (result.exitCode !== 0) assert.ok((result.error ?? "").length > 0);
});

test("without a server the worker's log says that the connection failed, and when it is back", async () => {
  await using stage = await openStage(guided);
  await stage.server.kill();
  const worker = stage.launchWorker(guidedWorker);
  await worker.said(/Connection failed/);
  assert.ok(!worker.isOver, "it goes on trying");
  await stage.startServer();
  await worker.said(/^Ready$/);
  await worker.said(/connected again/);
});

test("a wrong token is told in both logs, and gets no work", async () => {
  await using stage = await openStage(guided);
  const worker = stage.launchWorker({ env: { WORKER_TOKEN: "not-the-token-of-this-server" } });
  await worker.said(/unauthorized/);
  await stage.server.said(/unauthorized/);
  const { taskId } = await stage.client.submit({ kind: "command", command: "echo x" });
  assert.equal((await stage.client.get(taskId)).state, "waiting");
  const denied = await stage.wire.ask({ path: `/tasks/${taskId}`, token: "not-the-token-either" });
  assert.deepEqual(
    [denied.status, pick(denied.json(), ["error"])],
    [401, { error: "Unauthorized" }],
  );
  const secrets = [stage.token, "not-the-token-of-this-server", "not-the-token-either"];
  const logs = [...stage.server.lines, ...worker.lines].join("\n");
  for (const secret of secrets) assert.ok(!logs.includes(secret), "no token is in a log");
});

/**
 * Types a line of the guide into a shell of the cloud server, with the port and the id put in.
 * Resolves with what it printed, as JSON.
 */
async function typed(stage: Stage, line: string, taskId = "", stdin = ""): Promise<unknown> {
  const there = line
    .replaceAll("localhost:3456", `localhost:${stage.port}`)
    .replaceAll("TASK_ID", taskId)
    .replaceAll("curl ", "curl -sS ");
  const argv = ["/bin/bash", "-c", `${there} <<< "$TYPED"`];
  const env = { PATH: "/usr/bin:/bin", WORKER_TOKEN: stage.token, TYPED: stdin };
  const program = startProgram({ argv, env });
  const ending = await program.ended;
  const printed = program.lines.join("\n");
  assert.equal(ending.code, 0, printed);
  return JSON.parse(printed);
}

function pick(value: unknown, names: readonly string[]): unknown {
  return Object.fromEntries(Object.entries(value ?? {}).filter(([name]) => names.includes(name)));
}
