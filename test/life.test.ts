// Tasks from one end to the other: client, server, worker, and the real cage.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import path from "node:path";
import { after, before, test } from "node:test";
import type { Result } from "@openclaw-worker/protocol";
import { openStage, type Stage } from "./stage.ts";

// One house for all of these: they only look at what comes back.
let stage: Stage;
before(async () => {
  stage = await openStage();
  await stage.startWorker();
});
after(() => stage[Symbol.asyncDispose]());

const asWritten: readonly (readonly [name: string, command: string, stdout: string])[] = [
  ["a variable is set and used", 'x=5; echo "$x"', "5\n"],
  [
    "single quotes hold back everything",
    "echo '$(id -u) `id` $HOME \\n'",
    "$(id -u) `id` $HOME \\n\n",
  ],
  ["quotes within quotes stay", `echo "it's" 'a "b"' "\\$x" "a\\"b"`, `it's a "b" $x a"b\n`],
  ["a command is several lines", "echo one\n\necho two # not this\n", "one\ntwo\n"],
  ["a here-document is read", "cat <<'END'\n $x 'y' \"z\" \\\nEND\n", " $x 'y' \"z\" \\\n"],
  ["a here-document expands when it may", "x=7; cat <<END\n$x $((x+1))\nEND", "7 8\n"],
  ["arguments keep their blanks", `printf '<%s>' "a  b" '' 'c\td'`, "<a  b><><c\td>"],
  ["stars meet only files", "touch b.txt a.txt; echo *.txt; rm ?.txt", "a.txt b.txt\n"],
  ["pipes and subshells work", "(echo b; echo a) | sort | tr a-z A-Z", "A\nB\n"],
  ["text that is no ASCII comes through", "echo 'Grüße, 世界 🦞'", "Grüße, 世界 🦞\n"],
  ["nothing is printed", "true", ""],
  ["a last line without its end stays so", "printf a", "a"],
  ["a daemon that is left behind does not keep the task", "sleep 600 & echo left", "left\n"],
  ["what looks like an option is an argument", "echo -- -e --help", "-- -e --help\n"],
];
for (const [name, command, stdout] of asWritten) {
  test(`a command runs as written: ${name}`, async () => {
    const result = await run(command);
    assert.deepEqual(result, { stdout, stderr: "", exitCode: 0, error: null, outcome: "done" });
  });
}

test("a command reads its stdin, and its awk is not expanded", async () => {
  const command = "awk '{print $2}'";
  const { stdout } = await stage.client.run({ kind: "command", command, stdin: "a b c\nd e f\n" });
  assert.equal(stdout, "b\ne\n");
});

test("stdin is empty when none is given", async () => {
  assert.equal((await run("cat; echo end")).stdout, "end\n");
});

test("a script of 100 KiB runs, and 300 KB of output come back whole", async () => {
  const lines = Array.from({ length: 4_000 }, (_, index) => `echo line ${index} of a long script`);
  const result = await run(lines.join("\n"));
  assert.equal(result.stdout, lines.map((line) => `${line.slice(5)}\n`).join(""));
  const long = await run("head -c 300000 /dev/zero | tr '\\0' x; echo; echo end >&2");
  assert.deepEqual([long.stdout, long.stderr], [`${"x".repeat(300_000)}\n`, "end\n"]);
});

test("output that is not UTF-8 comes as base64, each stream by itself", async () => {
  const result = await stage.client.run({
    kind: "command",
    command: "printf 'a\\377\\000b'; echo text >&2",
  });
  assert.deepEqual(
    [result.stdout, result.stdoutEncoding, result.stderr, result.stderrEncoding],
    [Buffer.from([0x61, 0xff, 0, 0x62]).toString("base64"), "base64", "text\n", undefined],
  );
});

test("an exit code and a signal are told, with what was printed before", async () => {
  assert.deepEqual(await run("echo out; echo err >&2; exit 7"), {
    stdout: "out\n",
    stderr: "err\n",
    exitCode: 7,
    error: "Command exited with code 7",
    outcome: "done",
  });
  const killed = await run("echo before; kill -TERM $$; sleep 10");
  assert.deepEqual(
    [killed.stdout, killed.exitCode, killed.error, killed.outcome],
    ["before\n", 143, "Command exited with code 143 (signal 15)", "done"],
  );
});

