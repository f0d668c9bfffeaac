// What arrives at the server, and what the journal keeps until it does.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { silentLog, systemClock } from "@openclaw-worker/base";
import { newTaskId, type Held, type Receipt, type Report } from "@openclaw-worker/protocol";
import { openJournal, type Journal } from "../../src/journal.ts";
import { openLink } from "../../src/link.ts";
import { createOutbox, type Outbox } from "../../src/outbox.ts";
import { createRedactor } from "../../src/output/redact.ts";
import { Leaving, type Stdout } from "../../src/output/report.ts";
import { createSlots } from "../../src/slots.ts";
import { openPlane, type Plane, type Seen } from "../plane.ts";

const token = "hunter2-hunter2-hunter2";
const looks = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

interface Desk extends AsyncDisposable {
  readonly plane: Plane;
  readonly journal: Journal;
  readonly outbox: Outbox;
  readonly folder: string;
  leaving(report: Report, stdout?: Stdout): Leaving;
  /** The report of a task as it arrived. */
  arrived(held: Held): Promise<Seen>;
}

async function openDesk(): Promise<Desk> {
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), "worker-test-")));
  const clock = systemClock();
  const plane = await openPlane();
  // Tasks that the plane never gave: it is told to take their results.
  plane.lie = ({ path: name }, response) => {
    if (name !== "/worker/result") return false;
    response.writeHead(200, { "content-type": "application/json" }).end('{"success":true}');
    return true;
  };
  const journal = openJournal({ file: path.join(folder, "journal.sqlite"), clock });
  const link = openLink({ clock, log: silentLog, url: plane.url, token: plane.token });
  const ended = new AbortController();
  const redactor = createRedactor([{ name: "worker token", value: token }]);
  const outbox = createOutbox({
    clock,
    log: silentLog,
    random: () => 0.5,
    link,
    journal,
    slots: createSlots(1),
    instance: "instance-1",
    redactor,
    signal: ended.signal,
    onBroken: (why) => assert.fail(why),
  });
  return {
    plane,
    journal,
    outbox,
    folder,
    leaving: (left, stdout) => Leaving.of(left, redactor, stdout),
    arrived: ({ taskId }) =>
      plane.request(
        ({ path: name, body }) => name === "/worker/result" && body["taskId"] === taskId,
      ),
    async [Symbol.asyncDispose]() {
      await outbox.flush(5_000);
      ended.abort();
      link[Symbol.dispose]();
      journal[Symbol.dispose]();
      await plane.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

function held(digit: number): Held {
  return { taskId: newTaskId(digit, new Uint8Array(10)), fence: 1 };
}

const report: Report = {
  stdout: `out ${token}\n${looks}\n`,
  stderr: `err ${encodeURIComponent(token)}`,
  exitCode: 126,
  error: `Refused by policy: nothing allows "curl ${token}"`,
  hint: `add "Bash(curl ${token})"`,
  rule: `deny: Bash(curl ${token})`,
  metadata: { argv: ["curl", token] },
  outcome: "refused",
};

test("no secret leaves in a report, and the journal keeps none", async () => {
  await using desk = await openDesk();
  desk.outbox.post(held(1), desk.leaving(report));
  const { body } = await desk.arrived(held(1));
  const text = JSON.stringify(body);
  assert.ok(!text.includes("hunter2") && !text.includes("ghp_"), text);
  assert.equal(body["error"], 'Refused by policy: nothing allows "curl [redacted: worker token]"');
  await desk.outbox.flush(5_000);
  for (const part of ["", "-wal"]) {
    const kept = readFileSync(path.join(desk.folder, `journal.sqlite${part}`), "latin1");
    assert.ok(!kept.includes("hunter2") && !kept.includes("ghp_"));
  }
});

test("a file's content arrives as it is; a known secret in what was kept before does not", async () => {
  await using desk = await openDesk();
  const file: Report = { ...report, stdout: looks, exitCode: 0, outcome: "done" };
  desk.outbox.post(held(1), desk.leaving(file, "file"));
  assert.equal((await desk.arrived(held(1))).body["stdout"], looks);
  const old = JSON.stringify({ ...file, stdout: `${looks} ${token}` });
  desk.outbox.repeat(held(2), old);
  assert.equal((await desk.arrived(held(2))).body["stdout"], `${looks} [redacted: worker token]`);
  desk.journal.finish(held(3), old);
  desk.outbox.resume();
  assert.equal((await desk.arrived(held(3))).body["stdout"], `${looks} [redacted: worker token]`);
});

test("a report that the server finds too large is shortened, and holds no secret then either", async () => {
  await using desk = await openDesk();
  desk.plane.lie = ({ path: name, body }, response) => {
    if (name !== "/worker/result") return false;
    const big = String(body["stdout"]).length > 1_000;
    response.writeHead(big ? 413 : 200).end(big ? "{}" : '{"success":true}');
    return true;
  };
  desk.outbox.post(held(1), desk.leaving({ ...report, stdout: token.repeat(1_000) }));
  const { body } = await desk.plane.request(
    ({ path: name, body }) => name === "/worker/result" && body["stdout"] === "",
  );
  assert.match(String(body["error"]), /too large for the server .*\[redacted: worker token\]/);
  assert.ok(!JSON.stringify(body).includes("hunter2"));
});

test("a report that lost its output has lost its receipt too", async () => {
  await using desk = await openDesk();
  desk.plane.lie = ({ path: name, body }, response) => {
    if (name !== "/worker/result") return false;
    const big = String(body["stdout"]).length > 1_000;
    response.writeHead(big ? 413 : 200).end(big ? "{}" : '{"success":true}');
    return true;
  };
  const hash = "a".repeat(64);
  const receipt: Receipt = {
    version: 1,
    entry: "{}",
    proof: [],
    head: {
      checkpoint: { version: 1, worker: "w", log: "a".repeat(32), size: 1, root: hash, at: 1 },
      signature: { key: `SHA256:${"A".repeat(43)}`, value: "A".repeat(86) },
      publicKey: "ssh-ed25519 x",
    },
  };
  const big = { stdout: "x".repeat(2_000), stderr: "", exitCode: 0, error: null, receipt };
  desk.outbox.post(held(1), desk.leaving({ ...big, outcome: "done" }));
  const sent = await desk.plane.request(({ body }) => body["stdout"] === big.stdout);
  assert.ok(sent.body["receipt"] !== undefined);
  const { body } = await desk.plane.request(({ body }) => body["stdout"] === "");
  assert.deepEqual([body["outcome"], body["receipt"]], ["done", undefined]);
});

test("a result that is sent again is read from the journal, as it was redacted", async () => {
  await using desk = await openDesk();
  let tries = 0;
  desk.plane.lie = ({ path: name }, response) => {
    if (name !== "/worker/result") return false;
    tries += 1;
    response.writeHead(tries < 3 ? 500 : 200).end(tries < 3 ? "{}" : '{"success":true}');
    return true;
  };
  desk.outbox.post(held(1), desk.leaving({ ...report, stdout: looks }, "file"));
  desk.journal.finish(held(2), JSON.stringify({ ...report, stdout: token }));
  desk.outbox.resume();
  await desk.outbox.flush(5_000);
  const bodies = (one: Held): unknown[] =>
    desk.plane.seen
      .filter(({ body }) => body["taskId"] === one.taskId)
      .map(({ body }) => body["stdout"]);
  assert.ok(bodies(held(1)).every((stdout) => stdout === looks));
  assert.ok(bodies(held(2)).every((stdout) => stdout === "[redacted: worker token]"));
  assert.ok(tries > 2);
});
