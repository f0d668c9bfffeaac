// `openclaw-worker policy …` as a person types it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../stage.ts";

const main = path.resolve(import.meta.dirname, "../../../cli/src/main.ts");

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Desk extends Disposable {
  policy(args: readonly string[], stdin?: string): Promise<Ran>;
}

function openDesk(text: string): Desk {
  const folder = temporaryFolder();
  mkdirSync(path.join(folder, "openclaw"));
  writeFileSync(path.join(folder, "policy.json"), text, { mode: 0o600 });
  const env = {
    HOME: folder,
    PATH: "/usr/bin:/bin",
    OPENCLAW_WORKER_HOME: path.join(folder, "state"),
  };
  return {
    policy: (args, stdin = "") =>
      new Promise((resolve) => {
        const flags = ["--conditions=source", "--disable-warning=ExperimentalWarning", main];
        const child = execFile(
          process.execPath,
          [...flags, "policy", ...args],
          { cwd: folder, env },
          (_error, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
        );
        child.stdin?.end(stdin);
      }),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

const text = `{
  // What I let it do.
  "roots": ["~/openclaw"],
  "rules": {
    "deny": ["Bash(sudo *)", "Read(**/.env*)"],
    "allow": ["Bash(git status)", "Bash(python3 *)"]
  }
}
`;
const file = ["--policy", "policy.json"];

test("policy test prints one object a line, and takes commands as JSON texts", async () => {
  using desk = openDesk(text);
  const commands = ["git status", "ls\nls", "sudo x", "$X", 'echo "é\u0000"'];
  const stdin = commands.map((command) => `${JSON.stringify(command)}\n`).join("");
  const ran = await desk.policy(["test", "--json", "--stdin", ...file], stdin);
  assert.equal(ran.err, "");
  assert.equal(ran.code, 0);
  const lines = ran.out
    .trimEnd()
    .split("\n")
    .map((line): unknown => JSON.parse(line));
  assert.deepEqual(lines.slice(0, 4), [
    {
      decision: "allow",
      rule: "allow: Bash(git status)",
      because: "allow: Bash(git status) names it",
    },
    { decision: "cage", rule: "default: cage", because: "no allow rule names it" },
    {
      decision: "refuse",
      rule: "deny: Bash(sudo *)",
      because: 'deny: Bash(sudo *) names "sudo x"',
    },
    {
      decision: "ask",
      rule: "deny: Bash(sudo *)",
      because: '"…" could be what deny: Bash(sudo *) names',
    },
  ]);
  assert.match(JSON.stringify(lines[4]), /"decision":"refuse","rule":null,"because":".*NUL/);
  const bad = await desk.policy(["test", "--stdin", ...file], "git status\n");
  assert.equal(bad.code, 2);
  assert.match(bad.out, /^error +line 1 of standard input .*JSON/);
});

test("policy test shows a person the steps, and asks about more than commands", async () => {
  using desk = openDesk(text);
  const ran = await desk.policy(["test", ...file, "git status; whoami"]);
  assert.match(ran.out, /^cage +"git status; whoami"\n/);
  assert.match(ran.out, /"git status": allow: Bash\(git status\) names it/);
  const read = await desk.policy(["test", ...file, "--as", "read", "a/.env"]);
  assert.match(read.out, /^refuse[^]*change "Read\(\*\*\/\.env\*\)" at .*policy\.json:5:30/);
  const argv = await desk.policy(["test", ...file, "--as", "exec", '["sudo","x"]']);
  assert.match(argv.out, /^refuse/);
});

test("policy check says what is good, what has no effect, and where it is broken", async () => {
  using good = openDesk(text);
  const checked = await good.policy(["check", ...file]);
  assert.equal(checked.code, 0, checked.err);
  assert.match(
    checked.out,
    /policy\.json:6:35: allow: Bash\(python3 \*\): python3 runs other programs/,
  );
  assert.match(checked.out, /4 rules, default cage/);
  using broken = openDesk(text.replace("Bash(git status)", "Bash(git status"));
  const refused = await broken.policy(["check", "--json", ...file]);
  assert.equal(refused.code, 1);
  assert.match(refused.out, /"ok":false,"errors":\[".*policy\.json:6:31: a \\"\)\\" is missing/);
  const tested = await broken.policy(["test", ...file, "ls"]);
  assert.equal(tested.code, 1);
  assert.match(tested.err, /The policy is broken[^]*policy\.json:6:31/);
});
