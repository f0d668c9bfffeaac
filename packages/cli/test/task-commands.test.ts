import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import type { Spec } from "@openclaw-worker/protocol";
import { openStage, type Answering } from "./stage.ts";

const done =
  (report: object): Answering =>
  () =>
    report;

test("run prints both streams as they came and ends with the program's code", async () => {
  await using stage = await openStage(done({ stdout: "a\nb", stderr: "oh\n", exitCode: 3 }));
  const ran = await stage.cli(["run", "whatever"]);
  assert.deepEqual([ran.out, ran.err, ran.code], ["a\nb", "oh\n", 3]);
});

test("bytes that are no text arrive as the bytes they were", async () => {
  const bytes = Buffer.from([0xff, 0x00, 0xfe, 0x0a]);
  const report = { stdout: bytes.toString("base64"), stdoutEncoding: "base64" };
  await using stage = await openStage(done(report));
  assert.deepEqual((await stage.cli(["run", "cat photo"])).stdout, bytes);
});

test("run hands over folder, environment, standard input and timeout as they were given", async () => {
  const seen: Spec[] = [];
  await using stage = await openStage((spec) => {
    seen.push(spec);
    return {};
  });
  const flags = ["--cwd", "~/x", "--env", "A=b=c", "--stdin", "--timeout", "1.5s"];
  const ran = await stage.cli(["run", ...flags, "tr a b"], { stdin: "héllo" });
  assert.equal(ran.code, 0, ran.err);
  const stdin = "héllo";
  assert.deepEqual(seen, [
    { kind: "command", command: "tr a b", cwd: "~/x", env: { A: "b=c" }, stdin },
  ]);
});

test("exec passes every argument as it is, options of the program too", async () => {
  const seen: Spec[] = [];
  await using stage = await openStage((spec) => {
    seen.push(spec);
    return {};
  });
  await stage.cli(["exec", "--", "git", "log", "--format=%s", "a b", "$x;"]);
  assert.deepEqual(seen, [{ kind: "exec", argv: ["git", "log", "--format=%s", "a b", "$x;"] }]);
});

test("files are written from standard input, from a file and from the command line", async () => {
  const seen: Spec[] = [];
  await using stage = await openStage((spec) => {
    seen.push(spec);
    return { stdout: "File written: /x" };
  });
  const source = path.join(stage.folder, "source");
  await fs.writeFile(source, Buffer.from([0xff, 0x01]));
  await stage.cli(["write", "/x", "--content", ""]);
  await stage.cli(["write", "/x"], { stdin: "from stdin\n" });
  await stage.cli(["write", "/x", "--file", source]);
  assert.deepEqual(
    seen.map((spec) => spec.kind === "file-write" && [spec.content, spec.encoding]),
    [
      ["", "utf8"],
      ["from stdin\n", "utf8"],
      ["/wE=", "base64"],
    ],
  );
});

test("edit, read and ls ask for exactly that", async () => {
  const seen: Spec[] = [];
  await using stage = await openStage((spec) => {
    seen.push(spec);
    return {};
  });
  await stage.cli(["edit", "f", "--old", "a", "--new", "$&", "--all"]);
  await stage.cli(["read", "f"]);
  await stage.cli(["ls", "d"]);
  assert.deepEqual(seen, [
    { kind: "file-edit", path: "f", oldString: "a", newString: "$&", replaceAll: true },
    { kind: "file-read", path: "f" },
    { kind: "file-list", path: "d" },
  ]);
});

for (const [outcome, exitCode, error, code] of [
  ["timeout", 124, "Timeout after 1000 ms", 124],
  ["refused", 126, "Refused by policy: no", 126],
  ["cancelled", 130, "Cancelled", 130],
  ["failed", -1, "no cage", 1],
] as const) {
  test(`a task that ends ${outcome} says why and ends the command with ${code}`, async () => {
    await using stage = await openStage(done({ outcome, exitCode, error }));
    const ran = await stage.cli(["run", "x"]);
    assert.equal(ran.code, code);
    assert.ok(ran.err.includes(error), ran.err);
  });
}

