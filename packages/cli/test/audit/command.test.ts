import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { test } from "node:test";
import {
  auditFiles,
  canonicalJson,
  checkReceipt,
  newPrivateKey,
  type SignedCheckpoint,
} from "@openclaw-worker/protocol";
import { lastHead } from "../../src/audit/folder.ts";
import { runLauncher, type Ran } from "../stage.ts";
import { grow, makeFolder, type LogFolder } from "./log.ts";

const audit = (log: { readonly home: string }, args: readonly string[], env = {}): Promise<Ran> =>
  runLauncher(["audit", ...args], { env: { OPENCLAW_WORKER_HOME: log.home, ...env } });

test("verify says that the log is good, whose key it is, and how much is signed", async () => {
  using log = makeFolder();
  await grow(log, 30);
  const ran = await audit(log, ["verify"]);
  assert.equal(ran.code, 0, ran.err);
  assert.match(ran.out, /^good {3}30 entries of the worker home, none changed/);
  assert.match(ran.out, new RegExp(`key {4}SHA256:.* \\(this computer's worker\\)`));
  const json = JSON.parse((await audit(log, ["verify", "--json"])).out);
  assert.deepEqual([json.ok, json.entries, json.signed, json.problem], [true, 30, 30, null]);
});

test("verify names the first entry that was changed, and ends with 1", async () => {
  using log = makeFolder();
  await grow(log, 30);
  const file = log.file(auditFiles.entries);
  writeFileSync(file, readFileSync(file, "utf8").replace("echo 17", "echo 71"));
  const ran = await audit(log, ["verify"]);
  assert.equal(ran.code, 1);
  assert.match(ran.out, /^bad {4}entry 17: entry 17 is not the one that was signed\n/);
  const json = JSON.parse((await audit(log, ["verify", "--json"])).out);
  assert.deepEqual([json.ok, json.problem.seq, json.problem.what], [false, 17, "hash"]);
});

test("list and show find what happened to a task", async () => {
  using log = makeFolder();
  await grow(log, 30);
  const list = await audit(log, ["list", "--limit", "3"]);
  assert.deepEqual(
    list.out
      .split("\n")
      .slice(1, 4)
      .map((line) => line.split(/\s+/)[0]),
    ["27", "28", "29"],
  );
  const outcomes = await audit(log, ["list", "--type", "outcome", "--json"]);
  assert.equal(JSON.parse(outcomes.out).seq, 29);
  const shown = await audit(log, ["show", "task-5"]);
  assert.match(
    shown.out,
    /^entry 5, decision, .*task task-5\n {2}decision: allow\n {2}rule: Bash\(echo 5\)/,
  );
  assert.equal((await audit(log, ["show", "5", "--json"])).out, `${readLine(log, 5)}\n`);
  const none = await audit(log, ["show", "99"]);
  assert.equal(none.code, 1);
  assert.match(none.err, /it has no entry 99/);
});

test("an export is verified on another computer, with the key that the user names", async () => {
  using log = makeFolder();
  using elsewhere = makeFolder();
  rmSync(elsewhere.folder, { recursive: true });
  const receipt = await grow(log, 30);
  const file = path.join(log.home, "audit.export");
  assert.equal((await audit(log, ["export", "--out", file])).code, 0);
  assert.equal((await audit(log, ["export"])).out, readFileSync(file, "utf8"));
  assert.match((await audit(log, ["export", "--out", file])).err, /is there already/);

  const unknown = await audit(elsewhere, ["verify", "--log", file]);
  assert.equal(unknown.code, 1);
  assert.match(unknown.out, /\(key\)|not known here/);
  const { fingerprint, text } = log.key.public;
  for (const key of [fingerprint, text]) {
    assert.equal((await audit(elsewhere, ["verify", "--log", file, "--key", key])).code, 0);
  }
  const wrong = newPrivateKey().public.fingerprint;
  assert.equal((await audit(elsewhere, ["verify", "--log", file, "--key", wrong])).code, 1);
  const listed = await audit(elsewhere, ["list", "--log", file, "--limit", "1", "--json"]);
  assert.equal(JSON.parse(listed.out).seq, 29);

  const mine = path.join(log.home, "receipt.json");
  writeFileSync(mine, JSON.stringify(receipt));
  const both = ["verify", "--log", file, "--receipt", mine, "--key", fingerprint];
  assert.equal((await audit(elsewhere, both)).code, 0);
});

