// What is not a poll is answered with lies too: introductions, beats, starts and results. And the same
// lie is told for ever, at once, to see whether the worker burns a core or fills its memory or disk.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { openDen, type Den } from "./den.ts";
import { emptyAnswer, sendJson, taskOf, type Lie } from "./plane.ts";

let den: Den;
before(async () => {
  den = await openDen();
  await den.worksOn();
});
after(() => den[Symbol.asyncDispose]());

const json =
  (body: unknown): Lie =>
  ({ response }) =>
    sendJson(response, body);
const status =
  (code: number, headers: http.OutgoingHttpHeaders = {}): Lie =>
  ({ response }) =>
    void response.writeHead(code, headers).end("{}");
const hangUp: Lie = ({ socket }) => socket.destroy();

const startedLies: Readonly<Record<string, readonly [Lie, "runs" | "does not run"]>> = {
  "200 and another shape": [json([1, { approved: true }]), "runs"],
  "404": [status(404), "does not run"],
  "409": [status(409), "does not run"],
  "400": [status(400), "does not run"],
  "a redirect, then the truth": [status(307, { location: "http://127.0.0.1:1/" }), "runs"],
  "a hang-up, then the truth": [hangUp, "runs"],
  "no JSON, then the truth": [json("<html>"), "runs"],
  "a gigabyte, then the truth": [
    ({ response }) => {
      response.write("[");
      const block = Buffer.alloc(2 ** 20, " ");
      const more = (): void => void (!response.destroyed && response.write(block, more));
      more();
    },
    "runs",
  ],
};

for (const [name, [lie, then]] of Object.entries(startedLies)) {
  test(`a start that is answered with ${name}: the task ${then}, once`, async () => {
    const file = `started-${name.replaceAll(/\W+/g, "-")}`;
    const told = den.plane.lieOnce("/worker/started", lie);
    const id = den.plane.submit({ kind: "command", command: `echo x >>${file}` });
    await told;
    if (then === "runs") assert.equal((await den.plane.report(id))["outcome"], "done");
    await den.worksOn();
    const ran = readdirSync(den.root).includes(file);
    assert.equal(ran, then === "runs");
    if (ran) assert.equal(readFileSync(path.join(den.root, file), "utf8"), "x\n");
  });
}

test("beats that are answered with junk renew nothing and end nothing", async () => {
  const junk = [
    "[[[[",
    { cancel: "all", stale: 7 },
    { now: 9e15, cancel: [null, {}, { taskId: "x" }], stale: [[]] },
    {
      now: -9e15,
      cancel: [],
      stale: [{ taskId: "00000000-0000-7000-8000-00000000dead", fence: 1 }],
    },
    { policy: { roots: ["/"] }, stop: { reason: "x" }, decisions: [{ approved: true }] },
  ];
  let asked = 0;
  den.plane.lieAlways("/worker/beat", ({ response }) =>
    sendJson(response, junk[asked++ % junk.length]),
  );
  // A server that has forgotten the worker makes it introduce itself: a beat.
  for (const _junk of junk) await den.plane.inject({ unknown: true });
  await den.plane.until("every answer", () => (asked >= junk.length ? true : undefined));
  den.plane.lieAlways("/worker/beat", null);
  await den.worksOn();
});

test("a task that is told to be stale, or cancelled, under another's number goes on", async () => {
  const id = den.plane.submit({ kind: "command", command: "sleep 0.7; echo whole" });
  await den.plane.until("its start", () =>
    (den.plane.counts.get("/worker/started") ?? 0) > 0 ? true : undefined,
  );
  den.plane.lieAlways(
    "/worker/beat",
    json({ now: 0, cancel: [], stale: [{ taskId: id, fence: 2 }] }),
  );
  await den.plane.inject({ unknown: true });
  assert.equal((await den.plane.report(id))["stdout"], "whole\n");
  den.plane.lieAlways("/worker/beat", null);
  await den.worksOn();
});

test("stops and decisions that are none stop nothing and allow nothing", async () => {
  const odd = [1, true, "now", [[]], { everything: true }, { id: "x", reason: 7 }];
  for (const stop of odd) await den.plane.inject({ stop });
  const decision = { approved: true, taskId: finished.id, digest: "0".repeat(64), answer: "once" };
  for (const decisions of [odd, [decision], Array.from({ length: 100_000 }, () => decision)])
    await den.plane.inject({ decisions });
  await den.plane.inject({ decisions: "yes", stop: "yes" });
  await den.worksOn();
});

