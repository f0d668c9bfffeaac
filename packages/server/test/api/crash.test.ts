// Accepted means kept: real servers that are stopped, killed, or out of disk.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { childHome, childToken, startServer } from "../child.ts";
import { callsTo, eventually, speak } from "./stage.ts";

const own = { token: childToken };
type Calls = ReturnType<typeof callsTo>;

const pendingOf = async (calls: Calls): Promise<number> =>
  (await calls.get("/tasks/stats", own)).body.queue.byStatus.pending;

describe("SIGTERM", () => {
  test("answers every parked poll and reader, cuts the rest, and the process ends by itself", async () => {
    using home = childHome();
    await using server = startServer({ home: home.path });
    const url = await server.url;
    const calls = callsTo(url);
    const { taskId } = (await calls.post("/tasks", { command: "x", worker: "nobody" }, own)).body;
    const old = Array.from({ length: 5 }, () => calls.get("/worker/poll?wait=50000", own));
    const ours = calls.get("/worker/poll?wait=50000&capacity=1&workerId=lab", own);
    const reader = calls.get(`/tasks/${taskId}?wait=600000`, own);
    await eventually(async () =>
      (await calls.get("/workers", own)).body.workers.length === 2 ? true : null,
    );
    using half = await speak(
      Number(new URL(url).port),
      `POST /tasks HTTP/1.1\r\nhost: x\r\nauthorization: ${childToken}\r\ncontent-length: 100\r\n\r\n{"com`,
    );
    const from = performance.now();
    server.process.kill("SIGTERM");
    for (const answer of await Promise.all(old))
      assert.deepEqual([answer.status, answer.text], [200, "null"]);
    assert.deepEqual((await ours).body.tasks, []);
    assert.equal((await reader).body.status, "pending");
    await half.end;
    assert.deepEqual([(await server.ending).code, (await server.ending).signal], [0, null]);
    // A promise of the documents, not a measure of speed: a service manager waits this long.
    assert.ok(performance.now() - from < 2_000);
  });

  test("with nobody waiting on open connections ends at once, and says nothing of an error", async () => {
    using home = childHome();
    await using server = startServer({ home: home.path });
    const calls = callsTo(await server.url);
    await Promise.all(
      Array.from({ length: 20 }, () => calls.post("/tasks", { command: "x" }, own)),
    );
    server.process.kill("SIGTERM");
    const { code, stderr } = await server.ending;
    assert.equal(code, 0);
    assert.doesNotMatch(stderr, /error/i);
  });

  test("under load loses no task: every submit that was answered is there afterwards", async () => {
    using home = childHome();
    const accepted = new Set<string>();
    {
      await using server = startServer({ home: home.path });
      const calls = callsTo(await server.url);
      const stopped = submitUntilItEnds(calls, accepted);
      await eventually(async () => (accepted.size > 200 ? true : null));
      server.process.kill("SIGTERM");
      assert.equal((await server.ending).code, 0);
      await stopped;
    }
    await using again = startServer({ home: home.path });
    assert.equal(await missing(callsTo(await again.url), accepted), 0);
  });
});

