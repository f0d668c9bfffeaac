// Looking for the real claude in a home of its own.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { systemClock } from "@openclaw-worker/base";
import { claudeEnvironment } from "../../src/agent/claude/environment.ts";
import { findClaude, signInOf, type FindParts } from "../../src/agent/claude/find.ts";
import { runOnce } from "../../src/sandbox/spawn.ts";
import { temporaryFolder } from "../stage.ts";
import { claudeProgram } from "./stage.ts";

interface Home extends FindParts, Disposable {}

function openHome(configured: Readonly<Record<string, string>> = {}): Home {
  const home = temporaryFolder();
  const env = claudeEnvironment({
    base: { HOME: home, PATH: process.env["PATH"] },
    configured,
    temporary: home,
  });
  return {
    run: runOnce,
    clock: systemClock(),
    home,
    env,
    [Symbol.dispose]: () => rmSync(home, { recursive: true }),
  };
}

test("the configured program is found with its version", async () => {
  using parts = openHome();
  const found = await findClaude({ configured: claudeProgram, shell: "/bin/sh" }, parts);
  assert.ok(found.kind === "found");
  assert.equal(found.program, claudeProgram);
  assert.match(found.version, /^\d+\.\d+\.\d+$/);
});

test("the login shell's claude is found, whatever its start files print", async () => {
  using parts = openHome();
  const bin = path.join(parts.home, "tools");
  mkdirSync(bin);
  symlinkSync(claudeProgram, path.join(bin, "claude"));
  writeFileSync(
    path.join(parts.home, ".profile"),
    `echo hello from start files\nPATH="${bin}:$PATH"\n`,
  );
  const found = await findClaude({ configured: null, shell: "/bin/bash" }, parts);
  assert.ok(found.kind === "found", JSON.stringify(found));
  assert.equal(found.program, path.join(bin, "claude"));
});

test("a usual place is looked at when the shell knows none", async () => {
  using parts = openHome();
  const bin = path.join(parts.home, ".local/bin");
  mkdirSync(bin, { recursive: true });
  symlinkSync(claudeProgram, path.join(bin, "claude"));
  const env = { ...parts.env, PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin` };
  const found = await findClaude({ configured: null, shell: "/bin/false" }, { ...parts, env });
  assert.ok(found.kind === "found");
  assert.equal(found.program, path.join(bin, "claude"));
});

test("a program that is not there, or is another, is said to be, and nothing else is taken", async () => {
  using parts = openHome();
  const other = path.join(parts.home, "claude");
  writeFileSync(other, "#!/bin/sh\necho 1.2.3 of something else\n");
  chmodSync(other, 0o755);
  for (const [configured, because] of [
    [path.join(parts.home, "nothing"), /is not there/],
    [other, /is not Claude Code/],
    ["claude", /no absolute path/],
  ] as const) {
    const found = await findClaude({ configured, shell: "/bin/sh" }, parts);
    assert.ok(found.kind === "missing");
    assert.equal(found.looked.length, 1);
    assert.match(found.looked[0] ?? "", because);
    assert.match(found.remedy, /settings/);
  }
});

test("who is signed out is told how to sign in, who has a token is signed in", async () => {
  using out = openHome();
  const signedOut = await signInOf(claudeProgram, out);
  assert.ok(signedOut.kind === "signed-out");
  assert.match(signedOut.remedy, /claude auth login/);
  using token = openHome({ CLAUDE_CODE_OAUTH_TOKEN: "dummy" });
  const signedIn = await signInOf(claudeProgram, token);
  assert.ok(signedIn.kind === "signed-in");
  assert.equal(signedIn.method, "oauth_token");
  using none = openHome();
  assert.equal((await signInOf("/bin/true", none)).kind, "unknown");
});
