// A poll is answered with bytes that no server sends. The worker neither dies of them, nor grows, nor
// spins, nor tells its token to anybody; and it takes the next honest task and does it right.

import assert from "node:assert/strict";
import type http from "node:http";
import type { Socket } from "node:net";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { openDen, type Den } from "./den.ts";
import { emptyAnswer, sendJson, taskOf, type Lie } from "./plane.ts";

let den: Den;
let idle = 0;
before(async () => {
  den = await openDen();
  await den.worksOn();
  idle = den.memory();
});
after(() => den[Symbol.asyncDispose]());

const ok = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
const honest = JSON.stringify(emptyAnswer);
/** An answer with a task that must not be found in bytes that are no answer. */
const withTask = (): string => {
  const command = `touch ${den.root}/smuggled`;
  return JSON.stringify({ ...emptyAnswer, tasks: [taskOf({ kind: "command", command })] });
};

/** Writes these bytes on the bare connection, and ends it. */
const raw =
  (...parts: readonly (string | (() => string))[]): Lie =>
  ({ socket }) => {
    for (const part of parts) socket.write(typeof part === "string" ? part : part());
    socket.end();
  };

/** Answers with a status and a body. */
const status =
  (code: number, headers: http.OutgoingHttpHeaders = {}, body = ""): Lie =>
  ({ response }) =>
    void response.writeHead(code, headers).end(body);

/** Writes the same block again and again, as fast as it is taken, until so much was written. */
const flood =
  (head: string, block: string | Buffer, bytes: number): Lie =>
  ({ socket }) => {
    socket.write(head);
    void pour(socket, block, bytes);
  };

async function pour(socket: Socket, block: string | Buffer, bytes: number): Promise<void> {
  const closed = told(socket, "close");
  for (let sent = 0; sent < bytes && !socket.destroyed; sent += block.length) {
    if (!socket.write(block)) await Promise.race([told(socket, "drain"), closed]);
  }
  socket.destroy();
}

function told(socket: Socket, event: "drain" | "close"): Promise<void> {
  return new Promise((resolve) => socket.once(event, () => resolve()));
}

const gigabyte = 2 ** 30;
const longBlock = Buffer.alloc(2 ** 20, " ");
const tinyChunks = Buffer.from("1\r\n \r\n".repeat(20_000));