test("exec hands every argument over as it is, without a shell", async () => {
  const argv = ["printf", "<%s>", "a b", "it's", '"q"', "$HOME", "*", "", "-n", "line\nend", "世"];
  const result = await stage.client.run({ kind: "exec", argv });
  assert.equal(
    result.stdout,
    argv
      .slice(2)
      .map((word) => `<${word}>`)
      .join(""),
  );
  const missing = await stage.client.run({ kind: "exec", argv: ["no-such-program", "x"] });
  assert.equal(missing.exitCode, 127);
});

test("cwd and env reach a command", async () => {
  await run("mkdir -p 'a folder'");
  const result = await stage.client.run({
    kind: "command",
    command: 'printf "%s %s" "$PWD" "$GREETING"',
    cwd: "~/openclaw/a folder",
    env: { GREETING: "it's $x" },
  });
  assert.equal(result.stdout, `${stage.rootOf()}/a folder it's $x`);
});

test("a file comes and goes byte for byte", async () => {
  const contents: readonly Buffer[] = [
    Buffer.from(""),
    Buffer.from("no end of line"),
    Buffer.from("one\r\ntwo\r\n\r\n"),
    Buffer.from("\n\n  \t\n"),
    Buffer.from("\ufeffGrüße 🦞\n"),
    randomBytes(100_000),
    Buffer.from([0, 0, 0]),
  ];
  for (const content of contents) {
    const name = "~/openclaw/new/folder/bytes";
    const place = path.join(stage.rootOf(), "new/folder/bytes");
    const written = await stage.client.run({
      kind: "file-write",
      path: name,
      content: content.toString("base64"),
      encoding: "base64",
    });
    assert.equal(written.stdout, `File written: ${place}`);
    assert.deepEqual(readFileSync(place), content);
    const { stdout, encoding = "utf8" } = await stage.client.run({ kind: "file-read", path: name });
    assert.deepEqual(Buffer.from(stdout, encoding), content);
  }
});

test("text is written as it is, through the guide's own routes", async () => {
  const place = path.join(stage.rootOf(), "text");
  for (const content of ["", "a\r\nb", "  x  ", "$& $$ \\n %s\n"]) {
    const { taskId } = await stage.client.submitOld("/files/write", { path: place, content });
    assert.equal((await stage.client.wait(taskId)).exitCode, 0);
    assert.equal(readFileSync(place, "utf8"), content);
    const read = await stage.client.submitOld("/files/read", { path: place });
    assert.equal((await stage.client.wait(read.taskId)).stdout, content);
  }
});

test("an edit takes its texts literally, and says what it did not find", async () => {
  const place = path.join(stage.rootOf(), "edited");
  writeFileSync(place, "a.c abc $x\r\nabc\n");
  const edit = async (oldString: string, newString: string, replaceAll = false) => {
    const result = await stage.client.run({
      kind: "file-edit",
      path: place,
      oldString,
      newString,
      replaceAll,
    });
    return result.error ?? result.stdout;
  };
  assert.equal(await edit("a.c", "$& $$ $1 \\1"), `File edited: ${place}`);
  assert.equal(readFileSync(place, "utf8"), "$& $$ $1 \\1 abc $x\r\nabc\n");
  assert.equal(await edit("abc", "x"), "old_string not unique");
  assert.equal(await edit("a.c", "x"), "old_string not found");
  assert.equal(await edit("abc", "$'", true), `File edited: ${place}`);
  assert.equal(readFileSync(place, "utf8"), "$& $$ $1 \\1 $' $x\r\n$'\n");
  const gone = await stage.client.run({
    kind: "file-edit",
    path: `${place}-not`,
    oldString: "a",
    newString: "b",
  });
  assert.deepEqual([gone.exitCode, gone.error], [1, "File not found"]);
});

