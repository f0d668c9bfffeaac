// The MCP server as a real process, driven by the protocol's own client, against the real house.

import assert from "node:assert/strict";
import type { Client } from "@modelcontextprotocol/client";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { startProgram } from "./program.ts";
import { openStage, type Stage } from "./stage.ts";

await import("./foreign.ts");
const mcp = await import("@modelcontextprotocol/client");
const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");

const launcher = path.resolve(import.meta.dirname, "../bin/openclaw-worker.cjs");

function environment(stage: Stage): Record<string, string> {
  const PATH = process.env["PATH"] ?? "/usr/bin:/bin";
  return { PATH, HOME: stage.folder, WORKER_URL: stage.url, WORKER_TOKEN: stage.token };
}

async function connected(stage: Stage): Promise<Client> {
  const client = new mcp.Client({ name: "test", version: "1" });
  const args = [launcher, "mcp"];
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args, env: environment(stage) }),
  );
  return client;
}

function structured(result: { readonly structuredContent?: unknown }): Record<string, unknown> {
  const { structuredContent } = result;
  assert.ok(typeof structuredContent === "object" && structuredContent !== null);
  return { ...structuredContent };
}

test("an MCP client runs commands and uses files on the worker's computer", async () => {
  await using stage = await openStage();
  await stage.startWorker();
  const client = await connected(stage);
  try {
    const { tools } = await client.listTools();
    assert.deepEqual(tools.map(({ name }) => name).sort(), [
      "cancel_task",
      "edit_file",
      "list_folder",
      "read_file",
      "run",
      "task",
      "tasks",
      "workers",
      "write_file",
    ]);
    assert.ok(tools.every(({ outputSchema }) => outputSchema !== undefined));
    assert.equal(tools.find(({ name }) => name === "read_file")?.annotations?.readOnlyHint, true);
    assert.equal(tools.find(({ name }) => name === "run")?.annotations?.destructiveHint, true);

    const call = (name: string, given: Record<string, unknown>) =>
      client.callTool({ name, arguments: given });
    const ran = await call("run", { command: "echo hello; exit 3" });
    assert.equal(ran.isError, true, "a program that failed is an error for the model");
    assert.deepEqual(
      [structured(ran)["stdout"], structured(ran)["exitCode"], structured(ran)["worker"]],
      ["hello\n", 3, "desk"],
    );
    await call("write_file", { path: "note.txt", content: "one two" });
    await call("edit_file", { path: "note.txt", oldString: "two", newString: "$& three" });
    assert.equal(readFileSync(path.join(stage.rootOf(), "note.txt"), "utf8"), "one $& three");
    const read = await call("read_file", { path: "note.txt" });
    assert.equal(structured(read)["stdout"], "one $& three");
    assert.match(
      String(structured(await call("list_folder", { path: "." }))["stdout"]),
      /note\.txt/,
    );

    const refused = await call("read_file", { path: "/etc/shadow" });
    assert.equal(refused.isError, true);
    assert.equal(structured(refused)["outcome"], "refused");
    assert.match(String(structured(refused)["hint"]), /roots|allow/);
  } finally {
    await client.close();
  }
});

test("a call that waits tells its progress, and its task ends with it when it is cancelled", async () => {
  await using stage = await openStage();
  await stage.startWorker();
  const client = await connected(stage);
  try {
    const stop = new AbortController();
    const told: number[] = [];
    const onprogress = ({ progress }: { readonly progress: number }): void => {
      told.push(progress);
      stop.abort();
    };
    const call = client.callTool(
      { name: "run", arguments: { command: "sleep 60" } },
      { signal: stop.signal, onprogress },
    );
    await assert.rejects(call);
    assert.ok(told.length > 0);
    const [task] = (await stage.client.list()).tasks;
    assert.ok(task !== undefined);
    assert.equal((await stage.client.wait(task.taskId)).outcome, "cancelled");
  } finally {
    await client.close();
  }
});

test("a task that outlasts its call is looked at again by its id, and as a resource", async () => {
  await using stage = await openStage();
  await stage.startWorker();
  const client = await connected(stage);
  try {
    const begun = await client.callTool({
      name: "run",
      arguments: { command: "sleep 1; echo late", waitMs: 0 },
    });
    const { taskId, outcome } = structured(begun);
    assert.equal(outcome, undefined);
    const ended = await client.callTool({ name: "task", arguments: { taskId, waitMs: 30_000 } });
    assert.equal(structured(ended)["stdout"], "late\n");
    const uri = `openclaw-worker://tasks/${String(taskId)}`;
    const { contents } = await client.readResource({ uri });
    assert.match(JSON.stringify(contents), /late/);
    const { resources } = await client.listResources();
    assert.ok(resources.some((resource) => resource.uri === uri));
    const workers = await client.callTool({ name: "workers", arguments: {} });
    assert.match(JSON.stringify(structured(workers)), /"name":"desk","state":"online"/);
  } finally {
    await client.close();
  }
});

test("over HTTP the same tools answer whoever has the token, and nobody else", async () => {
  await using stage = await openStage();
  await stage.startWorker();
  const program = startProgram({
    argv: [process.execPath, launcher, "mcp", "--http", "0"],
    env: environment(stage),
    cwd: stage.folder,
  });
  try {
    const [, address = ""] = await program.said(/^MCP at (\S+);/);
    const url = new URL(address);
    const post = (headers: Record<string, string>) =>
      fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: "{}",
      });
    const bearer = `Bearer ${stage.token}`;
    assert.equal((await post({})).status, 401);
    assert.equal((await post({ authorization: "Bearer wrong" })).status, 401);
    assert.equal(
      (await post({ authorization: bearer, origin: "http://evil.example" })).status,
      403,
    );
    const client = new mcp.Client({ name: "test", version: "1" });
    await client.connect(
      new mcp.StreamableHTTPClientTransport(url, {
        requestInit: { headers: { authorization: bearer } },
      }),
    );
    const ran = await client.callTool({ name: "run", arguments: { command: "echo over http" } });
    assert.equal(structured(ran)["stdout"], "over http\n");
    await client.close();
  } finally {
    assert.equal((await program.stop()).code, 0);
  }
});
