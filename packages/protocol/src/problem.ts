// One table of what can go wrong at the API: code → HTTP status, title, and whether trying again
// may help. Errors travel as application/problem+json (RFC 9457); `error` repeats the one-line
// message, because old clients read that field.

import { z } from "zod";

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  readonly retry: boolean;
}

export const problems = {
  unauthorized: { status: 401, title: "Unauthorized", retry: false },
  forbidden: { status: 403, title: "Forbidden", retry: false },
  "invalid-json": { status: 400, title: "Invalid JSON body", retry: false },
  "invalid-request": { status: 400, title: "Invalid request", retry: false },
  "task-not-found": { status: 404, title: "Task not found", retry: false },
  "worker-not-found": { status: 404, title: "Worker not found", retry: false },
  "approval-not-found": { status: 404, title: "Approval not found", retry: false },
  "audit-not-found": { status: 404, title: "No audit copy", retry: false },
  "route-not-found": { status: 404, title: "Not found", retry: false },
  "method-not-allowed": { status: 405, title: "Method not allowed", retry: false },
  "idempotency-conflict": {
    status: 409,
    title: "Idempotency key used with another body",
    retry: false,
  },
  "approval-decided": { status: 409, title: "Approval was decided already", retry: false },
  "stale-attempt": { status: 409, title: "Stale attempt", retry: false },
  "body-too-large": { status: 413, title: "Body too large", retry: false },
  "queue-full": { status: 429, title: "Queue is full", retry: true },
  "too-many-waiting": { status: 429, title: "Too many waiting requests", retry: true },
  internal: { status: 500, title: "Internal error", retry: true },
  "chat-not-configured": { status: 500, title: "DISCORD_BOT_TOKEN not set", retry: false },
  "chat-failed": { status: 502, title: "Chat API failed", retry: true },
  "store-unavailable": { status: 503, title: "Store unavailable", retry: true },
  stopping: { status: 503, title: "Server is stopping", retry: true },
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof problems;

/** Thrown inside the server; `answer` alone turns it into HTTP. */
export class Problem extends Error {
  readonly code: ProblemCode;
  /** One line for `error`: the title when nothing more exact is known. */
  readonly line: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ProblemCode, options: ProblemOptions = {}) {
    super(
      options.line ?? problems[code].title,
      options.cause === undefined ? {} : { cause: options.cause },
    );
    this.name = "Problem";
    this.code = code;
    this.line = this.message;
    this.retryAfterSeconds = options.retryAfterSeconds ?? (problems[code].retry ? 1 : undefined);
  }
}

export interface ProblemOptions {
  readonly line?: string;
  readonly cause?: unknown;
  readonly retryAfterSeconds?: number;
}

export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  error: z.string(),
});
export type ProblemBody = z.infer<typeof problemSchema>;

export function problemBody(problem: Problem): ProblemBody {
  const { status, title } = problems[problem.code];
  return {
    type: `urn:openclaw-worker:problem:${problem.code}`,
    title,
    status,
    detail: problem.line,
    code: problem.code,
    error: problem.line,
  };
}