describe("kill -9", () => {
  test("at any moment loses no task that was accepted", async () => {
    using home = childHome();
    const accepted = new Set<string>();
    for (let round = 1; round <= 3; round += 1) {
      await using server = startServer({ home: home.path });
      const stopped = submitUntilItEnds(callsTo(await server.url), accepted);
      await eventually(async () => (accepted.size > 200 * round ? true : null));
      server.process.kill("SIGKILL");
      await Promise.all([server.ending, stopped]);
    }
    await using again = startServer({ home: home.path });
    const calls = callsTo(await again.url);
    assert.equal(await missing(calls, accepted), 0);
    // And what was being answered when it died may be there, unacknowledged.
    assert.ok((await pendingOf(calls)) >= accepted.size);
  });

  test("loses no result, and takes the late one of an old worker afterwards", async () => {
    using home = childHome();
    let early = "";
    let late = "";
    let begun = "";
    {
      await using server = startServer({ home: home.path });
      const calls = callsTo(await server.url);
      early = (await calls.post("/tasks", { command: "early" }, own)).body.taskId;
      late = (await calls.post("/tasks", { command: "late" }, own)).body.taskId;
      begun = (await calls.post("/tasks", { argv: ["begun"] }, own)).body.taskId;
      for (const expected of [early, late]) {
        assert.equal((await calls.get("/worker/poll?wait=5000", own)).body.id, expected);
      }
      const polled = await calls.get("/worker/poll?wait=5000&capacity=1&workerId=lab", own);
      assert.equal(polled.body.tasks[0].id, begun);
      await calls.post("/worker/started", { taskId: begun, fence: 1 }, own);
      await calls.post("/worker/result", { taskId: early, stdout: "early", exitCode: 0 }, own);
      server.process.kill("SIGKILL");
      await server.ending;
    }
    await using again = startServer({ home: home.path });
    const calls = callsTo(await again.url);
    assert.equal((await calls.get(`/tasks/${early}`, own)).body.stdout, "early");
    assert.equal((await calls.get(`/tasks/${late}`, own)).body.phase, "started");
    assert.equal((await calls.get("/worker/poll?wait=0", own)).body, null);
    await calls.post("/worker/result", { taskId: late, stdout: "late", exitCode: 0 }, own);
    assert.equal((await calls.get(`/tasks/${late}`, own)).body.stdout, "late");
    const held = { taskId: begun, fence: 1 };
    assert.deepEqual((await calls.post("/worker/beat", { held: [held] }, own)).body.stale, []);
    await calls.post("/worker/result", { ...held, stdout: "begun", exitCode: 0 }, own);
    assert.equal((await calls.get(`/tasks/${begun}`, own)).body.worker, "lab");
  });
});

describe("a full disk", () => {
  test("is answered 503 in words, loses nothing that was accepted, and keeps nothing that was refused", async () => {
    using home = childHome();
    const accepted = new Set<string>();
    {
      // No file may grow beyond this: what a full disk says to the one who writes.
      const under = ["prlimit", "--fsize=4000000"];
      await using server = startServer({ home: home.path, under });
      const calls = callsTo(await server.url);
      let refusals = 0;
      while (refusals < 20) {
        const answers = await Promise.all(
          Array.from({ length: 20 }, () =>
            calls.post("/files/write", { path: "x", content: "y".repeat(20_000) }, own),
          ),
        );
        for (const answer of answers) {
          if (answer.status === 200) accepted.add(answer.body.taskId);
          else {
            refusals += 1;
            assert.equal(answer.status, 503, answer.text);
            assert.equal(answer.body.code, "store-unavailable");
            assert.match(answer.body.error, /disk may be full/);
            assert.ok(Number(answer.headers.get("retry-after")) > 0);
          }
        }
      }
      assert.ok(accepted.size > 20);
      assert.equal(await pendingOf(calls), accepted.size);
      assert.equal((await calls.get("/health")).status, 200);
      assert.equal((await calls.get("/worker/poll?wait=0", own)).status, 200);
      server.process.kill("SIGTERM");
      assert.equal((await server.ending).code, 0);
    }
    await using again = startServer({ home: home.path });
    const calls = callsTo(await again.url);
    assert.equal(await missing(calls, accepted), 0);
    const { queue } = (await calls.get("/tasks/stats", own)).body;
    assert.equal(queue.total, accepted.size);
    assert.equal((await calls.post("/tasks", { command: "x" }, own)).status, 200);
  });
});

/** Eight submitters; each ends when the server does. */
async function submitUntilItEnds(calls: Calls, accepted: Set<string>): Promise<void> {
  const submitter = async (): Promise<void> => {
    for (;;) {
      const answer = await calls.post("/tasks", { command: "x" }, own).catch(() => null);
      if (answer === null || answer.status === 503) return;
      assert.equal(answer.status, 200, answer.text);
      accepted.add(answer.body.taskId);
    }
  };
  await Promise.all(Array.from({ length: 8 }, submitter));
}

async function missing(calls: Calls, accepted: ReadonlySet<string>): Promise<number> {
  const answers = await Promise.all([...accepted].map((id) => calls.get(`/tasks/${id}`, own)));
  return answers.filter((answer) => answer.status !== 200).length;
}