test("a token is told to nobody but the server that was configured", async () => {
  const visits: string[] = [];
  await using stack = new AsyncDisposableStack();
  const elsewhere = http.createServer((request, response) => {
    visits.push(`${request.url} ${JSON.stringify(request.headers)}`);
    response.end("{}");
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
  stack.defer(() => new Promise<void>((resolve) => void elsewhere.close(() => resolve())));
  const { port } = addressOf(elsewhere);
  for (const code of [300, 301, 302, 303, 305, 307, 308]) {
    const away = {
      location: `http://127.0.0.1:${port}/worker/poll`,
      refresh: `0;url=http://127.0.0.1:${port}/`,
    };
    await den.plane.lieOnce(
      "/worker/poll",
      status(code, { ...away, "alt-svc": `h2="127.0.0.1:${port}"` }),
    );
    await den.worksOn();
  }
  for (const route of ["/worker/started", "/worker/result"]) {
    const lied = den.plane.lieOnce(
      route,
      status(307, { location: `http://127.0.0.1:${port}${route}` }),
    );
    await den.worksOn();
    await lied;
  }
  assert.deepEqual(visits, []);
  assert.ok(den.worker.lines.every((line) => !line.includes(den.plane.token)));
});

/** Answers that a worker may hear at once, each time that it asks. */
const storms: Readonly<Record<string, () => Lie>> = {
  nothing: () => json(emptyAnswer),
  "a server that has forgotten it": () => json({ ...emptyAnswer, unknown: true }),
  "things that are no tasks": () => json({ ...emptyAnswer, tasks: [null, 1, {}, { id: "x" }] }),
  "one finished task": () => json({ ...emptyAnswer, tasks: [finished] }),
  "decisions about nothing": () =>
    json({ ...emptyAnswer, decisions: Array.from({ length: 1_000 }, () => ({ approved: true })) }),
  "stops that are none": () => json({ ...emptyAnswer, stop: { everything: true } }),
  "cancels of strangers": () =>
    json({ ...emptyAnswer, cancel: [{ taskId: finished.id, fence: 1 }] }),
  "500": () => status(500),
  "204": () => status(204),
  "503 with Retry-After: 0": () => status(503, { "retry-after": "0" }),
  "429 with Retry-After: 0": () => status(429, { "retry-after": "0" }),
  "hang-ups": () => hangUp,
  "no JSON": () => json("nonsense"),
  redirects: () => status(302, { location: "/worker/poll" }),
};
const finished = taskOf({ kind: "command", command: "true" });
const watchMs = 700;

for (const [name, storm] of Object.entries(storms)) {
  test(`polls that are answered at once with ${name} keep no core busy and fill no log`, async () => {
    await den.plane.inject({ tasks: [finished] });
    await den.plane.report(finished.id);
    await den.worksOn();
    const before = {
      polls: den.plane.counts.get("/worker/poll") ?? 0,
      lines: den.worker.lines.length,
    };
    den.plane.lieAlways("/worker/poll", storm());
    await pause(watchMs);
    den.plane.lieAlways("/worker/poll", null);
    const polls = (den.plane.counts.get("/worker/poll") ?? 0) - before.polls;
    assert.ok(polls < 25, `${polls} polls`);
    assert.ok(den.worker.lines.length - before.lines < 60, den.worker.lines.slice(-20).join("\n"));
    await den.worksOn();
  });
}

test("a 401 is waited out, and said once, without the token", async () => {
  await den.plane.lieOnce("/worker/poll", status(401));
  await den.worksOn();
  const said = den.worker.lines.filter((line) => line.includes("unauthorized"));
  assert.equal(said.length, 1);
});

test("results that are refused for ever are kept on the disk, not in memory, and the worker goes on", async () => {
  const memory = den.memory();
  den.plane.lieAlways("/worker/result", status(500));
  const ids = Array.from({ length: 40 }, () =>
    den.plane.submit({ kind: "command", command: "head -c 4000000 /dev/zero | tr '\\0' x" }),
  );
  await Promise.all(ids.map((id) => den.plane.report(id)));
  const grown = den.memory() - memory;
  den.plane.lieAlways("/worker/result", null);
  await den.worksOn();
  for (const id of ids)
    await den.plane.until("the result", () =>
      den.plane.reports(id).length > 1 ? true : undefined,
    );
  assert.ok(grown < 150, `it grew by ${grown} MiB`);
});

test("413, and every other no to a result, costs its output and never the worker", async () => {
  const no: readonly Lie[] = [status(413), status(400), status(422)];
  for (const lie of no) {
    const lied = den.plane.lieOnce("/worker/result", lie);
    const id = den.plane.submit({ kind: "command", command: "echo much" });
    await lied;
    const told = await den.plane.until("it again", () => den.plane.reports(id)[1]);
    assert.match(String(told["error"]), /too large|left out/);
    await den.worksOn();
  }
});

test("results that are confirmed with junk are sent until the words are right", async () => {
  for (const junk of [{ success: "true" }, { ok: true }, [], "x", { success: false }]) {
    const lied = den.plane.lieOnce("/worker/result", json(junk));
    const id = den.plane.submit({ kind: "command", command: "echo once >>confirmed" });
    await lied;
    await den.plane.until("it again", () => den.plane.reports(id)[1]);
    await den.worksOn();
  }
  assert.equal(readFileSync(path.join(den.root, "confirmed"), "utf8"), "once\n".repeat(5));
});

test("the journal stays small while thousands of malformed tasks come", async () => {
  const size = (): number =>
    statSync(path.join(den.home, ".openclaw-worker/worker/journal.sqlite")).size;
  const before = size();
  for (let round = 0; round < 20; round += 1) {
    const tasks = Array.from({ length: 100 }, () => ({
      ...taskOf({ kind: "x".repeat(10_000) }),
      padding: "y".repeat(1_000),
    }));
    await den.plane.inject({ tasks });
  }
  await den.worksOn();
  assert.ok(size() - before < 4_000_000, `it grew by ${size() - before} bytes`);
});

function addressOf(server: http.Server): AddressInfo {
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return address;
}
