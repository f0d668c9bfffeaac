import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";
import { silentLog, systemClock, type Clock } from "@openclaw-worker/base";
import { openLink } from "../src/link.ts";
import { watchWake } from "../src/wake.ts";
import type { Seen } from "./plane.ts";
import { hello, openStage } from "./stage.ts";

const never = new AbortController().signal;
const query = { wait: 20_000, capacity: 1 };

function linkTo(port: number, clock: Clock = systemClock()) {
  return openLink({
    clock,
    log: silentLog,
    url: new URL(`http://127.0.0.1:${port}/base/`),
    token: "t",
  });
}

async function listen(server: net.Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return address !== null && typeof address === "object" ? address.port : 0;
}

test("requests share one connection, carry the token and keep the path of the server's address", async () => {
  const seen: string[] = [];
  const server = http.createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    response.end('{"cancel":[],"stale":[]}');
  });
  let connections = 0;
  server.on("connection", () => (connections += 1));
  using link = linkTo(await listen(server));
  for (let turn = 0; turn < 3; turn += 1) {
    assert.equal((await link.beat({ held: [] }, never).answer).kind, "ok");
  }
  assert.equal(connections, 1);
  assert.equal(seen[0], "POST /base/worker/beat Bearer t");
  server.close();
});

test("a pooled connection that the server has closed costs no failure", async () => {
  const server = http.createServer(
    (_request, response) => void response.end('{"cancel":[],"stale":[]}'),
  );
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket) => sockets.add(socket));
  using link = linkTo(await listen(server));
  assert.equal((await link.beat({ held: [] }, never).answer).kind, "ok");
  // Both at once: the request is on its way when the connection's end arrives.
  for (const socket of sockets) socket.resetAndDestroy();
  assert.equal((await link.beat({ held: [] }, never).answer).kind, "ok");
  assert.equal(sockets.size, 2);
  server.close();
});

test("a poll that is not answered in time is given up", async () => {
  const server = net.createServer(() => {});
  const fired: number[] = [];
  const clock: Clock = {
    ...systemClock(),
    after(delayMs, run) {
      fired.push(delayMs);
      return systemClock().after(delayMs === 30_000 ? 1 : delayMs, run);
    },
  };
  using link = linkTo(await listen(server), clock);
  const answer = await link.poll(query, never).answer;
  assert.deepEqual(answer, { kind: "retry", afterMs: null, why: "no answer in time" });
  assert.deepEqual(fired, [30_000]);
  server.close();
});

test("an answer that never ends is cut at its limit", async () => {
  const server = http.createServer((_request, response) => {
    const chunk = Buffer.alloc(1_048_576, " ");
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on("drain", more);
    more();
  });
  using link = linkTo(await listen(server));
  const answer = await link.poll(query, never).answer;
  assert.ok(answer.kind === "retry" && answer.why.includes("longer than"));
  server.close();
});

test("Retry-After is honored up to 30 seconds", async () => {
  const headers = ["3", "86400", "soon"];
  const server = http.createServer((_request, response) => {
    response.writeHead(503, { "retry-after": headers.shift() ?? "" }).end("{}");
  });
  using link = linkTo(await listen(server));
  const pauses: unknown[] = [];
  for (let turn = 0; turn < 3; turn += 1) {
    const answer = await link.poll(query, never).answer;
    pauses.push(answer.kind === "retry" ? answer.afterMs : answer.kind);
  }
  assert.deepEqual(pauses, [3_000, 30_000, null]);
  server.close();
});

test("an aborted request ends at once, and so does every request on a reset", async () => {
  const server = net.createServer(() => {});
  using link = linkTo(await listen(server));
  const stop = new AbortController();
  const poll = link.poll(query, stop.signal);
  await poll.written;
  stop.abort();
  assert.deepEqual(await poll.answer, { kind: "interrupted" });
  const beat = link.beat({ held: [] }, never);
  const result = link.result(Buffer.from("{}"), never);
  await once(server, "connection");
  link.reset();
  assert.deepEqual(
    [await beat.answer, await result.answer],
    [{ kind: "interrupted" }, { kind: "interrupted" }],
  );
  assert.deepEqual(await link.poll(query, AbortSignal.abort()).answer, { kind: "interrupted" });
  server.close();
});

test("a request is written before the caller goes on, when its connection is open", async () => {
  const server = http.createServer((_request, response) => void response.end('{"success":true}'));
  using link = linkTo(await listen(server));
  await link.result(Buffer.from("{}"), never).answer;
  const second = link.result(Buffer.from('{"taskId":"x"}'), never);
  await second.written;
  // The caller now blocks, as an fsync does; the server has the request already in its socket.
  const [request] = await once(server, "request");
  assert.equal(request.url, "/base/worker/result");
  assert.equal((await second.answer).kind, "ok");
  server.close();
});

test("a jump of either clock is noticed once", () => {
  let [wall, monotonic] = [0, 0];
  let tick = (): void => {};
  const woken: number[] = [];
  const clock: Clock = {
    ...systemClock(),
    now: () => wall,
    monotonic: () => monotonic,
    every(_periodMs, run) {
      tick = run;
      return { cancel() {}, [Symbol.dispose]() {} };
    },
  };
  using _wake = watchWake(clock, (goneMs) => woken.push(goneMs));
  const pass = (wallMs: number, monotonicMs: number): void => {
    wall += wallMs;
    monotonic += monotonicMs;
    tick();
  };
  pass(2_000, 2_000);
  pass(9_000, 9_000);
  assert.deepEqual(woken, []);
  pass(3_602_000, 2_000);
  pass(2_000, 2_000);
  pass(62_000, 62_000);
  assert.deepEqual(woken, [3_600_000, 60_000]);
});

test("a worker that wakes drops its dead poll and takes the next task", async () => {
  await using stage = await openStage();
  const real = systemClock();
  let aheadMs = 0;
  const clock: Clock = {
    ...real,
    now: () => real.now() + aheadMs,
    every: (periodMs, run) => real.every(periodMs === 2_000 ? 10 : periodMs, run),
  };
  const held = ({ path, query }: Seen): boolean => path === "/worker/poll" && query["wait"] !== "0";
  // The server's end of the connection hangs: it was given up while the computer slept.
  stage.plane.lie = held;
  await stage.start({ clock }).ready;
  await stage.plane.request(held);
  stage.plane.lie = null;
  aheadMs = 60_000;
  assert.equal((await stage.plane.report(stage.plane.submit(hello)))["stdout"], "ok");
  assert.ok(stage.logged.some((line) => /awake after \d+ s/.test(line)));
});
