import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, realpathSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openStage, refuseRoot, type Stage } from "../fixtures/stage.ts";

let stage: Stage;
before(async () => {
  refuseRoot();
  stage = await openStage({ warm: 2 });
});
after(() => stage[Symbol.asyncDispose]());

const scripts: Readonly<Record<string, string>> = {
  "a variable": 'x=5; echo "$x"',
  "awk's own dollars": "echo 'a b c' | awk '{print $2}'",
  "quotes in quotes": `echo 'it'"'"'s' "a \\"b\\"" '$(id -u)' \`echo sub\``,
  "several lines": "echo one\necho two\n\n# comment\necho three",
  "a here-document": "cat <<EOF\nhello $((1 + 1)) 'x'\nEOF\necho after",
  "a here-document without expansion": "cat <<'E'\n$HOME `id` \\n\nE",
  "a line that ends in a backslash": "echo a\\",
  "newlines at the end": "echo x\n\n\n",
  "tabs and unicode": "printf '%s\\t%s\\n' 'ä€😀' \"\t\"",
  "a syntax error": "echo before\nif then",
  "an unclosed quote": "echo 'never closed",
  "a failing last command": "true; false",
  "an exit": "echo bye; exit 42; echo never",
  "set -e": "set -e; false; echo never",
  "a missing program": "no-such-program-here",
  "a program that is killed": "kill -TERM $$",
  "a child that is killed": "sh -c 'kill -9 $$'; echo $?",
  "an exit trap": "trap 'echo trapped' EXIT; exit 3",
  "a function named like the stage's words": 's=1; f() { echo "f:$s"; }; f',
  "positional parameters": 'echo "$# $0"',
  "shell options": "echo $-; shopt -p | sha256sum",
  "an empty comment": "#",
  "end of a stage": "echo '#openclaw-worker: this is the end of the task'",
};

for (const [what, script] of Object.entries(scripts)) {
  test(`a command is what bash makes of it: ${what}`, async () => {
    const report = await stage.command(script);
    const plain = spawnSync("/bin/bash", ["--noprofile", "--norc", "-c", script], {
      cwd: stage.root,
      env: { PATH: "/usr/bin:/bin" },
      stdio: ["ignore", "pipe", "pipe"],
      encoding: "utf8",
    });
    const code = plain.status ?? 128 + constants.signals[plain.signal ?? "SIGABRT"];
    assert.equal(report.outcome, "done");
    assert.deepEqual([report.stdout, report.exitCode], [plain.stdout, code]);
    assert.equal(report.stderr === "", plain.stderr === "");
  });
}

test("the first and the last line of a 100 KiB script run", async () => {
  const lines = Array.from({ length: 6_000 }, (_, at) => `x=${at} # ${"é".repeat(6)}`);
  const report = await stage.command(`echo first\n${lines.join("\n")}\necho "last $x"`);
  assert.deepEqual([report.stdout, report.exitCode], ["first\nlast 5999\n", 0]);
});

test("a script of a megabyte, which no argument list could hold, runs", async () => {
  const report = await stage.command(`cat <<'E' | wc -c\n${"y".repeat(1_000_000)}\nE\n`);
  assert.equal(report.stdout, "1000001\n");
});

test("exec hands its words to the program, and no shell looks at them", async () => {
  const words = ["$(id)", "a b", "", "'", '"', "*", "\\n", "ä\n", "-n", "`id`", "${HOME}", "&&"];
  const report = await stage.run({ kind: "exec", argv: ["/usr/bin/printf", "<%s>", ...words] });
  assert.equal(report.stdout, words.map((word) => `<${word}>`).join(""));
});

test("exec of a program that does not exist ends with 127, of a folder with 126", async () => {
  const missing = await stage.run({ kind: "exec", argv: ["no-such-program"] });
  assert.deepEqual([missing.outcome, missing.exitCode], ["done", 127]);
  assert.match(missing.stderr, /no-such-program: not found/);
  const dashed = await stage.run({ kind: "exec", argv: ["-no-such", "x"] });
  assert.equal(dashed.exitCode, 127);
  const folder = await stage.run({ kind: "exec", argv: ["/usr"] });
  assert.equal(folder.exitCode, 126);
});

test("a task starts in its folder, also when the name needs quoting", async () => {
  const folder = join(stage.root, "it's $HOME; `x`");
  mkdirSync(folder);
  assert.equal((await stage.command("pwd", { cwd: folder })).stdout, `${realpathSync(folder)}\n`);
});

