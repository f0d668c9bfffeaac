// What a rule allows is really executed, by bash and by dash, among marker programs: whatever runs
// besides the words that were judged is a hole. The commands are made from a seed, which is printed;
// FUZZ_SEED repeats a run.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { parsePolicy } from "../../src/policy/parse.ts";
import { policyOf, type Policy } from "../../src/policy/load.ts";
import { readPlain } from "../../src/policy/plain.ts";
import { temporaryFolder } from "../stage.ts";
import { corpus } from "./corpus.ts";
import { saidOf } from "./desk.ts";

const candidates = 60_000;
const executed = 600;
const perShell = 50;
/** A shell that takes longer hangs. */
const shellMs = 60_000;
/** On a busy machine fewer are executed. */
const budgetMs = 12_000;
/** There is no such home, so that nothing is written into one. */
const home = "/nonexistent-home";

const named = ["git", "ls", "cat", "grep", "true-marker", "false-marker"];
const forbidden = ["evil", "whoami", "id", "touch", "rm", "sh", "less", "x"];
const shells = ["/bin/bash", "/bin/dash"] as const;

const pieces = [
  ...["git status", "git log", "git", "echo", "echo a", "ls", "ls -l", "cat b", "grep x", "printf"],
  ...["true-marker", "false-marker", "evil", "evil a", "whoami", "$(evil)", "`evil`", "<(evil)"],
  ...[
    ">(evil)",
    "${x:-`evil`}",
    "$((`evil`))",
    "{evil,a}",
    "$'evil'",
    '$"evil"',
    "a=evil",
    "~evil",
  ],
  ...[
    ";",
    ";;",
    "&&",
    "||",
    "|",
    "|&",
    "&",
    "\n",
    "\r",
    "\t",
    " ",
    "  ",
    "\\\n",
    "\v",
    "\f",
    "\u00A0",
  ],
  ...[
    "'",
    '"',
    "\\",
    "$",
    "`",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "#",
    "!",
    "~",
    "*",
    "?",
    "=",
    "^",
    "%",
  ],
  ...[
    "<",
    ">",
    ">>",
    "> out/f",
    "> f",
    ">| out/g",
    "2>&1",
    ">&2",
    "&> out/h",
    "<<EOF",
    "EOF",
    "<<<",
  ],
  ...[
    "1>",
    "2>",
    "12>",
    "<&0",
    ">&-",
    "< b",
    "time",
    "if",
    "then",
    "fi",
    "do",
    "done",
    "function f",
  ],
  ...[
    "f() ",
    "alias git=evil",
    "exec",
    "command evil",
    "eval evil",
    "--output=evil",
    "-c",
    "--",
    "-exec",
  ],
  ...[
    "é",
    "\u202E",
    "\u200B",
    "\u0001",
    "'evil'",
    '"evil"',
    "\\evil",
    "a\\ b",
    "\\;evil",
    "';evil'",
  ],
  ...[
    '"$(evil)"',
    '"`evil`"',
    '"\\`evil\\`"',
    "'$(evil)'",
    "\\$\\(evil\\)",
    '"a\\"b"',
    "x=1",
    "@(evil)",
  ],
  ...["!evil", "%1", "+", ",", ":", "-", "/", ".", "..", "~/", "~/x", "\\'", '\\"', "\\~", "\\#"],
];