test("a receipt, alone or in a result, is good with the right key and with no other", async () => {
  using log = makeFolder();
  const receipt = await grow(log, 30);
  const file = path.join(log.home, "result.json");
  const result = { taskId: "task-last", outcome: "done", exitCode: 0, stdout: "ok", receipt };
  for (const value of [receipt, result]) {
    writeFileSync(file, JSON.stringify(value));
    const ran = await audit(log, ["verify", "--receipt", file]);
    assert.equal(ran.code, 0, ran.out);
    assert.match(ran.out, /entry {2}29, outcome, .*task task-last/);
  }
  using other = makeFolder();
  const strange = await audit(other, ["verify", "--receipt", file]);
  assert.equal(strange.code, 1);
  assert.match(strange.out, /NOT KNOWN HERE/);
  const wrong = ["verify", "--receipt", file, "--key", newPrivateKey().public.fingerprint];
  assert.equal((await audit(log, wrong)).code, 1);
});

test("a good receipt on another result is no proof of it, and what differs is named", async () => {
  using log = makeFolder();
  const receipt = await grow(log, 5);
  const file = path.join(log.home, "result.json");
  const result = { taskId: "task-last", outcome: "done", exitCode: 0, stdout: "ok", stderr: "" };
  const lies = [
    [{ taskId: "task-other" }, /for the task task-last/],
    [{ outcome: "refused" }, /its outcome is "refused", and the worker noted "done"/],
    [{ exitCode: 1 }, /its exitCode is 1/],
    [{ stdout: "all tests passed" }, /its stdout is not the one/],
    [{ stderr: "oh" }, /its stderr is not the one/],
  ] as const;
  for (const [lie, why] of lies) {
    writeFileSync(file, JSON.stringify({ ...result, ...lie, receipt }));
    const ran = await audit(log, ["verify", "--receipt", file]);
    assert.equal(ran.code, 1);
    assert.match(ran.out, why);
  }
  writeFileSync(file, JSON.stringify(result));
  assert.match((await audit(log, ["verify", "--receipt", file])).err, /There is no receipt in it/);
});

test("every changed byte of a receipt is found", async () => {
  using log = makeFolder();
  const text = canonicalJson(await grow(log, 20));
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(at) ^ (1 + ((at * 37) % 127)), at);
    const value = ((): unknown => {
      try {
        return JSON.parse(changed.toString());
      } catch {
        return null;
      }
    })();
    // Blanks between the members of a JSON text say nothing.
    if (value !== null && canonicalJson(value) === text) continue;
    assert.equal(checkReceipt(value).kind, "bad", `byte ${at}`);
  }
});

test("without a log, a receipt or a key that is one, the command says what to do", async () => {
  using log = makeFolder();
  assert.match((await audit(log, ["verify"])).err, /There is no audit log here/);
  assert.match((await audit(log, ["verify", "--log", "/nowhere"])).err, /no such log/);
  await grow(log, 3);
  const ran = await audit(log, ["verify", "--key", "rubbish"]);
  assert.equal(ran.code, 2);
  assert.match((await audit(log, ["key"])).out, /^SHA256:/);
});

// A server that says what the test wants: the real one never lies.
interface Story {
  entries: readonly string[];
  head: SignedCheckpoint;
}

