import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { newTaskId, stoppedSchema, type StopOrder, type Stopped } from "@openclaw-worker/protocol";
import { stopFileIn } from "../../src/authority.ts";
import { hello, openStage, untilCancelled, type Stage } from "../stage.ts";
import {
  atTheComputer,
  decisionOn,
  enroll,
  last,
  noted,
  resumeOf,
  signed,
  stranger,
  until,
} from "./people.ts";

function orderOf(reason: string): StopOrder {
  const id = newTaskId(Date.now(), crypto.getRandomValues(new Uint8Array(10)));
  return { id, by: "anna", reason, at: Date.now() };
}

/** The newest stop that the server has heard of. */
function toldStop(stage: Stage, by: string): Promise<Stopped> {
  return stage.plane.until(() => {
    const { data } = stoppedSchema.safeParse(stage.plane.stopped);
    return data?.by === by ? data : undefined;
  });
}

function toldWorks(stage: Stage): Promise<true> {
  return stage.plane.until(() => (stage.plane.stopped === null ? true : undefined));
}

test("an order of the server ends what runs, gives back what waits, and nothing is taken", async () => {
  await using stage = await openStage();
  stage.runner.end = untilCancelled;
  await stage.start({ people: { rules: { ask: ["Bash(rm *)"] } } }).ready;
  const running = stage.plane.submit(hello);
  await stage.runner.job(running);
  const asking = stage.plane.submit({ kind: "command", command: "rm x" });
  await stage.plane.approval(asking);
  const order = orderOf("something is wrong");
  stage.plane.order(order);
  const report = await stage.plane.report(running);
  assert.equal(report["outcome"], "cancelled");
  assert.equal(report["error"], "Stopped: anna: something is wrong");
  const back = await stage.plane.request(({ path }) => path === "/worker/giveback");
  assert.deepEqual(back.body["held"], [{ taskId: asking, fence: 1 }]);
  await stage.plane.approval(asking, "withdrawn");
  assert.equal((await toldStop(stage, "api")).id, order.id);
  await stage.plane.request(
    ({ path, query }) => path === "/worker/poll" && query["capacity"] === "0",
  );
  const later = stage.plane.submit(hello);
  assert.equal(stage.plane.state(later), "pending");
  assert.deepEqual(
    stage.noted.filter(({ type }) => type === "stop").map(({ data }) => data["by"]),
    ["api"],
  );
});

test("a stop survives a restart, and is lifted only by a signature of an approver for this stop", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  const rita = enroll(stage, "rita", "submitter");
  let worker = stage.start({ people: {} });
  await worker.ready;
  const order = orderOf("lunch");
  stage.plane.order(order);
  await toldStop(stage, "api");
  await worker.stop();
  worker = stage.start({ people: {} });
  await worker.ready;
  const told = await toldStop(stage, "api");
  const id = stage.plane.submit(hello);

  const other = orderOf("x").id;
  const lies = [
    [resumeOf(told.id, stranger()), /no approver has the key/],
    [resumeOf(told.id, rita), /no approver has the key/],
    [resumeOf(other, anna), /names no stop/],
    [resumeOf(told.id, anna, { worker: "laptop" }), /for the worker laptop/],
    [resumeOf(told.id, anna, { expiresAt: Date.now() - 1 }), /has expired/],
    [resumeOf(told.id, anna, { issuedAt: Date.now() + 6e8 }), /in the future/],
    [{ ...resumeOf(told.id, anna), resume: resumeOf(told.id, anna).resume }, /not over this/],
  ] as const;
  for (const [envelope, because] of lies) {
    stage.plane.decide(envelope);
    await until(() => because.test(String(last(stage, "refused")?.["because"])));
  }
  assert.equal(stage.plane.state(id), "pending");

  const resume = resumeOf(told.id, anna);
  stage.plane.decide(resume);
  await toldWorks(stage);
  assert.equal((await stage.plane.report(id))["outcome"], "done");

  // The order that was handled, and the resume that was used, are worth nothing any more.
  stage.plane.order(null);
  stage.plane.order(order);
  const again = orderOf("dinner");
  stage.plane.order(again);
  assert.equal((await toldStop(stage, "api")).id, again.id);
  stage.plane.decide(resume);
  await until(() => /names no stop/.test(String(last(stage, "refused")?.["because"])));
  assert.match(String(stage.noted.findLast(({ type }) => type === "resume")?.data["by"]), /^anna/);
  await worker.stop();
});