test("what a rule allows runs the judged words and nothing else, in bash and in dash", async (context) => {
  for (const shell of shells) assert.ok(existsSync(shell), `this test needs ${shell}`);
  const seed = Number(process.env["FUZZ_SEED"] ?? randomInt(2 ** 31));
  context.diagnostic(`FUZZ_SEED=${seed}`);
  const allowed = allowedCommands(seed);
  assert.ok(allowed.length > executed / 2, `too few commands were allowed: ${allowed.length}`);
  const folder = temporaryFolder();
  try {
    makePrograms(folder);
    // The judge of this test is judged first: it must see what it is there to see.
    for (const shell of shells) {
      await assert.rejects(runAll(shell, folder, ["echo $(evil)"]), /it started evil/);
      await assert.rejects(runAll(shell, folder, ["ls > f"]), /it made files/);
    }
    const end = performance.now() + budgetMs;
    let from = 0;
    for (; from < allowed.length && performance.now() < end; from += perShell) {
      const some = allowed.slice(from, from + perShell);
      for (const shell of shells) await runAll(shell, folder, some);
    }
    const count = Math.min(from, allowed.length);
    context.diagnostic(`${count} commands were executed by ${shells.join(" and ")}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function policy(): Policy {
  const allow = [
    ...["git *", "echo *", "printf *", "ls *", "cat *", "grep *", "true-marker", "false-marker *"],
    ...["find *", "sort *", "cd *", "test *", "sed *"],
  ].map((words) => `Bash(${words})`);
  const rules = { allow: [...allow, "Edit(./out/**)", "Read(./b)"] };
  return policyOf(parsePolicy(JSON.stringify({ roots: [`${home}/root`], rules })), {
    source: "policy.json",
    roots: [{ named: `${home}/root`, path: `${home}/root` }],
    homes: [home, home],
  });
}

/** Random concatenations and mutations of known commands, those that a rule allows. */
function allowedCommands(seed: number): readonly string[] {
  const random = mulberry(seed);
  const pick = (list: readonly string[]): string => list[Math.floor(random() * list.length)] ?? "";
  const seeds = corpus.map(([command]) => command).filter((command) => command.length < 200);
  const own = policy();
  const allowed = new Set<string>();
  for (let made = 0; made < candidates && allowed.size < executed; made += 1) {
    let text = random() < 0.5 ? pick(seeds) : "";
    const changes = 1 + Math.floor(random() * 6);
    for (let change = 0; change < changes; change += 1) {
      const at = text === "" ? 0 : Math.floor(random() * (text.length + 1));
      const place = random() < 0.6 ? text.length : at;
      const blank = random() < 0.5 ? " " : "";
      text = `${text.slice(0, place)}${blank}${pick(pieces)}${text.slice(place + (random() < 0.1 ? 1 : 0))}`;
    }
    if (saidCaged(text, own) === "allow") allowed.add(text);
  }
  return [...allowed];
}

function saidCaged(command: string, own: Policy): string {
  const [{ path: cwd }] = own.roots;
  return command.includes("\0") ? "refuse" : saidOf(command, own, cwd);
}

/** Each program notes its name and words; nothing else is on PATH. */
function makePrograms(folder: string): void {
  const bin = path.join(folder, "bin");
  mkdirSync(bin);
  const note = `#!/bin/sh\nprintf '%s\\0' "\${0##*/}" "$#" "$@" >> "$MARKS"\n`;
  for (const name of [...named, ...forbidden]) {
    const end = name === "false-marker" ? "exit 1\n" : "";
    writeFileSync(path.join(bin, name), note + end, { mode: 0o755 });
    chmodSync(path.join(bin, name), 0o755);
  }
  chmodSync(folder, 0o755);
}

async function runAll(shell: string, folder: string, commands: readonly string[]): Promise<void> {
  const stage = path.join(folder, "stage");
  mkdirSync(stage);
  for (const [index, command] of commands.entries()) {
    const place = path.join(stage, String(index));
    for (const name of [place, path.join(place, "out")]) {
      mkdirSync(name);
      own(name);
    }
    writeFileSync(path.join(place, "b"), "");
    // `$(…)` drops newlines at the end: a dot after the text keeps them.
    writeFileSync(path.join(stage, `${index}.command`), `${command}.`);
  }
  own(stage);
  // As the cage does it: the text goes to `eval` in a shell that read no start files.
  const script = [
    "i=0",
    `while [ $i -lt ${commands.length} ]; do`,
    "  ( c=$(/bin/cat $i.command); c=${c%.}; cd $i; export MARKS=$STAGE/$i.marks",
    '    eval "$c" ) </dev/null >/dev/null 2>&1',
    "  i=$((i+1))",
    "done",
  ].join("\n");
  try {
    await ended(shell, script, stage, path.join(folder, "bin"));
    for (const [index, command] of commands.entries()) check(shell, command, stage, index);
  } finally {
    rmSync(stage, { recursive: true });
  }
}

function ended(shell: string, script: string, stage: string, bin: string): Promise<void> {
  const flags = shell.endsWith("bash") ? ["--noprofile", "--norc"] : [];
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  return new Promise((resolve, reject) => {
    execFile(
      shell,
      [...flags, "-c", script],
      {
        cwd: stage,
        env: { PATH: bin, HOME: home, STAGE: stage },
        timeout: shellMs,
        killSignal: "SIGKILL",
        ...nobody,
      },
      (error) => (error?.killed === true ? reject(new Error(`${shell} hung`)) : resolve()),
    );
  });
}

function check(shell: string, command: string, stage: string, index: number): void {
  const what = `${shell} ran ${JSON.stringify(command)}`;
  const marks = path.join(stage, `${index}.marks`);
  const calls = existsSync(marks) ? callsIn(readFileSync(marks, "utf8")) : [];
  for (const call of calls) {
    const [program = ""] = call.split("\0");
    assert.equal(forbidden.includes(program), false, `${what}, and it started ${program}`);
  }
  const plain = readPlain(command);
  assert.ok(plain.kind === "plain");
  const judged = new Set(
    plain.commands.map(({ words }) =>
      words.map(({ text, tilde }) => (tilde ? `${home}${text.slice(1)}` : text)).join("\0"),
    ),
  );
  for (const call of calls) {
    assert.ok(judged.has(call), `${what}, and it started ${JSON.stringify(call.split("\0"))}`);
  }
  const place = path.join(stage, String(index));
  assert.deepEqual(readdirSync(place).sort(), ["b", "out"], `${what}, and it made files`);
}

/** What the programs noted: name, number of words, words. */
function callsIn(text: string): readonly string[] {
  const fields = text.split("\0");
  const calls: string[] = [];
  for (let at = 0; at < fields.length - 1;) {
    const count = Number(fields[at + 1]);
    calls.push([fields[at], ...fields.slice(at + 2, at + 2 + count)].join("\0"));
    at += 2 + count;
  }
  return calls;
}

function own(name: string): void {
  if (process.getuid?.() === 0) chownSync(name, 65_534, 65_534);
}

/** mulberry32: small, and the same everywhere. */
function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
