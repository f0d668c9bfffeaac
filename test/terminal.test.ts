// The live list on a real terminal: `script` of util-linux gives the command a pseudo-terminal, whose
// keys are typed here, and whose screen is read as it was drawn.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { launcher, openPerson } from "./person.ts";
import { until } from "./scene.ts";
import { openStage, type Stage } from "./stage.ts";

interface Terminal extends AsyncDisposable {
  /** The lines that are on the screen now, without colors. */
  screen(): readonly string[];
  /** Resolves when something on the screen fits. */
  shows(pattern: RegExp): Promise<void>;
  type(keys: string): void;
  /** A key pressed at once would be meant for what was there before, and counts for nothing. */
  look(): Promise<void>;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
  /** Everything that was ever written to it. */
  output(): string;
  /** Were the terminal's own settings the same before and after? */
  restored(): boolean;
}

interface Size {
  readonly columns: number;
  readonly rows: number;
}

const hastyMs = 650;
const escape = "\u001B";

function openTerminal(stage: Stage, size: Size, ...args: readonly string[]): Terminal {
  const home = path.join(stage.folder, "desk");
  const settings = (when: string): string => path.join(stage.folder, `stty-${when}`);
  const words = [process.execPath, launcher, ...args].map((word) => `'${word}'`).join(" ");
  const command = [
    `stty columns ${size.columns} rows ${size.rows}`,
    `stty -g >'${settings("before")}'`,
    words,
    "code=$?",
    `stty -g >'${settings("after")}'`,
    "exit $code",
  ].join("; ");
  const child = spawn("script", ["--quiet", "--flush", "--return", "-c", command, "/dev/null"], {
    env: {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: home,
      TERM: "xterm-256color",
      SHELL: "/bin/sh",
      LANG: "C.UTF-8",
      WORKER_URL: stage.url,
      WORKER_TOKEN: stage.token,
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stdin.on("error", () => {});
  const ended = once(child, "close").then(() => child.exitCode);
  // Every drawing begins at the top left.
  const screen = (): readonly string[] =>
    output
      .slice(output.lastIndexOf(`${escape}[H`) + 3)
      .replaceAll(colors, "")
      .split(/\r*\n/)
      .slice(0, -1);
  return {
    ended,
    output: () => output,
    screen,
    type: (keys) => void child.stdin.write(keys),
    look: () => pause(hastyMs),
    shows: async (pattern) =>
      void (await until(() => (pattern.test(screen().join("\n")) ? true : undefined))),
    restored: () =>
      readFileSync(settings("before"), "utf8") === readFileSync(settings("after"), "utf8") &&
      output.trimEnd().endsWith(`${escape}[?25h${escape}[?1049l`),
    async [Symbol.asyncDispose]() {
      // As a terminal that is closed: what runs on it gets a SIGHUP.
      if (child.exitCode === null) child.kill("SIGKILL");
      await ended;
    },
  };
}

// What changes colors, and what clears the rest of a line or screen (ECMA-48, CSI).
const colors = new RegExp(`${escape}\\[[0-9;]*[mKJ]`, "g");

function policyOf(stage: Stage): void {
  const folder = path.join(stage.folder, "desk/.openclaw-worker");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  mkdirSync(stage.rootOf(), { recursive: true });
  const policy = {
    roots: [stage.rootOf()],
    default: "cage",
    rules: { ask: ["Bash(touch *)"] },
  };
  writeFileSync(path.join(folder, "policy.json"), JSON.stringify(policy), { mode: 0o600 });
}

const did = (stage: Stage, name: string): boolean => existsSync(path.join(stage.rootOf(), name));
const touch = (stage: Stage, name: string) =>
  stage.client.run({ kind: "command", command: `touch ${name}` });

test("the live list shows what waits, a lets it run, and q gives the terminal back", async () => {
  await using stage = await openStage();
  policyOf(stage);
  await stage.startWorker();
  await using terminal = openTerminal(stage, { columns: 80, rows: 24 }, "approvals");
  await terminal.shows(/Nothing waits for you/);
  const result = touch(stage, "it");
  await terminal.shows(/1 waits for your yes/);
  assert.match(terminal.screen().join("\n"), /touch it\n.*command, 8 characters/);
  terminal.type("a");
  await terminal.shows(/just come up/);
  assert.equal(did(stage, "it"), false, "a key pressed in the same moment was meant for another");
  await terminal.look();
  terminal.type("a");
  assert.equal((await result).outcome, "done");
  await terminal.shows(/Nothing waits.*\nAllowed once/);
  assert.equal(did(stage, "it"), true);
  terminal.type("q");
  assert.equal(await terminal.ended, 0);
  assert.ok(terminal.restored());
});

test("ten that wait at once are all on the screen, and each is decided by itself", async () => {
  await using stage = await openStage();
  policyOf(stage);
  await stage.startWorker();
  await using terminal = openTerminal(stage, { columns: 100, rows: 40 }, "approvals");
  const names = Array.from({ length: 10 }, (_, at) => `file-${at}`);
  const results = names.map((name) => touch(stage, name));
  await terminal.shows(/10 wait for your yes/);
  const seen = new Set<string>();
  for (let left = 10; left > 0; left -= 1) {
    await terminal.shows(new RegExp(`^${left} waits? for your yes`));
    for (const line of terminal.screen()) {
      const name = /desk: touch (\S+)/.exec(line)?.[1];
      if (name !== undefined) seen.add(name);
    }
    const chosen = /^> desk: touch file-(\d)/m.exec(terminal.screen().join("\n"))?.[1];
    assert.ok(chosen !== undefined, terminal.screen().join("\n"));
    await terminal.look();
    terminal.type(Number(chosen) % 2 === 0 ? "a" : "d");
  }
  await terminal.shows(/Nothing waits for you/);
  assert.deepEqual([...seen].toSorted(), names);
  for (const [at, result] of (await Promise.all(results)).entries()) {
    assert.equal(result.outcome, at % 2 === 0 ? "done" : "refused", result.error ?? "");
    assert.equal(did(stage, `file-${at}`), at % 2 === 0);
  }
});

test("characters that would steer the terminal are written out, and Ctrl-C gives the terminal back", async () => {
  await using stage = await openStage();
  policyOf(stage);
  await stage.startWorker();
  await using terminal = openTerminal(stage, { columns: 80, rows: 24 }, "approvals");
  await terminal.shows(/Nothing waits for you/);
  const evil = `touch safe\u202E ${escape}[2J${escape}]0;title\u0007\u009B1A`;
  const { taskId } = await stage.client.submit({
    kind: "command",
    command: evil,
    reason: `${escape}[31mtrust me`,
  });
  await terminal.shows(/1 waits for your yes/);
  const shown = terminal.screen().join("\n");
  for (const code of ["202E", "001B", "0007", "009B"])
    assert.match(shown, new RegExp(`‹U\\+${code}›`));
  for (const sign of [
    "\u202E",
    "\u0007",
    "\u009B",
    `${escape}[2J`,
    `${escape}]0`,
    `${escape}[31mtrust`,
  ])
    assert.equal(terminal.output().includes(sign), false);
  terminal.type("\u0003");
  assert.equal(await terminal.ended, 0);
  assert.ok(terminal.restored());
  assert.equal((await stage.client.get(taskId)).state, "waiting", "leaving decides nothing");
  await stage.client.cancel(taskId);
});

test("a terminal of 40 columns and 10 lines is enough to read everything and decide", async () => {
  await using stage = await openStage();
  policyOf(stage);
  await stage.startWorker();
  const size = { columns: 40, rows: 10 };
  await using terminal = openTerminal(stage, size, "approvals");
  await terminal.shows(/Nothing waits for you/);
  const name = `a-name-that-is-longer-than-one-line-${"x".repeat(40)}`;
  const result = touch(stage, name);
  await terminal.shows(/1 waits for your yes/);
  const fits = (): void => {
    const lines = terminal.screen();
    assert.ok(lines.length <= size.rows, lines.join("\n"));
    for (const line of lines) assert.ok(line.length <= size.columns, line);
  };
  fits();
  await terminal.look();
  terminal.type("a");
  await terminal.shows(/Read it to its end first/);
  const read: string[] = [];
  for (let pages = 0; /space: more/.test(terminal.screen()[0] ?? ""); pages += 1) {
    assert.ok(pages < 30);
    const before = terminal.screen().join("\n");
    read.push(before);
    terminal.type(" ");
    await until(() => (terminal.screen().join("\n") === before ? undefined : true));
    fits();
  }
  read.push(terminal.screen().join("\n"));
  const all = read.join("").replaceAll(/\s/g, "");
  assert.ok(all.includes("digest") && all.includes("endsin") && all.includes("x".repeat(20)));
  terminal.type("a");
  assert.equal((await result).outcome, "done");
  terminal.type("q");
  assert.equal(await terminal.ended, 0);
});

test("a standing permission is given on the screen, with a rule that can be edited", async () => {
  await using stage = await openStage();
  policyOf(stage);
  await stage.startWorker();
  const desk = openPerson(stage, "desk");
  await using terminal = openTerminal(stage, { columns: 80, rows: 24 }, "approvals");
  await terminal.shows(/Nothing waits for you/);
  const result = touch(stage, "first");
  await terminal.shows(/1 waits/);
  await terminal.look();
  terminal.type("g");
  await terminal.shows(/Allow by this rule: Bash\(touch first\)/);
  for (const _letter of "first)") terminal.type("\u007F");
  terminal.type("*)");
  await terminal.shows(/this rule: Bash\(touch \*\)/);
  terminal.type("\r");
  await terminal.shows(/for how long .*: 30d/);
  terminal.type("\r");
  await terminal.shows(/at most so many times/);
  terminal.type("2");
  await terminal.shows(/at most so many times .*: 2/);
  terminal.type("\r");
  await terminal.shows(/at most so many an hour/);
  terminal.type("\r");
  assert.equal((await result).outcome, "done");
  assert.equal((await touch(stage, "second")).outcome, "done");
  assert.match((await desk.cli("grants")).out, /Bash\(touch \*\)\s+\d\/2/);
});