async function telling(
  story: Story,
): Promise<AsyncDisposable & { readonly env: Record<string, string> }> {
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://server");
    const [from, limit] = [
      Number(url.searchParams.get("from")),
      Number(url.searchParams.get("limit")),
    ];
    const { entries, head } = story;
    const { worker, log, size } = head.checkpoint;
    const page = { worker, log, size, head, entries: entries.slice(from, from + limit) };
    const workers = [
      {
        name: "home",
        state: "online",
        labels: [],
        version: null,
        platform: null,
        slots: 1,
        running: 0,
        lastSeenAt: 0,
        policyDigest: null,
      },
    ];
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(url.pathname === "/workers" ? { workers } : page));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address: AddressInfo | string | null = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const env = { WORKER_URL: `http://127.0.0.1:${address.port}`, WORKER_TOKEN: "token-of-the-test" };
  return {
    env,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function storyOf(log: LogFolder): Story {
  const head = lastHead(log.folder)?.head;
  assert.ok(head !== undefined);
  return {
    head,
    entries: readFileSync(log.file(auditFiles.entries), "utf8").split("\n").slice(0, -1),
  };
}

test("the server's copy is verified at the worker's computer, and an entry that differs is named", async () => {
  using log = makeFolder();
  await grow(log, 1_500, 1_500);
  const story = storyOf(log);
  await using server = await telling(story);
  const good = await audit(log, ["verify", "--server"], server.env);
  assert.equal(good.code, 0, good.out + good.err);
  assert.match(good.out, /this computer's worker/);
  story.entries = story.entries.with(
    1_234,
    (story.entries[1_234] ?? "").replace("allow", "refuse"),
  );
  const bad = await audit(log, ["verify", "--server", "--json"], server.env);
  assert.equal(bad.code, 1);
  assert.deepEqual(JSON.parse(bad.out).problem.seq, 1_234);
  story.entries = story.entries.slice(0, 1_100);
  const short = JSON.parse((await audit(log, ["verify", "--server", "--json"], server.env)).out);
  assert.deepEqual([short.problem.what, short.problem.seq], ["cut", 1_100]);
});

test("a server that shows another history than before is caught, also far from the worker", async () => {
  using log = makeFolder();
  using elsewhere = makeFolder();
  rmSync(elsewhere.folder, { recursive: true });
  await grow(log, 20, 10);
  const files = Object.values(auditFiles);
  const kept = files.map((name) => readFileSync(log.file(name)));
  await grow(log, 10);
  const first = storyOf(log);
  // The same key signs another ending: as one who stole it would.
  for (const [index, name] of files.entries()) writeFileSync(log.file(name), kept[index] ?? "");
  await grow(log, 30);
  const second = storyOf(log);

  const story = { ...first };
  await using server = await telling(story);
  const one = await audit(elsewhere, ["verify", "--server"], server.env);
  assert.equal(one.code, 0, one.out + one.err);
  assert.match(one.out, /first seen now: compare it/);
  assert.match((await audit(elsewhere, ["verify", "--server"], server.env)).out, /as seen before/);
  Object.assign(story, second);
  const two = JSON.parse(
    (await audit(elsewhere, ["verify", "--server", "--json"], server.env)).out,
  );
  assert.deepEqual([two.ok, two.problem.what], [false, "history"]);
  // Another key is not believed either, once one was seen.
  using stranger = makeFolder();
  await grow(stranger, 40);
  Object.assign(story, storyOf(stranger));
  const three = await audit(elsewhere, ["verify", "--server"], server.env);
  assert.equal(three.code, 1);
  assert.match(canonicalJson(three.out), /bad/);
});

test("a server that has more than this computer's log is a sign that the log was cut here", async () => {
  using log = makeFolder();
  await grow(log, 20, 10);
  const files = Object.values(auditFiles);
  const kept = files.map((name) => readFileSync(log.file(name)));
  await grow(log, 10);
  const story = storyOf(log);
  for (const [index, name] of files.entries()) writeFileSync(log.file(name), kept[index] ?? "");
  await using server = await telling(story);
  const ran = await audit(log, ["verify", "--server"], server.env);
  assert.equal(ran.code, 1);
  assert.match(ran.out, /entry 20: the server has 30 entries .* own log has 20/);
});

test("a copy that was put back is seen at the worker's computer, one that only lags is no sign", async () => {
  using log = makeFolder();
  await grow(log, 10, 10);
  const story = storyOf(log);
  await using server = await telling(story);
  // Each opening begins at the same time, and each entry is a minute: this one ends as the first did.
  await grow(log, 10, 10);
  const late = await audit(log, ["verify", "--server"], server.env);
  assert.equal(late.code, 0, late.out + late.err);
  await grow(log, 30, 30);
  const ran = await audit(log, ["verify", "--server"], server.env);
  assert.equal(ran.code, 1);
  assert.match(ran.out, /entry 10: the server's copy ends with 10 entries .* own log has 50/);
  // What was not believed is not remembered either.
  Object.assign(story, storyOf(log));
  assert.equal((await audit(log, ["verify", "--server"], server.env)).code, 0);
});

function readLine(log: LogFolder, seq: number): string {
  return readFileSync(log.file(auditFiles.entries), "utf8").split("\n")[seq] ?? "";
}
