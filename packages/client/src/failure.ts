// What can go wrong between a caller and the Task API: a code first, then three sentences for a
// person: what happened, why, and what to do about it.

import { problems, type ProblemCode } from "@openclaw-worker/protocol";

/** The server's own codes, and the two that only a client can see. */
export type ClientErrorCode = ProblemCode | "unreachable" | "bad-answer";

export interface ClientErrorOptions {
  /** Why it happened: one line, as exact as is known. */
  readonly why: string;
  /** HTTP status; left out when no answer came. */
  readonly status?: number | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** Thrown by every call of the client. `retry`: trying again later may help. */
export class ClientError extends Error {
  readonly code: ClientErrorCode;
  readonly why: string;
  readonly remedy: string;
  readonly status: number | null;
  readonly retry: boolean;
  /** How long the server asks to wait, in milliseconds, or null when it did not say. */
  readonly retryAfterMs: number | null;

  constructor(code: ClientErrorCode, options: ClientErrorOptions) {
    const { what, remedy } = told[code];
    super(`${what}: ${options.why}`, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "ClientError";
    this.code = code;
    this.why = options.why;
    this.remedy = remedy;
    this.status = options.status ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.retry = code === "unreachable" || (code !== "bad-answer" && problems[code].retry);
  }
}

export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(problems, code);
}

interface Told {
  readonly what: string;
  readonly remedy: string;
}

const later = "Try again in a moment; the server's log says more.";

const told: Readonly<Record<ClientErrorCode, Told>> = {
  unreachable: {
    what: "Cannot reach the server",
    remedy: "Check that the server runs and that the URL is right (GET /health needs no token).",
  },
  "bad-answer": {
    what: "The answer is not one of a Task API",
    remedy:
      "Check that the URL is the Task API's, and that no proxy or login page stands before it.",
  },
  unauthorized: {
    what: "The server refused the token",
    remedy: "Use the token that the server was started with (WORKER_TOKEN, or its token file).",
  },
  forbidden: {
    what: "This token may not do that",
    remedy: "Use a token with the scope that the message names.",
  },
  "invalid-json": {
    what: "The server could not read the request",
    remedy: "Report this as a bug.",
  },
  "invalid-request": {
    what: "The server refused the request",
    remedy: "Correct the field that the message names.",
  },
  "task-not-found": {
    what: "No such task",
    remedy: "Check the id; results are kept for seven days.",
  },
  "worker-not-found": {
    what: "No such worker",
    remedy: "List the workers that the server knows (GET /workers).",
  },
  "approval-not-found": {
    what: "No such approval",
    remedy: "List those that wait (GET /approvals); old ones are forgotten after seven days.",
  },
  "approval-decided": {
    what: "The approval is over",
    remedy: "Nothing is left to decide; GET /approvals/<id> shows how it ended.",
  },
  "audit-not-found": {
    what: "The server has no such part of an audit log",
    remedy: "Check the worker's name; a worker sends its log a moment after it writes it.",
  },
  "route-not-found": {
    what: "The server has no such route",
    remedy: "Use a server of the same version as this client.",
  },
  "method-not-allowed": {
    what: "The server does not take this method here",
    remedy: "Use a server of the same version as this client.",
  },
  "idempotency-conflict": {
    what: "The idempotency key was used with another request",
    remedy: "Use a new key for a new request.",
  },
  "stale-attempt": {
    what: "The attempt is no longer the current one",
    remedy: "Read the task again.",
  },
  "body-too-large": {
    what: "The request is too large",
    remedy: "Send less at once; the message names the limit.",
  },
  "queue-full": {
    what: "The queue is full",
    remedy: "Wait until tasks have finished, or cancel some.",
  },
  "too-many-waiting": { what: "Too many requests wait on the server", remedy: later },
  internal: { what: "The server failed", remedy: later },
  "chat-not-configured": {
    what: "The server cannot post to the chat",
    remedy: "Set DISCORD_BOT_TOKEN where the server is started.",
  },
  "chat-failed": { what: "The chat refused the message", remedy: later },
  "store-unavailable": {
    what: "The server cannot write to its store",
    remedy: "Check that the server's disk is not full; its log says more.",
  },
  stopping: { what: "The server is stopping", remedy: later },
};