test("output that was cut is told, never silent", async () => {
  const truncated = { stdoutBytes: 10, stderrBytes: 0, stdoutLeftOut: 7, stderrLeftOut: 0 };
  await using stage = await openStage(done({ stdout: "abc", truncated }));
  assert.match((await stage.cli(["run", "x"])).err, /7 bytes of stdout were left out/);
});

test("--json prints the whole result, and --detach the id of a task that can be looked at", async () => {
  await using stage = await openStage(done({ stdout: "out\n" }));
  const result: unknown = JSON.parse((await stage.cli(["run", "--json", "x"])).out);
  assert.ok(typeof result === "object" && result !== null && "outcome" in result);
  const id = (await stage.cli(["run", "--detach", "x"])).out.trim();
  const shown = await stage.cli(["task", "--wait", id]);
  assert.match(shown.out, /outcome +done, exit code 0[^]*--- stdout\nout\n/);
  const listed = await stage.cli(["tasks", "--limit", "1"]);
  assert.ok(listed.out.includes(id), listed.out);
});

test("Ctrl-C cancels the task at its worker and ends with 130", async () => {
  const started = Promise.withResolvers<void>();
  let wasCancelled = false;
  await using stage = await openStage(async (_, cancelled) => {
    started.resolve();
    if (!cancelled.aborted) await once(cancelled, "abort");
    wasCancelled = true;
    return { outcome: "cancelled", exitCode: 130, error: "Cancelled", stdout: "so far\n" };
  });
  const ran = await stage.cli(["run", "sleep 100"], {
    onStart: (child) => void started.promise.then(() => child.kill("SIGINT")),
  });
  assert.ok(wasCancelled);
  assert.equal(ran.code, 130);
  assert.equal(ran.out, "so far\n");
});

test("cancel ends a task that nobody took yet", async () => {
  await using stage = await openStage(null);
  const id = (await stage.cli(["run", "--detach", "x"])).out.trim();
  assert.equal((await stage.cli(["cancel", id])).code, 0);
  const shown = await stage.cli(["task", id]);
  assert.match(shown.out, /outcome +cancelled/);
});

test("workers are listed with their state", async () => {
  await using stage = await openStage(done({}));
  assert.match((await stage.cli(["workers"])).out, /home +online/);
});

test("words that are no command, no option or no duration end with 2 and say so", async () => {
  await using stage = await openStage(null);
  for (const args of [
    ["fly"],
    ["run"],
    ["run", "a", "b"],
    ["run", "--timeout", "soon", "x"],
    ["run", "--timeout", "10ms", "x"],
    ["run", "--env", "novalue", "x"],
    ["tasks", "--status", "odd"],
    [],
  ]) {
    const ran = await stage.cli(args);
    assert.equal(ran.code, 2, args.join(" "));
    assert.notEqual(ran.err, "");
    assert.equal(ran.out, "");
  }
});

test("a server that is not there ends with 69 and says what to do", async () => {
  const stage = await openStage(null);
  const { url } = stage;
  await stage[Symbol.asyncDispose]();
  await using other = await openStage(null);
  const ran = await other.cli(["workers"], { env: { WORKER_URL: url } });
  assert.equal(ran.code, 69);
  assert.match(ran.err, /Cannot reach the server\n {2}why: .*ECONNREFUSED.*\n {2}do: /);
});

test("every command explains itself with examples", async () => {
  await using stage = await openStage(null);
  const names = ["up", "server", "worker", "run", "exec", "read", "write", "edit", "ls"].concat([
    "tasks",
    "task",
    "cancel",
    "workers",
    "policy",
    "doctor",
  ]);
  const shown = await Promise.all(names.map((name) => stage.cli([name, "--help"])));
  for (const [at, ran] of shown.entries()) {
    assert.equal(ran.code, 0);
    assert.match(ran.out, /Examples:/, names[at] ?? "");
  }
  const overview = await stage.cli(["--help"]);
  for (const name of names) assert.ok(overview.out.includes(`\n  ${name} `), name);
});