test("a person at this computer stops and resumes, and a second stop is lifted with the first", async () => {
  await using stage = await openStage();
  await stage.start({ people: {} }).ready;
  using local = await atTheComputer(stage);
  assert.match(String(await local.resume()), /not stopped/);
  await local.stop("wait");
  stage.plane.order(orderOf("me too"));
  await toldStop(stage, "api");
  assert.equal((await local.status()).stopped?.by, "api");
  const id = stage.plane.submit(hello);
  assert.equal(await local.resume(), null);
  await toldWorks(stage);
  assert.equal((await stage.plane.report(id))["outcome"], "done");
});

test("the file STOP stops the worker while it is there, and no resume lifts that", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people: {} }).ready;
  const file = stopFileIn(stage.workerHome);
  writeFileSync(file, "");
  const told = await toldStop(stage, "file");
  using local = await atTheComputer(stage);
  assert.match(String(await local.resume()), /STOP is there: remove it with/);
  stage.plane.decide(resumeOf(told.id, anna));
  await noted(stage, "refused");
  assert.match(String(last(stage, "refused")?.["because"]), /only removing the file/);
  rmSync(file);
  await toldWorks(stage);

  // Removing the file ends the file's stop, and no other.
  await local.stop("really");
  writeFileSync(file, "");
  await toldStop(stage, "file");
  rmSync(file);
  await toldStop(stage, "local");
  assert.equal((await local.status()).stopped?.reason, "really");
});

test("a worker that starts while the file is there takes nothing", async () => {
  await using stage = await openStage();
  writeFileSync(stopFileIn(stage.workerHome), "");
  const id = stage.plane.submit(hello);
  await stage.start({ people: {} }).ready;
  await toldStop(stage, "file");
  assert.equal(stage.plane.state(id), "pending");
  assert.ok(stage.logged.some((line) => /stopped: nothing runs/.test(line)));
});

test("what is known of stops cannot be read: the worker is stopped", async () => {
  await using stage = await openStage();
  writeFileSync(path.join(stage.stateDir, "stopped.json"), "{");
  await stage.start({ people: {} }).ready;
  const told = await toldStop(stage, "local");
  assert.match(told.reason, /it is not known whether it is stopped/);
  using local = await atTheComputer(stage);
  assert.equal(await local.resume(), null);
  await toldWorks(stage);
  const kept = readFileSync(path.join(stage.stateDir, "stopped.json"), "utf8");
  assert.deepEqual(JSON.parse(kept), { version: 1, stops: [], handled: [] });
});

test("a yes that comes with a stop, or after it, begins nothing", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people: { default: "ask" } }).ready;
  const id = stage.plane.submit(hello);
  const ask = await stage.plane.approval(id);
  const order = orderOf("no");
  let lied = false;
  stage.plane.lie = ({ path }, response) => {
    if (path !== "/worker/poll" || lied) return false;
    lied = true;
    const decisions = [signed(decisionOn(ask), anna)];
    response.end(JSON.stringify({ tasks: [], cancel: [], decisions, stop: order }));
    return true;
  };
  stage.plane.decide({});
  await stage.plane.approval(id, "withdrawn");
  stage.plane.decide(signed(decisionOn(ask), anna));
  using local = await atTheComputer(stage);
  const late = { approvalId: ask.request.id, digest: ask.digest, verdict: "once" } as const;
  assert.match(String(await local.decide(late)), /decided already: withdrawn/);
  assert.equal(stage.runner.jobs.length, 0);
});

test("beats name the newest order that was carried out, and one that comes again is confirmed at once", async () => {
  await using stage = await openStage();
  await stage.start({ people: {} }).ready;
  const [first, second] = [orderOf("one"), orderOf("two")];
  for (const order of [first, second]) {
    stage.plane.order(order);
    await stage.plane.until(() =>
      stage.plane.seen.some(({ path: route, body }) => {
        return route === "/worker/beat" && body["stopSeen"] === order.id;
      })
        ? true
        : undefined,
    );
  }
  using local = await atTheComputer(stage);
  assert.equal(await local.resume(), null);
  await toldWorks(stage);
  // A server that was restarted knows of no confirmation: it orders again what was carried out.
  const beats = () => stage.plane.seen.filter(({ path: route }) => route === "/worker/beat");
  const before = beats().length;
  let lied = false;
  stage.plane.lie = ({ path: route }, response) => {
    if (route !== "/worker/poll" || lied) return false;
    lied = true;
    response.end(JSON.stringify({ tasks: [], cancel: [], decisions: [], stop: first }));
    return true;
  };
  stage.plane.order(null);
  const id = stage.plane.submit(hello);
  await stage.plane.report(id);
  const beat = await stage.plane.until(() => beats()[before]);
  assert.equal(beat.body["stopSeen"], first.id);
  assert.equal(beat.body["stopped"], null, "it is not stopped again");
});
