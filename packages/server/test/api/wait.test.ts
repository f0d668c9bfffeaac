// Readers that wait long: proxies cut a silent answer, so spaces come before the JSON.

import assert from "node:assert/strict";
import http from "node:http";
import { describe, test } from "node:test";
import { manualClock, turns, type ManualClock } from "../clock.ts";
import {
  assertProblem,
  eventually,
  openApiStage,
  pollOld,
  rawRequest,
  speak,
  token,
  type ApiStage,
} from "./stage.ts";

interface Reading {
  readonly chunks: string[];
  readonly response: http.IncomingMessage;
  /** Resolves with the next chunk. */
  readonly next: () => Promise<string>;
}

interface Stage extends ApiStage {
  readonly clock: ManualClock;
}

async function openStage(): Promise<Stage> {
  const clock = manualClock();
  return { ...(await openApiStage({ clock })), clock };
}

/** A reader that waits has two timers: its end, and its spaces. */
function waiting({ clock }: Stage, readers: number): Promise<boolean> {
  return eventually(async () => (clock.timers === idleTimers + 2 * readers ? true : null));
}
/** The queue's own, and the deadline of what is submitted. */
const idleTimers = 3;

async function read(
  stage: Stage,
  id: string,
): Promise<{ readonly reading: Promise<Reading>; readonly request: http.ClientRequest }> {
  const request = http.get(`${stage.url}/tasks/${id}?wait=600000`, {
    headers: { authorization: token },
    agent: false,
  });
  request.on("error", () => {});
  const reading = new Promise<Reading>((resolve) => {
    request.on("response", (response) => {
      const chunks: string[] = [];
      const waiters: ((text: string) => void)[] = [];
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        const waiter = waiters.shift();
        if (waiter === undefined) chunks.push(chunk);
        else waiter(chunk);
      });
      resolve({
        chunks,
        response,
        next: () => {
          const ready = chunks.shift();
          return ready === undefined
            ? new Promise((done) => waiters.push(done))
            : Promise.resolve(ready);
        },
      });
    });
  });
  await waiting(stage, 1);
  return { reading, request };
}

describe("a long wait", () => {
  test("gets a space every fifteen seconds, then the JSON", async () => {
    await using stage = await openStage();
    const { clock } = stage;
    const { taskId } = (await stage.post("/tasks", { command: "x" })).body;
    const { reading } = await read(stage, taskId);
    clock.advance(15_000);
    const { next, response } = await reading;
    assert.equal(response.statusCode, 200);
    assert.match(response.headers["content-type"] ?? "", /^application\/json/);
    assert.equal(await next(), " ");
    clock.advance(15_000);
    assert.equal(await next(), " ");
    await finish(stage, taskId);
    assert.equal(JSON.parse(await next()).stdout, "done");
  });

  test("that ends before the first space has its length and type as any other answer", async () => {
    await using stage = await openStage();
    const { clock } = stage;
    const { taskId } = (await stage.post("/tasks", { command: "x" })).body;
    const { reading } = await read(stage, taskId);
    clock.advance(14_999);
    await finish(stage, taskId);
    const { next, response } = await reading;
    assert.equal(Number(response.headers["content-length"]) > 10, true);
    assert.equal(JSON.parse(await next()).stdout, "done");
  });

  test("that is over says not ready after its spaces", async () => {
    await using stage = await openStage();
    const { clock } = stage;
    const { taskId } = (await stage.post("/tasks", { command: "x", ttlMs: 2_000_000 })).body;
    const { reading } = await read(stage, taskId);
    clock.advance(15_000);
    const { next } = await reading;
    await next();
    clock.advance(600_000);
    let text = "";
    while (!text.includes("}")) text += await next();
    assert.equal(JSON.parse(text).message, "Result not ready yet");
  });

  test("whose reader hangs up between two spaces harms nobody", async () => {
    await using stage = await openStage();
    const { clock } = stage;
    const { taskId } = (await stage.post("/tasks", { command: "x" })).body;
    const { reading, request } = await read(stage, taskId);
    clock.advance(15_000);
    await (await reading).next();
    request.destroy();
    await waiting(stage, 0);
    clock.advance(60_000);
    await turns();
    await finish(stage, taskId);
    assert.equal((await stage.get(`/tasks/${taskId}`)).body.stdout, "done");
  });

  test("whose reader's line is cut in the moment that the space is written harms nobody", async () => {
    await using stage = await openStage();
    const { clock } = stage;
    const { taskId } = (await stage.post("/tasks", { command: "x" })).body;
    using peer = await speak(stage.port, rawRequest(`GET /tasks/${taskId}?wait=600000`));
    await waiting(stage, 1);
    clock.advance(15_000);
    await peer.until(/\r\n \r\n/);
    peer.socket.resetAndDestroy();
    for (let space = 0; space < 5; space += 1) clock.advance(15_000);
    await finish(stage, taskId);
    assert.equal((await stage.get("/health")).status, 200);
  });

  test("ends when the server stops, with words and not with a cut", async () => {
    await using stage = await openStage();
    const { clock } = stage;
    const { taskId } = (await stage.post("/tasks", { command: "x" })).body;
    const { reading } = await read(stage, taskId);
    clock.advance(15_000);
    const { next } = await reading;
    await next();
    stage.queue.stop();
    assert.equal(JSON.parse(await next()).status, "pending");
    assertProblem(await stage.post("/tasks", { command: "x" }), 503);
    assert.equal(await pollOld(stage), null);
  });
});

async function finish(stage: ApiStage, taskId: string): Promise<void> {
  await pollOld(stage);
  await stage.post("/worker/result", { taskId, stdout: "done", exitCode: 0 });
}
