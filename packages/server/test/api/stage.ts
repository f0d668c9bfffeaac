// The API over real HTTP on 127.0.0.1, on a store in memory.

import { createLog, systemClock, type Clock } from "@openclaw-worker/base";
import { limits } from "@openclaw-worker/protocol";
import assert from "node:assert/strict";
import net from "node:net";
import { createApp } from "../../src/app.ts";
import type { ChatConfig } from "../../src/config.ts";
import { createGuard } from "../../src/guard.ts";
import { openQueue, type Queue } from "../../src/queue/queue.ts";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import type { Store } from "../../src/store/store.ts";

export const token = "0123456789abcdef-the-token";
export const approveToken = "fedcba9876543210-approves";

export interface ApiStage extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly queue: Queue;
  readonly store: Store;
  /** How many connections are open. */
  readonly connections: () => Promise<number>;
  /** Every line that the server logged. */
  readonly logged: readonly string[];
  readonly get: (path: string, options?: CallOptions) => Promise<Answer>;
  readonly post: (path: string, body?: unknown, options?: CallOptions) => Promise<Answer>;
}

export interface StageOptions {
  readonly clock?: Clock;
  readonly chat?: ChatConfig;
  readonly store?: Store;
  readonly leaseMs?: number;
  readonly queuedTasksMax?: number;
  /** There is a token that approves, too. */
  readonly approves?: boolean;
}

export async function openApiStage(options: StageOptions = {}): Promise<ApiStage> {
  const clock = options.clock ?? systemClock();
  const store = options.store ?? openSqliteStore(":memory:");
  const logged: string[] = [];
  const log = createLog({
    clock,
    level: "debug",
    format: "json",
    write: (line) => logged.push(line),
  });
  const queue = await openQueue({
    store,
    clock,
    log,
    leaseMs: options.leaseMs ?? limits.leaseMs,
    retentionMs: limits.retentionMs,
    queuedTasksMax: options.queuedTasksMax ?? limits.queuedTasksMax,
    parkedRequestsMax: limits.parkedRequestsMax,
  });
  const chat = options.chat ?? { baseUrl: "http://127.0.0.1:9", token: null };
  const guard = createGuard(token, options.approves === true ? approveToken : null);
  const app = await createApp({ queue, store, clock, log, guard, chat });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  return {
    ...callsTo(url),
    port: Number(new URL(url).port),
    queue,
    store,
    logged,
    connections: () =>
      new Promise((resolve, reject) => {
        app.server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
      }),
    async [Symbol.asyncDispose]() {
      queue.stop();
      app.server.closeAllConnections();
      await app.close();
      await queue[Symbol.asyncDispose]();
    },
  };
}

export interface CallOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Null: no token at all. */
  readonly token?: string | null;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; null when it is no JSON. */
  readonly body: ReturnType<typeof JSON.parse>;
}

export function callsTo(url: string): Pick<ApiStage, "url" | "get" | "post"> {
  const call = async (
    path: string,
    body: string | undefined,
    options: CallOptions,
  ): Promise<Answer> => {
    const authorization =
      options.token === null ? {} : { authorization: `Bearer ${options.token ?? token}` };
    const response = await fetch(url + path, {
      method: options.method ?? (body === undefined ? "GET" : "POST"),
      headers: { ...authorization, ...options.headers },
      ...(body === undefined ? {} : { body }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: parsed(text) };
  };
  return {
    url,
    get: (path, options = {}) => call(path, undefined, options),
    post: (path, body = {}, options = {}) =>
      call(path, typeof body === "string" ? body : JSON.stringify(body), options),
  };
}

function parsed(text: string): ReturnType<typeof JSON.parse> {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Asserts that this is a problem of the table, with the old `error` field. */
export function assertProblem(answer: Answer, status: number, error?: string | RegExp): void {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/);
  assert.deepEqual(Object.keys(answer.body), [
    "type",
    "title",
    "status",
    "detail",
    "code",
    "error",
  ]);
  assert.equal(answer.body.status, status);
  assert.equal(answer.body.type, `urn:openclaw-worker:problem:${answer.body.code}`);
  if (typeof error === "string") assert.equal(answer.body.error, error);
  else if (error !== undefined) assert.match(answer.body.error, error);
}

/** Polls like an old worker and gives the task. */
export async function pollOld(stage: Pick<ApiStage, "get">, wait = 5_000): Promise<Answer["body"]> {
  const answer = await stage.get(`/worker/poll?wait=${wait}`);
  assert.equal(answer.status, 200);
  return answer.body;
}

export interface RawSocket extends Disposable {
  readonly socket: net.Socket;
  /** All that came so far, as soon as it matches. Rejects when the connection ends before. */
  until(pattern: RegExp): Promise<string>;
  /** All that came, when the other end has closed. */
  readonly end: Promise<string>;
}

/** A connection that says exactly these bytes. */
export async function speak(port: number, text: string | Buffer): Promise<RawSocket> {
  const socket = net.connect({ host: "127.0.0.1", port });
  await new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  let heard = "";
  const closed = Promise.withResolvers<string>();
  socket.on("data", (chunk: Buffer) => {
    heard += chunk.toString("latin1");
    socket.emit("heard");
  });
  socket.on("error", () => {});
  socket.on("close", () => closed.resolve(heard));
  socket.write(text);
  return {
    socket,
    end: closed.promise,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!pattern.test(heard)) return;
          socket.off("heard", look);
          resolve(heard);
        };
        socket.on("heard", look);
        void closed.promise.then(() =>
          reject(new Error(`closed before ${pattern}; heard: ${heard}`)),
        );
        look();
      }),
    [Symbol.dispose]: () => socket.destroy(),
  };
}

/** The lines of an HTTP/1.1 request with the right token. */
export function rawRequest(line: string, headers: readonly string[] = [], body = ""): string {
  return [
    `${line} HTTP/1.1`,
    "host: x",
    `authorization: Bearer ${token}`,
    ...headers,
    "",
    body,
  ].join("\r\n");
}

/** Asks again and again, without a pause, until `look` gives something. */
export async function eventually<T>(look: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
