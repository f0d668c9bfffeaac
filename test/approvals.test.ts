// A person's yes, end to end: the real server, the real worker in its cage, and people at two
// computers who have nothing but the command and a key.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  approvalRequestSchema,
  auditEntrySchema,
  parsePrivateKey,
} from "@openclaw-worker/protocol";
import { launcher, openPerson, type Person } from "./person.ts";
import { startProgram, type Program } from "./program.ts";
import { until } from "./scene.ts";
import { openStage, type Stage } from "./stage.ts";

interface Waits {
  readonly id: string;
  readonly command: string | undefined;
  readonly reason: string | null;
}

/** What `approvals list --json` prints. */
function waitsOf(printed: unknown): readonly Waits[] {
  assert.ok(Array.isArray(printed));
  return printed.map(({ request, reason }) => {
    const { id, deed } = approvalRequestSchema.parse(request);
    const command = deed.kind === "command" ? deed.command : undefined;
    return { id, command, reason: typeof reason === "string" ? reason : null };
  });
}

interface Rules {
  readonly ask?: readonly string[];
  readonly [key: string]: unknown;
}

/** Gives a worker a policy of its own before it starts. */
function policyOf(stage: Stage, { ask = [], ...rest }: Rules, name = "desk"): void {
  const folder = path.join(stage.folder, name, ".openclaw-worker");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  mkdirSync(stage.rootOf(name), { recursive: true });
  const policy = { roots: [stage.rootOf(name)], default: "cage", rules: { ask }, ...rest };
  writeFileSync(path.join(folder, "policy.json"), JSON.stringify(policy), { mode: 0o600 });
}

async function waitingFor(person: Person, count: number, ...flags: readonly string[]) {
  return await until(async () => {
    const waiting = waitsOf(await person.json("approvals", "list", ...flags));
    return waiting.length >= count ? waiting : undefined;
  });
}

/** Makes a key for one person, and enrolls it at the other's worker. */
async function enrolled(person: Person, at: Person, role: string): Promise<string> {
  const { publicKey, fingerprint } = await person.key("new");
  const name = path.basename(person.home);
  const said = await at.cli(
    ...["key", "enroll", name, publicKey, "--role", role, "--fingerprint", fingerprint],
  );
  assert.equal(said.code, 0, said.err);
  return fingerprint;
}

test("what the policy asks about runs after a yes that was signed at another computer", async () => {
  await using stage = await openStage();
  policyOf(stage, { ask: ["Bash(touch *)"] });
  await stage.startWorker();
  const [desk, phone] = [openPerson(stage, "desk"), openPerson(stage, "phone")];
  await enrolled(phone, desk, "approver");
  const asked = stage.client.run({ kind: "command", command: "touch yes", reason: "to try it" });
  const [shown] = await waitingFor(phone, 1, "--remote");
  assert.ok(shown !== undefined);
  assert.equal(shown.command, "touch yes");
  assert.equal(shown.reason, "to try it");
  assert.equal(existsSync(path.join(stage.rootOf(), "yes")), false);
  const said = await phone.cli("approvals", "allow", shown.id, "--remote");
  assert.equal(said.code, 0, said.err);
  const result = await asked;
  assert.equal(result.outcome, "done", result.error ?? "");
  assert.equal(existsSync(path.join(stage.rootOf(), "yes")), true);
});

/** `approvals watch --json`, as somebody's own program would read it. */
function watching(stage: Stage, person: Person): Program & AsyncDisposable {
  const program = startProgram({
    argv: [process.execPath, launcher, "approvals", "watch", "--json"],
    env: {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: person.home,
      WORKER_URL: stage.url,
      WORKER_TOKEN: stage.token,
    },
  });
  const stop = async (): Promise<void> => void (await program.stop());
  return Object.assign(program, { [Symbol.asyncDispose]: stop });
}

/** When the worker began the task, by its own log, in milliseconds. */
function begunAt(person: Person, taskId: string): number {
  const file = path.join(person.home, ".openclaw-worker/worker/audit.jsonl");
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  const entries = lines.map((line) => auditEntrySchema.parse(JSON.parse(line)));
  const begin = entries.find((entry) => entry.type === "begin" && entry.taskId === taskId);
  return begin?.at ?? assert.fail("it has not begun");
}

