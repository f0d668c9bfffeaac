import assert from "node:assert/strict";
import { test } from "node:test";
import { doneReport, hello, openStage, untilCancelled } from "../stage.ts";

test("a task is begun, run once and answered with what it printed", async () => {
  await using stage = await openStage();
  stage.runner.end = async () => doneReport("hello\n");
  await stage.start().ready;
  const id = stage.plane.submit(hello);
  const report = await stage.plane.report(id);
  assert.equal(report["stdout"], "hello\n");
  assert.equal(report["outcome"], "done");
  assert.equal(report["exitCode"], 0);
  assert.equal(stage.runner.jobs.length, 1);
  assert.equal(stage.runner.jobs[0]?.cwd, stage.root);
  assert.deepEqual(stage.runner.jobs[0]?.cage, { roots: [stage.root], readable: [] });
  const paths = stage.plane.seen
    .filter(({ body }) => body["taskId"] === id)
    .map(({ path }) => path);
  assert.deepEqual(paths, ["/worker/started", "/worker/result"]);
});

test("the worker introduces itself before it polls, and again to a server that has forgotten it", async () => {
  await using stage = await openStage();
  await stage.start().ready;
  assert.equal(stage.plane.seen[0]?.path, "/worker/beat");
  const beats = () => stage.plane.seen.filter(({ path }) => path === "/worker/beat").length;
  assert.equal(beats(), 1);
  await stage.plane.stop();
  await stage.plane.start();
  await stage.plane.until(() => (beats() === 2 ? true : undefined));
});

test("a task that is handed out twice runs once, and its result is sent again", async () => {
  await using stage = await openStage();
  await stage.start().ready;
  const id = stage.plane.submit(hello);
  await stage.plane.report(id);
  stage.plane.again(id, { sameFence: true });
  assert.equal((await stage.plane.report(id))["stdout"], "ok");
  stage.plane.again(id, { sameFence: false });
  assert.equal((await stage.plane.report(id))["fence"], 2);
  assert.equal(stage.runner.jobs.length, 1);
});

test("a task that was run before a restart is answered from the journal and not run again", async () => {
  await using stage = await openStage();
  const first = stage.start();
  await first.ready;
  const id = stage.plane.submit(hello);
  await stage.plane.report(id);
  await first.stop();
  await stage.plane.lonely();
  stage.plane.again(id, { sameFence: false });
  await stage.start().ready;
  assert.equal((await stage.plane.report(id))["stdout"], "ok");
  assert.equal(stage.runner.jobs.length, 1);
});

test("a task that comes again while it runs goes on, and its result carries the newest attempt", async () => {
  await using stage = await openStage();
  const { promise, resolve } = Promise.withResolvers<void>();
  stage.runner.end = async () => {
    await promise;
    return doneReport("once");
  };
  await stage.start().ready;
  const id = stage.plane.submit(hello);
  await stage.runner.job(id);
  const polls = () => stage.plane.seen.filter(({ path }) => path === "/worker/poll").length;
  stage.plane.again(id, { sameFence: false });
  const before = polls();
  await stage.plane.until(() => (polls() > before ? true : undefined));
  resolve();
  const report = await stage.plane.report(id);
  assert.equal(report["stdout"], "once");
  assert.equal(report["fence"], 2);
  assert.equal(stage.runner.jobs.length, 1);
});

test("a task whose start is answered with 409 or 404 is not run, and the next one is", async () => {
  await using stage = await openStage();
  await stage.start().ready;
  for (const status of [409, 404]) {
    stage.plane.lie = ({ path }, response) => {
      if (path !== "/worker/started") return false;
      response.writeHead(status).end("{}");
      return true;
    };
    const id = stage.plane.submit(hello);
    await stage.plane.request(
      ({ path, body }) => path === "/worker/started" && body["taskId"] === id,
    );
    stage.plane.lie = null;
    const next = stage.plane.submit(hello);
    await stage.plane.report(next);
    assert.deepEqual(stage.runner.jobs.map(({ taskId }) => taskId).includes(next), true);
    assert.equal(
      stage.runner.jobs.some(({ taskId }) => taskId === id),
      false,
    );
    // It was never begun: a later attempt may run.
    stage.plane.again(id, { sameFence: false });
    await stage.plane.report(id);
    assert.equal(stage.runner.jobs.filter(({ taskId }) => taskId === id).length, 1);
  }
});

test("a cancel ends a running task, and unknown ids in it are ignored", async () => {
  await using stage = await openStage();
  stage.runner.end = untilCancelled;
  await stage.start().ready;
  const id = stage.plane.submit(hello);
  await stage.runner.job(id);
  stage.plane.cancel(id);
  const report = await stage.plane.report(id);
  assert.equal(report["outcome"], "cancelled");
  assert.equal(report["error"], "Cancelled");
  assert.equal(report["exitCode"], 130);
});