test("a folder that is not there is a failure that says so", async () => {
  for (const cwd of [join(stage.root, "nowhere"), "/home/nobody-here", stage.state]) {
    const report = await stage.command("echo ran", { cwd });
    assert.deepEqual([report.outcome, report.exitCode, report.stdout], ["failed", -1, ""]);
    assert.ok(report.error?.includes(cwd));
  }
});

test("variables reach the task exactly, those that bash keeps for itself included", async () => {
  const env = {
    A: "it's $HOME\n`x`",
    UID: "7",
    IFS: "x",
    BASH_ENV: "/nope",
    PATH: "/usr/bin",
    s: "1",
  };
  const report = await stage.run({ kind: "exec", argv: ["env", "-0"], env });
  const seen = new Set(report.stdout.split("\0"));
  for (const [name, value] of Object.entries(env)) assert.ok(seen.has(`${name}=${value}`), name);
  const shell = await stage.run({
    kind: "command",
    command: 'printf %s "$A|$s|$SHLVL"',
    env: { A: "1 2", s: "x" },
  });
  assert.equal(shell.stdout, "1 2|x|1");
});

test("the environment is what the login environment gives and nothing of the worker's own", async () => {
  process.env["WORKER_LEAK_PROBE"] = "secret";
  const report = await stage.run({ kind: "exec", argv: ["env"] });
  delete process.env["WORKER_LEAK_PROBE"];
  const names = report.stdout
    .trim()
    .split("\n")
    .map((line) => line.split("=")[0]);
  const expected = ["HOME", "LANG", "PATH", "PWD", "SHLVL", "TERM", "TMPDIR", "_"];
  assert.deepEqual(
    names.sort().filter((name) => name !== "_"),
    expected.filter((name) => name !== "_"),
  );
});

test("input is what was given; without it, there is none to wait for", async () => {
  const given = await stage.run({
    kind: "command",
    command: "cat; cat /dev/stdin",
    stdin: "a\nb\0c",
  });
  // A file, as after `<`: opened again, it is read from its beginning.
  assert.equal(given.stdout, "a\nb\0ca\nb\0c");
  const none = await stage.run({ kind: "command", command: "cat; echo end" });
  assert.equal(none.stdout, "end\n");
  const big = "x".repeat(3_000_000);
  const counted = await stage.run({ kind: "exec", argv: ["wc", "-c"], stdin: big });
  assert.equal(counted.stdout, "3000000\n");
  const unread = await stage.run({ kind: "exec", argv: ["true"], stdin: big });
  assert.deepEqual([unread.outcome, unread.exitCode], ["done", 0]);
});

test("a script may open /dev/stdout and /dev/stderr again", async () => {
  const report = await stage.command(
    "echo out > /dev/stdout; echo err > /dev/stderr; echo t | tee /dev/stderr",
  );
  assert.deepEqual([report.stdout, report.stderr, report.exitCode], ["out\nt\n", "err\nt\n", 0]);
});

test("a program that exits 0 has no error; others carry the sentence", async () => {
  assert.equal((await stage.command("true")).error, null);
  assert.equal((await stage.command("exit 7")).error, "Command exited with code 7");
  const killed = await stage.command("kill -KILL $$");
  assert.deepEqual(
    [killed.exitCode, killed.error],
    [137, "Command exited with code 137 (signal 9)"],
  );
});

test("a NUL character in a command is refused in words", async () => {
  const report = await stage.command("echo a\0b");
  assert.equal(report.outcome, "failed");
  assert.match(report.error ?? "", /NUL/);
});

test("output that is not UTF-8 comes back byte for byte", async () => {
  const report = await stage.command("printf '\\377\\000\\376'; printf text >&2");
  assert.equal(report.stdoutEncoding, "base64");
  assert.deepEqual(Buffer.from(report.stdout, "base64"), Buffer.from([255, 0, 254]));
  assert.deepEqual([report.stderr, report.stderrEncoding], ["text", undefined]);
});

test("many tasks at once each get a cage and their own answer", async () => {
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, at) =>
      stage.command(`echo ${at} > /tmp/x; cat /tmp/x; ls /tmp | grep -v worker-test`),
    ),
  );
  assert.deepEqual(
    answers.map((report) => report.stdout),
    answers.map((_, at) => `${at}\nx\n`),
  );
});