test("beside the person's own time, asked, shown, signed and begun take less than a second", async (t) => {
  await using stage = await openStage();
  policyOf(stage, { ask: ["Bash(touch *)"] });
  await stage.startWorker();
  const [desk, phone] = [openPerson(stage, "desk"), openPerson(stage, "phone")];
  await enrolled(phone, desk, "approver");
  const key = parsePrivateKey(
    readFileSync(path.join(phone.home, ".openclaw-worker/key.pem"), "utf8"),
  );
  assert.ok(key !== null);
  await using watch = watching(stage, phone);
  const [shown, signed]: [number[], number[]] = [[], []];
  for (let round = 0; round <= 5; round += 1) {
    const askedAt = Date.now();
    const { taskId } = await stage.client.submit({ kind: "command", command: `touch r${round}` });
    const [line] = await watch.said(new RegExp(`^.*${taskId}.*$`));
    const shownAt = Date.now();
    const { id } = approvalRequestSchema.parse(JSON.parse(line).request);
    const approval = await stage.client.approval(id);
    const signedAt = Date.now();
    await stage.client.decide(approval, { verdict: "once", key });
    assert.equal((await stage.client.wait(taskId)).outcome, "done");
    // The first one also waits for the watching program to start.
    if (round === 0) continue;
    shown.push(shownAt - askedAt);
    signed.push(begunAt(desk, taskId) - signedAt);
  }
  t.diagnostic(`asked → shown: ${shown.join(", ")} ms; signed → run: ${signed.join(", ")} ms`);
  const best = Math.min(...shown) + Math.min(...signed);
  assert.ok(best < 1_000, `${best} ms`);
});

test("a watcher outlives a restart of the server, and shows what came after it", async () => {
  await using stage = await openStage();
  policyOf(stage, { ask: ["Bash(touch *)"] });
  await stage.startWorker();
  const [desk, phone] = [openPerson(stage, "desk"), openPerson(stage, "phone")];
  await enrolled(phone, desk, "approver");
  await using watch = watching(stage, phone);
  const before = await stage.client.submit({ kind: "command", command: "touch before" });
  await watch.said(new RegExp(before.taskId));
  await stage.server.kill();
  await stage.startServer();
  const after = await stage.client.submit({ kind: "command", command: "touch after" });
  await watch.said(new RegExp(after.taskId));
  for (const { taskId } of [before, after]) {
    const lines = watch.lines.filter((line) => line.includes(taskId));
    assert.equal(lines.length, 1, "each is told once");
  }
  for (const { id } of await waitingFor(phone, 2, "--remote"))
    assert.equal((await phone.cli("approvals", "deny", id, "--remote")).code, 0);
});

test("the token that executes approves nothing, and the server's log says who tried", async () => {
  await using stage = await openStage();
  policyOf(stage, { ask: ["Bash(touch *)"] });
  await stage.startWorker();
  const desk = openPerson(stage, "desk");
  const { taskId } = await stage.client.submit({ kind: "command", command: "touch mine" });
  const [shown] = await waitingFor(desk, 1);
  assert.ok(shown !== undefined);
  const approval = await stage.client.approval(shown.id);
  await assert.rejects(stage.client.decide(approval, { verdict: "once" }), /forbidden|approve/i);
  assert.equal((await stage.client.get(taskId)).state, "waiting");
  assert.equal(existsSync(path.join(stage.rootOf(), "mine")), false);
  assert.equal((await desk.cli("approvals", "deny", shown.id)).code, 0);
  assert.equal((await stage.client.wait(taskId)).outcome, "refused");
});

test("a key that nobody enrolled, and one that was revoked, decide nothing", async () => {
  await using stage = await openStage();
  policyOf(stage, { ask: ["Bash(touch *)"] });
  await stage.startWorker();
  const [desk, phone, thief] = ["desk", "phone", "thief"].map((name) => openPerson(stage, name));
  assert.ok(desk !== undefined && phone !== undefined && thief !== undefined);
  await enrolled(phone, desk, "approver");
  assert.equal((await desk.cli("key", "revoke", "phone")).code, 0);
  await thief.key("new");
  const asked = stage.client.run({ kind: "command", command: "touch no" });
  const [shown] = await waitingFor(desk, 1);
  assert.ok(shown !== undefined);
  for (const person of [phone, thief]) {
    const said = await person.cli("approvals", "allow", shown.id, "--remote");
    assert.equal(said.code, 1);
  }
  assert.equal((await desk.cli("approvals", "deny", shown.id)).code, 0);
  const result = await asked;
  assert.equal(result.outcome, "refused");
  assert.equal(existsSync(path.join(stage.rootOf(), "no")), false);
});