const lies: Readonly<Record<string, Lie>> = {
  "no HTTP at all": raw("SSH-2.0-OpenSSH_9.9\r\n\r\n"),
  "nothing but its end": raw(),
  "HTTP/0.9": raw(honest),
  "an answer in HTTP/2": raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  "a status that is none": raw("HTTP/1.1 99999 OK\r\n\r\n"),
  "two lengths": raw(`${ok}content-length: 2\r\ncontent-length: 300\r\n\r\n`, withTask),
  "a length and chunks": raw(
    `${ok}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n`,
    "zz\r\n",
  ),
  "a negative length": raw(`${ok}content-length: -1\r\n\r\n`, honest),
  "a length of 10^30": raw(`${ok}content-length: 1${"0".repeat(30)}\r\n\r\n`, honest),
  "chunks that are none": raw(`${ok}transfer-encoding: chunked\r\n\r\n`, "nonsense\r\n\r\n"),
  "a chunk of 2^64 bytes": raw(`${ok}transfer-encoding: chunked\r\n\r\n10000000000000000\r\n`),
  "a chunk that breaks off": raw(`${ok}transfer-encoding: chunked\r\n\r\nffff\r\n{"tasks":[`),
  "line ends without CR and a folded header": raw(`HTTP/1.1 200 OK\nx: y\n z\n\n`, withTask),
  "two answers for one question": raw(
    `${ok}content-length: ${honest.length}\r\n\r\n${honest}`.repeat(2),
  ),
  "a million 100 Continues": flood("", "HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000), 25_000_000),
  "early hints without an end": flood(
    "",
    `HTTP/1.1 103 Early Hints\r\nx: ${"y".repeat(4_000)}\r\n\r\n`,
    gigabyte,
  ),
  "an upgrade that nobody asked for": raw(
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
  ),
  "headers without an end": flood("HTTP/1.1 200 OK\r\n", `x: ${"y".repeat(1_000)}\r\n`, gigabyte),
  "one header line without an end": flood("HTTP/1.1 200 OK\r\nx: ", longBlock, gigabyte),
  "trailers without an end": flood(
    `${ok}transfer-encoding: chunked\r\n\r\n0\r\n`,
    `x: ${"y".repeat(1_000)}\r\n`,
    gigabyte,
  ),
  "a chunk extension without an end": flood(
    `${ok}transfer-encoding: chunked\r\n\r\n1;x=`,
    longBlock,
    gigabyte,
  ),
  "two gigabytes": flood(`${ok}\r\n{"tasks":[`, longBlock, 2 * gigabyte),
  "two gigabytes that claim to be two": flood(
    `${ok}content-length: 2\r\n\r\n{}`,
    longBlock,
    2 * gigabyte,
  ),
  "a body in chunks of one byte": flood(
    `${ok}transfer-encoding: chunked\r\n\r\n`,
    tinyChunks,
    gigabyte,
  ),
  "a bomb of zipped nothing": status(200, { "content-encoding": "gzip" }, "\x1f\x8b\x08\x00"),
  "another type of content": status(200, { "content-type": "text/html" }, "<h1>Please log in</h1>"),
  "a text in UTF-16": ({ response }) =>
    void response.writeHead(200).end(Buffer.from(honest, "utf16le")),
  "broken UTF-8": ({ response }) =>
    void response.writeHead(200).end(Buffer.from(honest.replace("n", "\xff"), "latin1")),
  "a mark of byte order": status(200, {}, `\ufeff${honest}`),
  "two JSON texts": status(200, {}, `${honest}${honest}`),
  "a hundred thousand brackets": status(200, {}, "[".repeat(100_000) + "]".repeat(100_000)),
  "a task a hundred thousand deep": ({ response }) => {
    const deep = `${'{"a":['.repeat(50_000)}1${"]}".repeat(50_000)}`;
    sendJson(response, `{"tasks":[${deep}],"cancel":${deep},"decisions":[${deep}],"stop":${deep}}`);
  },
  "thirty million empty lists": ({ response }) =>
    sendJson(response, `{"tasks":[${"[],".repeat(20_000_000)}[]]}`),
  "ten million names": ({ response }) =>
    sendJson(response, `{${Array.from({ length: 4_000_000 }, (_, at) => `"k${at}":0`).join(",")}}`),
  "an escape of every letter": ({ response }) =>
    sendJson(response, `{"tasks":["${"\\u0000".repeat(10_000_000)}"]}`),
  "a number of ten million digits": ({ response }) =>
    sendJson(response, `{"tasks":[],"stop":${"9".repeat(10_000_000)}}`),
  "a 204 without a body": status(204),
  "a 304": status(304),
  "a 400": status(400, {}, "{}"),
  "a 404": status(404, {}, "{}"),
  "a 413": status(413),
  "a 500": status(500, {}, "<h1>oops</h1>"),
  "a 600": raw("HTTP/1.1 600 What\r\ncontent-length: 0\r\n\r\n"),
  "a 429 that says never": status(429, { "retry-after": "-1" }),
  cookies: status(
    200,
    { "set-cookie": ["a=b; Domain=example.com"], "www-authenticate": "Basic" },
    honest,
  ),
};

// One answer costs no more than this: a good part of a minute of one core, or of a laptop's memory,
// would be a way to stop the worker.
const grownMax = 400;
const busyMax = 5_000;

for (const [name, lie] of Object.entries(lies)) {
  test(`a poll answered with ${name} is survived`, async () => {
    den.peak();
    const [memory, busy] = [den.memory(), den.busyMs()];
    await den.plane.lieOnce("/worker/poll", lie);
    await den.worksOn();
    const [grown, spent] = [den.peak() - memory, den.busyMs() - busy];
    assert.ok(grown < grownMax, `it grew by ${grown} MiB`);
    assert.ok(spent < busyMax, `it was busy for ${spent} ms`);
    assert.equal(existsSync(`${den.root}/smuggled`), false, "what was smuggled in ran");
  });
}

test("after all of that the worker is about as large as before, and has said each thing briefly", () => {
  assert.ok(den.memory() - idle < grownMax, `it is ${den.memory()} MiB, and was ${idle}`);
  assert.ok(den.worker.lines.every((line) => line.length < 1_000));
});
