// The only file of the worker that opens a connection. It dials out, speaks plain requests and
// answers, follows no redirect, and believes nothing that it has not parsed. It says once when the
// server cannot be reached and once when it is back.

import http from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import { messageOf, type Clock, type Log } from "@openclaw-worker/base";
import {
  auditCopiedSchema,
  limits,
  type Ask,
  type AuditCopied,
  type AuditCopy,
  type Beat,
  type GiveBack,
  type Held,
  type PollQuery,
  type Started,
} from "@openclaw-worker/protocol";
import { z } from "zod";
import { judge, type Answer, type Call, type Raw } from "./answer.ts";
import { watchWeather } from "./weather.ts";

export interface Exchange<T> {
  /** Resolves when the request was handed to the system (or cannot be): work may go beside it. */
  readonly written: Promise<void>;
  readonly answer: Promise<Answer<T>>;
}

/**
 * Entries are not parsed here: one strange task must not spoil its neighbors. Fields that nobody
 * knows stay, for those who write down that they came.
 */
const heardSchema = z.looseObject({
  tasks: z.array(z.unknown()),
  cancel: z.array(z.unknown()).default([]),
  decisions: z.array(z.unknown()).default([]),
  stop: z.unknown(),
  unknown: z.boolean().optional(),
});
export type Heard = z.infer<typeof heardSchema>;

const beatenSchema = z.object({
  cancel: z.array(z.unknown()).default([]),
  stale: z.array(z.unknown()).default([]),
});
export type Beaten = z.infer<typeof beatenSchema>;

// A hotel's login page answers 200 too: only these words confirm that a result is kept.
const confirmedSchema = z.object({ success: z.literal(true) });
const anySchema = z.unknown();

export interface Link extends Disposable {
  poll(query: PollQuery, signal: AbortSignal): Exchange<Heard>;
  beat(beat: Beat, signal: AbortSignal): Exchange<Beaten>;
  started(started: Started, signal: AbortSignal): Exchange<unknown>;
  /** `body` is the JSON of a settle in UTF-8: a report is serialized once, for the wire and the disk. */
  result(body: Uint8Array, signal: AbortSignal): Exchange<unknown>;
  giveBack(held: readonly Held[], instance: string, signal: AbortSignal): Exchange<unknown>;
  /** What waits for a person, or how that ended: the server only shows it. */
  ask(ask: Ask, signal: AbortSignal): Exchange<unknown>;
  /** More of the audit log, for the server's copy. */
  audit(copy: AuditCopy, signal: AbortSignal): Exchange<AuditCopied>;
  /** Ends every request and closes every connection: after sleep they lead nowhere. */
  reset(): void;
}

export interface LinkOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** http: or https:; a path before the routes is kept. */
  readonly url: URL;
  readonly token: string;
}

// A poll may carry large tasks; the other answers hold a few words.
const pollBytesMax = 67_108_864;
const answerBytesMax = 1_048_576;
// What HTTP itself may add to an answer: interim answers, headers, the sizes of chunks.
const wrapBytesMax = 65_536;
const wrapShare = 1 / 8;
const interimAnswersMax = 16;
// An answer in crumbs costs far more memory than its bytes: each crumb is an object.
const crumbsMax = 262_144;
const requestMs = 30_000;
// A big result over a thin line is slow, not broken: it gets the time that 16 KiB/s needs.
const slowestBytesPerMs = 16.384;
const pollGraceMs = 10_000;
const tcpKeepAliveMs = 10_000;
// Each try uses up one connection that the server had closed while it was idle in our pool.
const reusedTriesMax = 16;

/** Opens no connection yet; the first request does. Disposing it ends all of them. */
export function openLink(options: LinkOptions): Link {
  const line = openLine(options);
  const weather = watchWeather(options);

  async function finish<T>(
    call: Call<T>,
    first: Promise<Raw>,
    signal: AbortSignal,
  ): Promise<Answer<T>> {
    let raw = await first;
    // A pooled connection that the server closed fails at once. All our requests may be repeated.
    for (let tries = 0; raw.kind === "broken" && raw.reused && tries < reusedTriesMax; tries += 1) {
      raw = await attempt(line, call, signal).raw;
    }
    const answer = judge(call, raw);
    if (call.tellsWeather) weather.note(call, answer);
    return answer;
  }

  const exchange = <T>(call: Call<T>, signal: AbortSignal): Exchange<T> => {
    const { written, raw } = attempt(line, call, signal);
    return { written, answer: finish(call, raw, signal) };
  };

  return {
    poll(query, signal) {
      const path = `/worker/poll?${new URLSearchParams(words(query)).toString()}`;
      const timeoutMs = (query.wait ?? 0) + pollGraceMs;
      return exchange({ ...pollCall, path, timeoutMs }, signal);
    },
    beat: (beat, signal) =>
      exchange(post("/worker/beat", JSON.stringify(beat), beatenSchema), signal),
    started: (started, signal) =>
      exchange(post("/worker/started", JSON.stringify(started), anySchema), signal),
    result: (body, signal) => exchange(post("/worker/result", body, confirmedSchema), signal),
    giveBack(held, instance, signal) {
      const body: GiveBack = { instance, held: [...held] };
      return exchange(post("/worker/giveback", JSON.stringify(body), anySchema), signal);
    },
    ask: (ask, signal) =>
      exchange(post("/worker/ask", JSON.stringify(ask), confirmedSchema), signal),
    audit: (copy, signal) =>
      exchange(post("/worker/audit", JSON.stringify(copy), auditCopiedSchema), signal),
    reset: line.reset,
    [Symbol.dispose]: line.reset,
  };
}

