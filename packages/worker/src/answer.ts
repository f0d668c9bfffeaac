// What an answer of the server means. Pure: sockets are link's.

import type { z } from "zod";

/** What became of a request. Every ending is a value; nothing is thrown. */
export type Answer<T> =
  | { readonly kind: "ok"; readonly value: T }
  /** 409: a newer attempt of the task exists. */
  | { readonly kind: "stale" }
  /** 404: the server does not know the task. */
  | { readonly kind: "gone" }
  /** Another 4xx about a task: sending the same again will not help. */
  | { readonly kind: "rejected"; readonly status: number }
  /** Try again: after `afterMs`, or, when it is null, as the caller's backoff says. */
  | { readonly kind: "retry"; readonly afterMs: number | null; readonly why: string }
  /** The caller's signal, or `reset`, ended it. */
  | { readonly kind: "interrupted" };

export interface Call<T> {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body: string | Uint8Array | null;
  readonly timeoutMs: number;
  /** A longer answer is not read to its end. */
  readonly answerBytesMax: number;
  readonly schema: z.ZodType<T>;
  /** 404 and 409 are answers about a task; elsewhere they are the answer of a strange server. */
  readonly aboutTask: boolean;
  /** Whether its failure means that the server is away. A result that fails alone does not. */
  readonly tellsWeather: boolean;
}

/** What came over the wire, before anybody judged it. */
export type Raw =
  | {
      readonly kind: "response";
      readonly status: number;
      readonly retryAfter: string | undefined;
      readonly text: string;
    }
  | { readonly kind: "broken"; readonly why: string; readonly reused: boolean }
  | { readonly kind: "interrupted" };

const unauthorizedPauseMs = 5_000;
const retryAfterMsMax = 30_000;
// A megabyte of `[],[],…` becomes forty of lists; an honest answer holds texts, not a forest.
const valuesMax = 500_000;
const longTextLength = 1_048_576;

/** Turns every ending of a request into one of the few that callers know. */
export function judge<T>(call: Call<T>, raw: Raw): Answer<T> {
  if (raw.kind === "interrupted") return { kind: "interrupted" };
  if (raw.kind === "broken") return { kind: "retry", afterMs: null, why: raw.why };
  const { status } = raw;
  if (status === 200) return parse(call.schema, raw.text);
  if (call.aboutTask && status === 409) return { kind: "stale" };
  if (call.aboutTask && status === 404) return { kind: "gone" };
  if (status === 401 || status === 403)
    return { kind: "retry", afterMs: unauthorizedPauseMs, why: refusals[status] };
  if (status === 429 || status === 503) {
    return {
      kind: "retry",
      afterMs: retryAfterMs(raw.retryAfter),
      why: `the server is busy (${status})`,
    };
  }
  if (status >= 300 && status < 400) {
    return {
      kind: "retry",
      afterMs: null,
      why: `the server redirects (${status}), and redirects are not followed: check WORKER_URL`,
    };
  }
  if (call.aboutTask && status >= 400 && status < 500) return { kind: "rejected", status };
  return {
    kind: "retry",
    afterMs: null,
    why: `the server answered ${status} to ${call.method} ${call.path.split("?")[0]}`,
  };
}

const refusals = {
  401: "unauthorized: the token was refused",
  403: "unauthorized: the token lacks the worker scope",
} as const;

function parse<T>(schema: z.ZodType<T>, text: string): Answer<T> {
  if (text.length > longTextLength && holdsForest(text))
    return { kind: "retry", afterMs: null, why: "the answer is made of too many values" };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: "retry", afterMs: null, why: "the answer is not JSON" };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { kind: "ok", value: parsed.data };
  return { kind: "retry", afterMs: null, why: "the answer has a strange shape" };
}

/** Whether a JSON text holds more values than any honest answer. Broken JSON may answer either way. */
function holdsForest(text: string): boolean {
  let values = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quoteCode) inString = !inString;
    else if (inString) at += code === backslashCode ? 1 : 0;
    else if (code === commaCode || code === listCode || code === objectCode) values += 1;
    if (values > valuesMax) return true;
  }
  return false;
}

const [quoteCode, backslashCode, commaCode, listCode, objectCode] = [0x22, 0x5c, 0x2c, 0x5b, 0x7b];

/**
 * RFC 9110, section 10.2.3, in seconds; a date is not worth its code here. "At once" is no wait that
 * a server may order: the caller's backoff decides then, or a busy server would keep a core busy.
 */
function retryAfterMs(header: string | undefined): number | null {
  if (header === undefined || !/^\d{1,9}$/.test(header) || Number(header) === 0) return null;
  return Math.min(Number(header) * 1000, retryAfterMsMax);
}
