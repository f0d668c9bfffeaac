import assert from "node:assert/strict";
import { mkdirSync, rmSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import path from "node:path";
import { test } from "node:test";
import { openLocal } from "../../src/approval/local-client.ts";
import { connectIn, listenIn, socketName } from "../../src/approval/socket.ts";
import type { LocalView } from "../../src/approval/wire.ts";
import { hello, openStage, temporaryFolder } from "../stage.ts";
import { atTheComputer, decisionOn, enroll, signed, until } from "./people.ts";

const people = { default: "ask" } as const;

test("a watcher sees every question come and go, whoever decided it", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "approver");
  await stage.start({ people }).ready;
  using local = await atTheComputer(stage);
  const views: LocalView[] = [];
  await local.watch((view) => void views.push(view));
  assert.equal(JSON.stringify(views), '[{"approvals":[],"stopped":null}]');
  const id = stage.plane.put({ spec: hello, reason: "\u001B[31mplease" });
  const ask = await stage.plane.approval(id);
  await until(() => views.at(-1)?.approvals.length === 1);
  const [shown] = views.at(-1)?.approvals ?? [];
  assert.equal(shown?.digest, ask.digest);
  assert.equal(shown?.reason, "\u001B[31mplease");
  stage.plane.decide(signed(decisionOn(ask), anna));
  await until(() => views.at(-1)?.approvals.length === 0);
  await local.stop("tea");
  await until(() => views.at(-1)?.stopped?.reason === "tea");
});

test("a yes at the computer counts for what was shown, and a late one is told so", async () => {
  await using stage = await openStage();
  await stage.start({ people }).ready;
  using local = await atTheComputer(stage);
  await local.ping();
  const id = stage.plane.submit(hello);
  const { request, digest } = await stage.plane.approval(id);
  const yes = { approvalId: request.id, digest, verdict: "once" } as const;
  assert.match(String(await local.decide({ ...yes, digest: "0".repeat(64) })), /digest differs/);
  assert.match(String(await local.decide({ ...yes, approvalId: id })), /nothing waits/);
  assert.equal(await local.decide(yes), null);
  assert.equal((await stage.plane.report(id))["outcome"], "done");
  assert.match(String(await local.decide(yes)), /decided already: allowed, by the person/);
  const { waiting, running, slots, worker } = await local.status();
  assert.deepEqual([waiting, running, slots, worker], [0, 0, 3, "desk"]);
});

test("nonsense on the socket, and clients that hang up, harm nobody else", async () => {
  await using stage = await openStage();
  await stage.start({ people }).ready;
  using local = await atTheComputer(stage);
  const nonsense = [
    "{",
    "null",
    '{"n":1,"op":"approve-all"}',
    '{"n":1,"op":"ping","extra":1}',
    '{"n":1,"op":"decide","approvalId":"x","digest":"y","verdict":"once"}',
    '{"n":-1,"op":"ping"}',
    "x".repeat(100_000),
  ];
  for (const line of nonsense) {
    const socket = await connectIn(stage.stateDir);
    assert.ok(socket !== null);
    const ended = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {});
    socket.resume();
    socket.write(`${line}\n`);
    await ended;
  }
  for (let count = 0; count < 20; count += 1) {
    const socket = await connectIn(stage.stateDir);
    socket?.write('{"n":1,"op":"watch"}\n{"n":2,"op":"li');
    socket?.destroy();
  }
  const id = stage.plane.submit(hello);
  const { request, digest } = await stage.plane.approval(id);
  assert.equal(await local.decide({ approvalId: request.id, digest, verdict: "once" }), null);
  assert.equal((await stage.plane.report(id))["outcome"], "done");
});

test("the socket is its owner's alone, and goes with the worker", async () => {
  await using stage = await openStage();
  const worker = stage.start({ people });
  await worker.ready;
  const file = path.join(stage.stateDir, socketName);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  using local = await atTheComputer(stage);
  await worker.stop();
  await local.ended;
  await assert.rejects(local.ping(), /hung up/);
  assert.equal(await openLocal(stage.stateDir, AbortSignal.timeout(5_000)), null);
});

test("a folder whose name is too long for an address has a socket all the same", async () => {
  const folder = temporaryFolder();
  try {
    const deep = path.join(folder, "d".repeat(100), "e".repeat(100));
    mkdirSync(deep, { recursive: true });
    assert.equal(await connectIn(deep), null);
    await using _server = await listenIn(deep, (socket: Socket) => void socket.end("hello"));
    const socket = await connectIn(deep);
    assert.ok(socket !== null);
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    assert.equal(text, "hello");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
