import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Report } from "@openclaw-worker/protocol";
import { alive, eventually } from "../fixtures/alive.ts";
import { refuseRoot } from "../fixtures/stage.ts";
import { openNetworkStage, type NetworkStage } from "./stage.ts";

let stage: NetworkStage;
let marker: string;
before(async () => {
  refuseRoot();
  stage = await openNetworkStage();
  marker = join(stage.folder, "marker");
  writeFileSync(marker, "outside\n");
});
after(() => stage[Symbol.asyncDispose]());

const outside = (command: string, more: object = {}): Promise<Report> =>
  stage.command(command, { outside: true, ...more });

test("what runs outside sees what the cage hides, and what runs in the cage does not", async () => {
  const there = await outside(`cat ${marker}`);
  assert.deepEqual([there.outcome, there.exitCode, there.stdout], ["done", 0, "outside\n"]);
  const here = await stage.command(`cat ${marker}`);
  assert.deepEqual([here.exitCode, here.stdout], [1, ""]);
});

test("the report is that of a cage: output, exit code, folder, standard input, variables", async () => {
  const report = await stage.run(
    {
      kind: "command",
      command: 'cat; pwd; echo "$WHO" >&2; exit 9',
      stdin: "in\n",
      env: { WHO: "me" },
    },
    { outside: true },
  );
  assert.deepEqual(
    [report.outcome, report.exitCode, report.stdout, report.stderr, report.error],
    ["done", 9, `in\n${stage.root}\n`, "me\n", "Command exited with code 9"],
  );
  const argv = await stage.run(
    { kind: "exec", argv: ["printf", "%s|", "a b", "$x"] },
    { outside: true },
  );
  assert.equal(argv.stdout, "a b|$x|");
  const nowhere = await outside("true", { cwd: join(stage.root, "none") });
  assert.match(nowhere.error ?? "", /folder .*none does not exist/);
});

test("nothing of the worker's environment comes along", async () => {
  process.env["OPENCLAW_SECRET"] = "secret";
  try {
    const report = await outside("/usr/bin/env | cut -d= -f1 | sort");
    const names = report.stdout.trim().split("\n");
    // The mark by which a daemon is found when the command is to be ended.
    assert.deepEqual(names, [
      "HOME",
      "LANG",
      "OPENCLAW_WORKER_RUN",
      "PATH",
      "PWD",
      "SHLVL",
      "TERM",
      "TMPDIR",
      "_",
    ]);
    assert.doesNotMatch(report.stdout, /secret/i);
  } finally {
    delete process.env["OPENCLAW_SECRET"];
  }
});

test("a script that is longer than an argument can be runs whole", async () => {
  const lines = Array.from({ length: 6_000 }, (_, at) => `x=${at} # ${"é".repeat(6)}`);
  const report = await outside(`echo first\n${lines.join("\n")}\necho "last $x"`);
  assert.equal(report.stdout, "first\nlast 5999\n");
});

test("a timeout ends the whole tree: also what took a session of its own, and what ignores signals", async () => {
  const mark = "71717171";
  const report = await outside(
    `trap '' TERM INT HUP; setsid sleep ${mark} & (setsid sh -c 'sleep ${mark} & sleep ${mark}' &) ; touch up; sleep ${mark}`,
    { timeoutMs: 1_500 },
  );
  assert.equal(report.outcome, "timeout");
  assert.ok(existsSync(join(stage.root, "up")));
  await eventually(() => alive(mark).length === 0);
});

test("a cancelled command ends at once, with what it had printed", async () => {
  const controller = new AbortController();
  const running = outside("echo begun; touch ready; sleep 72727272", { signal: controller.signal });
  await eventually(() => existsSync(join(stage.root, "ready")));
  controller.abort();
  const report = await running;
  assert.deepEqual([report.outcome, report.stdout], ["cancelled", "begun\n"]);
  await eventually(() => alive("72727272").length === 0);
});

test("what a command leaves running when it ends by itself stays, and does not hold up the report", async () => {
  const report = await outside("setsid sleep 73737373 & echo done");
  assert.deepEqual([report.outcome, report.stdout], ["done", "done\n"]);
  const left = alive("73737373");
  assert.equal(left.length, 1);
  for (const pid of left) process.kill(pid, "SIGKILL");
});

test("a flood is cut as in the cage", async () => {
  const report = await outside("head -c 6000000 /dev/zero | tr '\\0' x");
  assert.equal(report.truncated?.stdoutBytes, 6_000_000);
});

test("the worker's own files are not among what it may open by another name", async () => {
  const report = await outside("ls /proc/self/fd | wc -l; readlink /proc/self/fd/3 || echo none");
  assert.match(report.stdout, /none/);
  assert.equal(readFileSync(marker, "utf8"), "outside\n");
});