test("stopping the worker ends what runs and reports it before it closes", async () => {
  await using stage = await openStage();
  stage.runner.end = untilCancelled;
  const worker = stage.start();
  await worker.ready;
  const id = stage.plane.submit(hello);
  await stage.runner.job(id);
  await worker.stop();
  const report = await stage.plane.report(id);
  assert.equal(report["outcome"], "cancelled");
  assert.equal(report["error"], "Cancelled: the worker was stopped");
});

test("a claimed task whose start could not be confirmed is given back when the worker stops", async () => {
  await using stage = await openStage();
  const worker = stage.start();
  await worker.ready;
  stage.plane.lie = ({ path }, response) => {
    if (path !== "/worker/started") return false;
    response.writeHead(500).end("{}");
    return true;
  };
  const id = stage.plane.submit(hello);
  await stage.plane.request(
    ({ path, body }) => path === "/worker/started" && body["taskId"] === id,
  );
  await worker.stop();
  const back = await stage.plane.request(({ path }) => path === "/worker/giveback");
  assert.deepEqual(back.body["held"], [{ taskId: id, fence: 1 }]);
  assert.equal(stage.runner.jobs.length, 0);
});

test("free slots are told with growing numbers, and a full worker polls with none", async () => {
  await using stage = await openStage();
  stage.runner.end = untilCancelled;
  await stage.start({ slots: 1 }).ready;
  const [first, second] = [stage.plane.submit(hello), stage.plane.submit(hello)];
  await stage.runner.job(first);
  await stage.plane.request(
    ({ path, query }) => path === "/worker/poll" && query["capacity"] === "0",
  );
  assert.equal(stage.plane.state(second), "pending");
  stage.plane.cancel(first);
  await stage.plane.report(first);
  await stage.runner.job(second);
  stage.plane.cancel(second);
  await stage.plane.report(second);
  const orders = stage.plane.seen
    .map(({ path, query, body }) =>
      path === "/worker/poll" ? Number(query["order"]) : body["order"],
    )
    .filter((order) => typeof order === "number");
  assert.equal(new Set(orders).size, orders.length);
  const result = stage.plane.seen.find(({ path }) => path === "/worker/result");
  assert.equal(result?.body["capacity"], 1);
});

test("tasks beyond the free slots are given back and not run", async () => {
  await using stage = await openStage();
  stage.runner.end = untilCancelled;
  await stage.start({ slots: 1 }).ready;
  const ids = [1, 2, 3].map((digit) => `00000000-0000-7000-8000-00000000000${digit}`);
  let lied = false;
  stage.plane.lie = ({ path }, response) => {
    if (path === "/worker/started") return (response.writeHead(200).end("{}"), true);
    if (path !== "/worker/poll" || lied) return false;
    lied = true;
    const tasks = ids.map((id) => ({ id, fence: 1, timeoutMs: 1_000, createdAt: 0, spec: hello }));
    response.end(JSON.stringify({ tasks, cancel: [], decisions: [], stop: null }));
    return true;
  };
  stage.plane.submit(hello);
  const back = await stage.plane.request(({ path }) => path === "/worker/giveback");
  assert.deepEqual(
    back.body["held"],
    ids.slice(1).map((taskId) => ({ taskId, fence: 1 })),
  );
});

test("what the policy does not allow is refused with the reason and the way to allow it", async () => {
  await using stage = await openStage();
  await stage.start().ready;
  const outside = await stage.plane.report(
    stage.plane.submit({ kind: "file-read", path: "/etc/passwd" }),
  );
  assert.equal(outside["outcome"], "refused");
  assert.equal(outside["exitCode"], 126);
  assert.match(
    String(outside["error"]),
    /^Refused by policy: the path "\/etc\/passwd" is outside the roots .*To allow it: /,
  );
  const action = await stage.plane.report(
    stage.plane.submit({ kind: "action", action: "backup", params: {} }),
  );
  assert.match(
    String(action["error"]),
    /^Refused by policy: no such action\. To allow it: define it/,
  );
  const agent = await stage.plane.report(
    stage.plane.submit({ kind: "claude-cli", prompt: "hi", sessionId: "s" }),
  );
  assert.equal(agent["outcome"], "failed");
  assert.match(String(agent["error"]), /no agent driver yet on this worker/);
  assert.equal(stage.runner.jobs.length, 0);
});

test("a policy that asks or denies runs nothing", async () => {
  for (const fallback of ["ask", "deny"] as const) {
    await using stage = await openStage();
    await stage.start({ default: fallback }).ready;
    const report = await stage.plane.report(stage.plane.submit(hello));
    assert.equal(report["outcome"], "refused");
    assert.match(String(report["error"]), new RegExp(`default: ${fallback}`));
    assert.equal(stage.runner.jobs.length, 0);
  }
});
