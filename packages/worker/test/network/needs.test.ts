// From the policy's text to what a real process can do: what a task needs, decided and run.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Needs, Report } from "@openclaw-worker/protocol";
import { place } from "../../src/place.ts";
import { decide } from "../../src/policy/decide.ts";
import { policyOf, type Policy } from "../../src/policy/load.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { refuseRoot } from "../fixtures/stage.ts";
import { openNetworkStage, openSite, type NetworkStage, type Site } from "./stage.ts";

let stage: NetworkStage;
let site: Site;
before(async () => {
  refuseRoot();
  stage = await openNetworkStage();
  site = await openSite("the site\n");
  for (const name of ["a", "b", "docs", "outbox"]) {
    mkdirSync(join(stage.folder, name));
    writeFileSync(join(stage.folder, name, "file"), `${name}\n`);
  }
});
after(async () => {
  await stage[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

/** A policy of two roots, whose user's home is the stage. */
function policyWith(more: object): Policy {
  const roots = ["a", "b"].map((name) => join(stage.folder, name));
  return policyOf(parsePolicy(JSON.stringify({ roots, ...more })), {
    source: join(stage.state, "policy.json"),
    roots: roots.map((path) => ({ named: path, path })),
    homes: [stage.folder, stage.folder],
  });
}

/** Runs a command as the loop would, or answers why it is not run. */
async function run(policy: Policy, command: string, needs?: Needs): Promise<Report | string> {
  const ground = { home: stage.folder, roots: policy.roots };
  const placed = place({ kind: "command", command, needs }, ground);
  assert.ok(placed.kind === "placed");
  const decision = decide(placed, policy, []);
  if (decision.kind !== "allow") return `${decision.kind}: ${decision.because}`;
  const { cage, outside = false } = decision;
  return await stage.run(placed.placed, { cwd: placed.cwd, cage, outside });
}

async function printed(policy: Policy, command: string, needs?: Needs): Promise<string> {
  const report = await run(policy, command, needs);
  return typeof report === "string" ? report : report.stdout;
}

const allow = ["Read(~/docs/**)", "Edit(~/outbox/**)"];

test("what rules open outside of the roots is there, to be read or written as they say", async () => {
  const policy = policyWith({ rules: { allow } });
  const text =
    "cat ../b/file ../docs/file ../outbox/file; ls ..; echo x > ../docs/x; echo x > ../outbox/x";
  assert.equal(await printed(policy, text), "b\ndocs\noutbox\na\nb\ndocs\noutbox\n");
  assert.equal(existsSync(join(stage.folder, "docs/x")), false);
  assert.equal(existsSync(join(stage.folder, "outbox/x")), true);
});

test("a task that needs less has less", async () => {
  const policy = policyWith({ rules: { allow } });
  const look = "ls ..; echo y > y 2>/dev/null && echo wrote; echo y > ../outbox/y && echo out";
  assert.equal(await printed(policy, look, { read: ["."], write: [] }), "a\n");
  assert.equal(await printed(policy, look, { write: [] }), "a\nb\ndocs\noutbox\n");
  assert.equal(
    await printed(policy, look, { read: [".", "~/docs"], write: ["."] }),
    "a\ndocs\nwrote\n",
  );
  assert.equal(await printed(policy, look, { write: ["~/outbox"] }), "a\nb\ndocs\noutbox\nout\n");
  assert.match(await printed(policy, look, { read: [".", "~/state"] }), /^refuse: .*touches/);
});

test("deny rules hold inside of what allow rules open", async () => {
  const policy = policyWith({ rules: { allow, deny: ["Read(~/docs/file)"] } });
  assert.equal(await printed(policy, "eval $(echo Y2F0IC4uL2RvY3MvZmlsZQ== | base64 -d)"), "");
});

test("the network is the policy's, less what a task leaves out", async () => {
  const policy = policyWith({ rules: { allow: ["WebFetch(domain:localhost)"] } });
  const get = `curl -fsS -m 5 http://localhost:${site.port}/`;
  assert.equal(await printed(policy, get), "the site\n");
  assert.equal(await printed(policy, get, { network: ["localhost"] }), "the site\n");
  assert.equal(await printed(policy, get, { network: [] }), "");
  assert.match(await printed(policy, get, { network: ["127.0.0.1"] }), /^refuse: no allow rule/);
});

test("programs of many kinds find the way out", async () => {
  const policy = policyWith({ rules: { allow: ["WebFetch(domain:localhost)"] } });
  const url = `http://localhost:${site.port}/`;
  assert.equal(await printed(policy, `curl -sS -m 5 -x "$ftp_proxy" ${url}`), "the site\n");
  assert.equal(
    await printed(policy, `git ls-remote ${url} 2>&1 | grep -c 'not valid: is this a git'`),
    "1\n",
  );
  assert.ok(site.asked.some((path) => path.startsWith("/info/refs")));
});

test("what host rules name runs outside of the cage, and nothing else does", async () => {
  const secret = join(stage.folder, "secret");
  writeFileSync(secret, "secret\n");
  const policy = policyWith({ host: { allow: [`Bash(cat ${secret})`] } });
  assert.equal(await printed(policy, `cat ${secret}`), "secret\n");
  assert.equal(await printed(policy, `cat ${secret}; true`), "");
  assert.equal(await printed(policy, `cat ${secret} | cat`), "");
  assert.equal(await printed(policy, `cat ${secret}`, { host: false }), "");
  assert.match(await printed(policy, "true", { host: true }), /^refuse: it asks to run outside/);
});
