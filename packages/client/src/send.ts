// One request and its answer over node:http with kept connections. Not fetch: a reader may wait ten
// minutes for one answer, and fetch gives up on silent headers after five.

import http from "node:http";
import https from "node:https";
import { messageOf, type Clock } from "@openclaw-worker/base";
import { limits } from "@openclaw-worker/protocol";
import { ClientError } from "./failure.ts";

export interface Exchange {
  readonly method: "GET" | "POST";
  /** Path and query, from the server's root. */
  readonly path: string;
  readonly body?: string | undefined;
  /** An answer that is not whole after this long is an unreachable server. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Reply {
  readonly status: number;
  readonly text: string;
  /** The `Date` header in milliseconds since the epoch, or null. */
  readonly date: number | null;
  readonly location: string | undefined;
  readonly retryAfterMs: number | undefined;
}

export interface Sender {
  /** Rejects with a ClientError `unreachable`, or with the signal's reason. */
  send(exchange: Exchange): Promise<Reply>;
  close(): void;
}

export interface SenderOptions {
  readonly url: string;
  readonly token: string;
  readonly clock: Clock;
}

/** A connection that is not made by then is an unreachable server, however long the answer may take. */
export const connectMs = 10_000;

// A file of the largest size in base64, with its JSON around it, fits twice.
const replyBytesMax = limits.bodyBytes * 2;

/** @throws ClientError `unreachable` when `url` is no http(s) address */
export function createSender(options: SenderOptions): Sender {
  const base = addressOf(options.url);
  const secure = base.protocol === "https:";
  const connections = { keepAlive: true, keepAliveMsecs: 10_000, maxSockets: 256 };
  const agent = secure ? new https.Agent(connections) : new http.Agent(connections);
  const request = secure ? https.request : http.request;
  const prefix = base.pathname.replace(/\/+$/, "");

  return {
    close: () => agent.destroy(),
    send: (exchange) =>
      new Promise((resolve, reject) => {
        const { method, body, signal } = exchange;
        if (signal?.aborted) return reject(signal.reason);
        const outgoing = request(new URL(prefix + exchange.path, base), {
          method,
          agent,
          headers: {
            accept: "application/json",
            authorization: `Bearer ${options.token}`,
            ...(body === undefined
              ? {}
              : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
          },
        });
        const deadline = options.clock.after(exchange.deadlineMs, () =>
          outgoing.destroy(new Error(`no answer within ${exchange.deadlineMs} ms`)),
        );
        const stop = (): void => {
          outgoing.destroy();
          settle(() => reject(signal?.reason));
        };
        const settle = (report: () => void): void => {
          deadline.cancel();
          signal?.removeEventListener("abort", stop);
          report();
        };
        const fail = (cause: unknown): void =>
          settle(() => reject(unreachable(base.origin, cause)));
        signal?.addEventListener("abort", stop, { once: true });
        outgoing.on("error", fail);
        outgoing.on("socket", (socket) => {
          socket.setNoDelay(true);
          if (!socket.connecting) return;
          const late = options.clock.after(connectMs, () =>
            outgoing.destroy(new Error(`no connection within ${connectMs} ms`)),
          );
          socket.once(secure ? "secureConnect" : "connect", () => late.cancel());
          socket.once("close", () => late.cancel());
        });
        outgoing.on("response", (incoming) => {
          incoming.on("error", fail);
          collect(incoming, (reply) => settle(() => resolve(reply)));
        });
        outgoing.end(body);
      }),
  };
}

function collect(incoming: http.IncomingMessage, done: (reply: Reply) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  incoming.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > replyBytesMax) incoming.destroy(new Error(`an answer over ${replyBytesMax} bytes`));
    else chunks.push(chunk);
  });
  incoming.on("end", () => {
    const { date, location, "retry-after": retryAfter } = incoming.headers;
    const parsedDate = Date.parse(date ?? "");
    const seconds = Number(retryAfter ?? Number.NaN);
    done({
      status: incoming.statusCode ?? 0,
      text: Buffer.concat(chunks).toString("utf8"),
      date: Number.isNaN(parsedDate) ? null : parsedDate,
      location,
      retryAfterMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined,
    });
  });
}

function addressOf(url: string): URL {
  const parsed = URL.parse(url);
  if (parsed?.protocol === "http:" || parsed?.protocol === "https:") return parsed;
  throw new ClientError("unreachable", {
    why: `${JSON.stringify(url)} is not an http or https URL`,
  });
}

function unreachable(origin: string, cause: unknown): ClientError {
  return new ClientError("unreachable", { why: `${origin}: ${reasonOf(cause)}`, cause });
}

function reasonOf(cause: unknown): string {
  // "localhost" may be two addresses; each has its own reason, and the first says enough.
  if (cause instanceof AggregateError && cause.errors.length > 0) return messageOf(cause.errors[0]);
  return messageOf(cause);
}
