// The policy that `policy init` writes, on a computer with a private key on it: work works, and what
// does not is told with the line that would allow it.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import type { Spec } from "@openclaw-worker/protocol";
import { openDen, type Den } from "./den.ts";

let den: Den;
before(async () => (den = await openDen()));
after(() => den[Symbol.asyncDispose]());

test("npm test in a root works", async () => {
  const folder = path.join(den.root, "site");
  mkdirSync(folder);
  const test = "node --test";
  writeFileSync(
    path.join(folder, "package.json"),
    JSON.stringify({ name: "site", scripts: { test } }),
  );
  writeFileSync(
    path.join(folder, "sum.test.js"),
    "require('node:test')('two is two', () => {});\n",
  );
  const told = await den.plane.run(
    { kind: "command", command: "npm test", cwd: "site" },
    { timeoutMs: 60_000 },
  );
  assert.deepEqual([told["outcome"], told["exitCode"]], ["done", 0], JSON.stringify(told));
  assert.match(String(told["stdout"]), /pass 1/);
  await den.worksOn();
});

test("git init, commit and status in a root work", async () => {
  const told = await den.run(
    "mkdir repo && cd repo && git init -q && echo a >a && git add a && git -c user.name=a -c user.email=a@b commit -qm first && git status --porcelain && git log --format=%s",
  );
  assert.deepEqual([told["exitCode"], told["stdout"]], [0, "first\n"], JSON.stringify(told));
  await den.worksOn();
});

test("curl fails, and the answer says that there is no network and what would give one", async () => {
  for (const command of [
    "curl -sS https://example.com/",
    "curl -sS http://127.0.0.1:3456/health",
  ]) {
    const told = await den.run(command);
    assert.equal(told["outcome"], "done");
    assert.notEqual(told["exitCode"], 0);
    assert.match(String(told["hint"]), /network/i, JSON.stringify(told));
    assert.match(String(told["hint"]), /WebFetch\(domain:/, JSON.stringify(told));
  }
  await den.worksOn();
});

test("cat ~/.ssh/id_ed25519 shows nothing: there is no such file in the cage", async () => {
  for (const name of ["~/.ssh/id_ed25519", `${den.home}/.ssh/id_ed25519`]) {
    const told = await den.run(`cat ${name}`);
    assert.equal(told["stdout"], "");
    assert.notEqual(told["exitCode"], 0);
  }
  await den.worksOn();
});

test("git status && rm -rf ~ deletes nothing outside of the cage", async () => {
  for (const command of [
    "git status && rm -rf ~",
    "rm -rf ~ / --no-preserve-root",
    `find ${den.home} / -delete`,
  ]) {
    await den.run(`${command} 2>/dev/null; true`);
  }
  assert.ok(existsSync(path.join(den.home, ".ssh/id_ed25519")));
  assert.ok(existsSync(path.join(den.home, ".openclaw-worker/policy.json")));
  assert.ok(existsSync(den.root), "the root itself stays, whatever became of its content");
  await den.worksOn();
});

test("every refusal says what to add to the policy, or what to do instead", async () => {
  const refused: readonly Spec[] = [
    { kind: "file-read", path: "~/.ssh/id_ed25519" },
    { kind: "file-write", path: "~/x", content: "x", encoding: "utf8" },
    { kind: "file-list", path: "/etc" },
    { kind: "file-edit", path: "/etc/hosts", oldString: "a", newString: "b", replaceAll: false },
    { kind: "file-write", path: ".git/hooks/pre-commit", content: "x", encoding: "utf8" },
    { kind: "command", command: "ls", cwd: "/etc" },
    { kind: "exec", argv: ["ls"], cwd: "~" },
    { kind: "action", action: "backup", params: {} },
  ];
  for (const spec of refused) {
    const told = await den.plane.run(spec);
    const said = JSON.stringify(told);
    assert.equal(told["outcome"], "refused", said);
    assert.match(String(told["error"]), /^Refused by policy: /, said);
    assert.ok(
      typeof told["hint"] === "string" && told["hint"].length > 10,
      `${JSON.stringify(spec)} has no hint: ${said}`,
    );
  }
  await den.worksOn();
});

test("a policy that asks or denies says so, with the rule and the line that would allow it", async () => {
  await using strict = await openDen({
    policy: (_initial, { root }) =>
      JSON.stringify({
        roots: [root],
        default: "deny",
        rules: { deny: ["Bash(sudo *)"], allow: ["Bash(git status)"] },
      }),
  });
  const denied = await strict.run("sudo ls");
  assert.equal(denied["outcome"], "refused");
  assert.match(String(denied["rule"]), /Bash\(sudo \*\)/);
  const unnamed = await strict.run("ls -l");
  assert.equal(unnamed["outcome"], "refused");
  assert.match(String(unnamed["hint"]), /Bash\(/, JSON.stringify(unnamed));
  assert.equal((await strict.run("git status"))["outcome"], "done");
  // What an allowed command is followed by is judged by itself.
  for (const command of [
    "git status && rm -rf ~",
    "git status; ls",
    "git status $(ls)",
    "git status\nls",
    "git status >x",
  ]) {
    assert.equal((await strict.run(command))["outcome"], "refused", command);
  }
});