const aboutTasks: ReadonlySet<string> = new Set([
  "/worker/started",
  "/worker/result",
  "/worker/ask",
]);

function post<T>(path: string, body: string | Uint8Array, schema: z.ZodType<T>): Call<T> {
  return {
    method: "POST",
    path,
    body,
    schema,
    timeoutMs: requestMs + body.length / slowestBytesPerMs,
    answerBytesMax,
    aboutTask: aboutTasks.has(path),
    tellsWeather: path === "/worker/beat",
  };
}

/** The way to one server: a pool of connections, and what is under way on it. */
interface Line {
  readonly clock: Clock;
  readonly live: Set<() => void>;
  readonly reset: () => void;
  request(call: Call<unknown>): http.ClientRequest;
}

function openLine({ clock, url, token }: LinkOptions): Line {
  const secure = url.protocol === "https:";
  const agent = new (secure ? https : http).Agent({ keepAlive: true });
  const request = secure ? https.request : http.request;
  const prefix = url.pathname.replace(/\/+$/, "");
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? (secure ? 443 : 80) : url.port;
  const always = { authorization: `Bearer ${token}`, accept: "application/json" };
  const live = new Set<() => void>();
  return {
    clock,
    live,
    reset() {
      // Each of them takes itself out of the set; a set may be walked meanwhile.
      for (const interrupt of live) interrupt();
      agent.destroy();
    },
    request({ method, path, body }) {
      const length = body === null ? {} : { "content-length": Buffer.byteLength(body) };
      const type = body === null ? {} : { "content-type": "application/json" };
      const headers = { ...always, ...type, ...length };
      return request({ hostname, port, path: prefix + path, method, headers, agent });
    },
  };
}

interface Attempt {
  readonly written: Promise<void>;
  readonly raw: Promise<Raw>;
}

function attempt(line: Line, call: Call<unknown>, signal: AbortSignal): Attempt {
  const written = Promise.withResolvers<void>();
  const raw = Promise.withResolvers<Raw>();
  const sent = line.request(call);
  let ended = false;
  let unmeter = (): void => {};
  const end = (outcome: Raw): void => {
    if (ended) return;
    ended = true;
    timer.cancel();
    unmeter();
    line.live.delete(interrupt);
    signal.removeEventListener("abort", interrupt);
    raw.resolve(outcome);
    written.resolve();
    if (outcome.kind !== "response") sent.destroy();
  };
  const broken = (why: string): void => end({ kind: "broken", why, reused: sent.reusedSocket });
  const interrupt = (): void => end({ kind: "interrupted" });
  const timer = line.clock.after(call.timeoutMs, () =>
    end({ kind: "broken", why: "no answer in time", reused: false }),
  );
  line.live.add(interrupt);
  signal.addEventListener("abort", interrupt, { once: true });
  sent.on("socket", (socket) => {
    if (ended) return;
    if (!sent.reusedSocket) socket.setNoDelay(true).setKeepAlive(true, tcpKeepAliveMs);
    unmeter = meter(socket, call.answerBytesMax * (1 + wrapShare) + wrapBytesMax, broken);
    // Node hands the request to a pooled socket in this very turn, after this event.
    queueMicrotask(() => written.resolve());
  });
  sent.on("error", (error) => broken(messageOf(error)));
  sent.on("close", () => broken("the connection was closed"));
  let interim = 0;
  sent.on("information", () => {
    interim += 1;
    if (interim > interimAnswersMax) broken("the server says 'wait' without an end");
  });
  sent.on("response", (response) => readAnswer(response, call.answerBytesMax, end));
  if (signal.aborted) interrupt();
  else sent.end(call.body ?? undefined);
  return { written: written.promise, raw: raw.promise };
}

const pollCall = {
  method: "GET",
  body: null,
  answerBytesMax: pollBytesMax,
  schema: heardSchema,
  aboutTask: false,
  tellsWeather: true,
} as const;

/** Counts what comes, before HTTP takes it apart: blanks and interim answers are never seen later. */
function meter(socket: Socket, bytesMax: number, broken: (why: string) => void): () => void {
  let bytes = 0;
  const count = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > bytesMax) broken(`the answer is longer than ${Math.trunc(bytesMax)} bytes`);
  };
  socket.on("data", count);
  return () => void socket.off("data", count);
}

function readAnswer(
  response: http.IncomingMessage,
  bytesMax: number,
  end: (raw: Raw) => void,
): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const broken = (why: string): void => end({ kind: "broken", why, reused: false });
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bytesMax) broken(`the answer is longer than ${bytesMax} bytes`);
    else if (chunks.length > crumbsMax) broken("the answer comes in crumbs");
    else chunks.push(chunk);
  });
  response.on("error", (error) => broken(messageOf(error)));
  response.on("close", () => broken("the answer broke off"));
  response.on("end", () => {
    if (!response.complete) return;
    const text = Buffer.concat(chunks).toString();
    end({
      kind: "response",
      status: response.statusCode ?? 0,
      retryAfter: response.headers["retry-after"],
      text,
    });
  });
}

function words(query: PollQuery): Record<string, string> {
  const present = Object.entries(query).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present.map(([key, value]) => [key, String(value)]));
}

/** The hold of our own polls: what the configuration says, else the house's. */
export function pollWaitMs(configured: number | null): number {
  return Math.min(configured ?? limits.workerPollMs, limits.pollHoldMsMax);
}