test("a folder is listed, and a missing file says ENOENT", async () => {
  await run("mkdir -p listed/sub; printf abc > listed/b; : > 'listed/a b'; ln -s b listed/link");
  const listed = await stage.client.run({ kind: "file-list", path: "~/openclaw/listed" });
  const rows: unknown[] = listed.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const told = rows.map((row) =>
    Object.entries(row ?? {}).filter(([name]) => name !== "modifiedMs"),
  );
  const sizeOf = (name: string): number => statSync(path.join(stage.rootOf(), "listed", name)).size;
  assert.deepEqual(
    told.map((row) => Object.fromEntries(row)),
    [
      { name: "a b", type: "file", size: 0 },
      { name: "b", type: "file", size: 3 },
      { name: "link", type: "link", size: 1 },
      { name: "sub", type: "folder", size: sizeOf("sub") },
    ],
  );
  const gone = await stage.client.run({ kind: "file-read", path: "~/openclaw/none" });
  assert.equal(gone.exitCode, 1);
  assert.match(gone.error ?? "", /ENOENT/);
});

test("a task is not root, holds no capability, and cannot become more", async () => {
  const { stdout } = await run(
    "id -u; grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'",
  );
  const [uid, ...status] = stdout.trim().split("\n");
  assert.equal(Number(uid), process.getuid?.());
  assert.notEqual(Number(uid), 0);
  assert.deepEqual(status, ["CapEff:0000000000000000", "NoNewPrivs:1", "Seccomp:2"]);
});

test("a task reaches no network, not even this computer's own", async () => {
  let connections = 0;
  const listener = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  for (const target of [port, stage.port]) {
    const { stdout } = await run(
      `{ exec 9<>/dev/tcp/127.0.0.1/${target}; } 2>/dev/null && echo open || echo closed`,
    );
    assert.equal(stdout, "closed\n");
  }
  const curl = await run(`/usr/bin/curl -s -m 5 ${stage.url}/health || echo "no $?"`);
  assert.match(curl.stdout, /^no \d+\n$/);
  listener.close();
  assert.equal(connections, 0);
});

test("a task sees nothing of the worker's state, its token or the server's, by any road", async () => {
  const home = path.join(stage.folder, "desk");
  const secrets = [
    path.join(home, ".openclaw-worker/worker/journal.sqlite"),
    path.join(home, ".openclaw-worker"),
    path.join(stage.folder, "server/.openclaw-worker/server/tasks.db"),
  ];
  for (const secret of secrets) {
    assert.ok(statSync(secret).size > 0, "it is there, outside");
    const { stdout } = await run(`cat '${secret}' 2>/dev/null; ls -A '${secret}' 2>/dev/null`);
    assert.equal(stdout, "");
    const read = await stage.client.run({ kind: "file-read", path: secret });
    assert.equal(read.outcome, "refused");
    const link = await run(`ln -sf '${secret}' way; cat way 2>/dev/null`);
    assert.equal(link.stdout, "");
    const through = await stage.client.run({ kind: "file-read", path: "~/openclaw/way" });
    assert.notEqual(through.exitCode, 0);
    assert.equal(through.stdout, "");
  }
  const seen = await run("env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'");
  assert.ok(!seen.stdout.includes(stage.token), "the token is in no environment and no arguments");
});

test("what a task writes outside of its root is not there afterwards", async () => {
  const outside = path.join(stage.folder, "desk", "outside");
  await run(`echo x > '${outside}'; echo x > ~/outside; echo x > /tmp/outside-of-the-house`);
  assert.throws(() => statSync(outside), /ENOENT/);
  assert.throws(() => statSync("/tmp/outside-of-the-house"), /ENOENT/);
  const written = await stage.client.run({ kind: "file-write", path: outside, content: "x" });
  assert.equal(written.outcome, "refused");
  assert.match(written.error ?? "", /Refused by policy|lies outside/);
  assert.throws(() => statSync(outside), /ENOENT/);
});

type Ending = Pick<Result, "stdout" | "stderr" | "exitCode" | "error" | "outcome">;

async function run(command: string): Promise<Ending> {
  const { stdout, stderr, exitCode, error, outcome } = await stage.client.run({
    kind: "command",
    command,
  });
  return { stdout, stderr, exitCode, error, outcome };
}