test("ten that wait at once are all shown, and each is decided by itself", async () => {
  await using stage = await openStage();
  policyOf(stage, { ask: ["Bash(touch *)"] });
  await stage.startWorker();
  const desk = openPerson(stage, "desk");
  const names = Array.from({ length: 10 }, (_, at) => `file-${at}`);
  const results = names.map((name) =>
    stage.client.run({ kind: "command", command: `touch ${name}` }),
  );
  const waiting = await waitingFor(desk, 10);
  const verdicts = await Promise.all(
    waiting.map(async ({ id, command = "" }) => {
      const verdict = /[02468]$/.test(command) ? "allow" : "deny";
      assert.equal((await desk.cli("approvals", verdict, id)).code, 0);
      return [command, verdict] as const;
    }),
  );
  assert.equal(new Set(verdicts.map(([command]) => command)).size, 10);
  for (const [at, result] of (await Promise.all(results)).entries()) {
    const allowed = at % 2 === 0;
    assert.equal(result.outcome, allowed ? "done" : "refused", result.error ?? "");
    assert.equal(existsSync(path.join(stage.rootOf(), `file-${at}`)), allowed);
  }
  assert.deepEqual(await desk.json("approvals", "list"), []);
});

test("a standing permission spares the next question, until it is used up or taken back", async () => {
  await using stage = await openStage();
  policyOf(stage, { ask: ["Bash(touch *)"] });
  await stage.startWorker();
  const desk = openPerson(stage, "desk");
  const touch = () => stage.client.run({ kind: "command", command: "touch it" });
  const first = touch();
  const [shown] = await waitingFor(desk, 1);
  assert.ok(shown !== undefined);
  const said = await desk.cli("approvals", "grant", shown.id, "--for", "1h", "--runs", "3");
  assert.equal(said.code, 0, said.err);
  assert.equal((await first).outcome, "done");
  assert.equal((await touch()).outcome, "done", "covered by the permission");
  const [, id = ""] =
    /"id": "([^"]+)"/.exec(JSON.stringify(await desk.json("grants"), null, 1)) ?? [];
  assert.equal((await desk.cli("grants", "revoke", id)).code, 0);
  const again = touch();
  const [asked] = await waitingFor(desk, 1);
  assert.ok(asked !== undefined);
  await desk.cli("approvals", "deny", asked.id);
  assert.equal((await again).outcome, "refused");
});

test("a task that is cancelled, or whose time to answer is over, is not shown any more", async () => {
  await using stage = await openStage();
  policyOf(stage, { ask: ["Bash(touch *)"], approvals: { timeoutMs: 3_000 } });
  await stage.startWorker();
  const desk = openPerson(stage, "desk");
  const { taskId } = await stage.client.submit({ kind: "command", command: "touch it" });
  await waitingFor(desk, 1);
  await stage.client.cancel(taskId);
  assert.equal((await stage.client.wait(taskId)).outcome, "cancelled");
  assert.deepEqual(await desk.json("approvals", "list"), []);
  const late = await stage.client.run({ kind: "command", command: "touch it" });
  assert.equal(late.outcome, "refused");
  assert.match(late.error ?? "", /nobody|time/i);
  assert.equal(existsSync(path.join(stage.rootOf(), "it")), false);
});

test("with required keys an unsigned task is refused, and one that was signed runs", async () => {
  await using stage = await openStage();
  policyOf(stage, { submitters: { required: true } });
  await stage.startWorker();
  const [desk, laptop] = [openPerson(stage, "desk"), openPerson(stage, "laptop")];
  const unsigned = await stage.client.run({ kind: "command", command: "echo hello" });
  assert.equal(unsigned.outcome, "refused");
  await enrolled(laptop, desk, "submitter");
  const said = await laptop.cli("run", "echo signed");
  assert.deepEqual([said.code, said.out], [0, "signed\n"], said.err);
});
