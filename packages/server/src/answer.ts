// The only place where an error becomes HTTP.

import type { Log } from "@openclaw-worker/base";
import { limits, Problem, problemBody, problems } from "@openclaw-worker/protocol";
import type { ConnectionError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Socket } from "node:net";
import { z } from "zod";

export function answerErrors(app: FastifyInstance, log: Log): void {
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error, request.routeOptions.bodyLimit ?? limits.bodyBytes);
    if (problem.code === "internal" || problem.code === "store-unavailable") {
      // The cause stays here: the caller learns the code only.
      log.error("request failed", {
        method: request.method,
        route: routeOf(request),
        why: causeOf(error),
      });
    }
    return sendProblem(reply, problem);
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(
      reply,
      new Problem("route-not-found", {
        line: `No such route: ${request.method} ${pathOf(request)}`,
      }),
    ),
  );
}

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.retryAfterSeconds !== undefined)
    reply.header("retry-after", problem.retryAfterSeconds);
  if (problem.code === "unauthorized") reply.header("www-authenticate", "Bearer");
  return reply
    .code(problems[problem.code].status)
    .type("application/problem+json; charset=utf-8")
    .send(JSON.stringify(problemBody(problem)));
}

/** Answers what is not even HTTP, or did not arrive in time: the connection ends with it. */
export function answerNoise(error: ConnectionError, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy(error);
    return;
  }
  const line = noise[error.code] ?? "This is not HTTP as this server speaks it";
  const body = JSON.stringify(problemBody(new Problem("invalid-request", { line })));
  socket.end(
    "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json; charset=utf-8\r\n" +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

const noise: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "The request did not arrive in time",
  HPE_HEADER_OVERFLOW: "The headers are too large",
};

/**
 * Parses what came in.
 * @throws Problem invalid-request with the first thing that is wrong, in one line
 */
export function parse<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = issue?.path.join(".") ?? "";
  const message = issue?.message ?? "invalid";
  if (path === "") {
    const isObject = typeof input === "object" && input !== null && !Array.isArray(input);
    throw new Problem("invalid-request", {
      line: isObject ? message : "The body must be a JSON object",
    });
  }
  // The guide's own messages name their fields already.
  throw new Problem("invalid-request", {
    line:
      message.includes(" required") || message.startsWith(path) ? message : `${path}: ${message}`,
  });
}

const frameworkErrorSchema = z.object({
  code: z.string().default(""),
  statusCode: z.number().default(500),
});

function problemOf(error: unknown, bodyBytes: number): Problem {
  if (error instanceof Problem) return error;
  const known = frameworkErrorSchema.safeParse(error);
  if (known.success) {
    if (known.data.statusCode === 413) {
      const line = `Body too large: the limit is ${bodyBytes} bytes`;
      return new Problem("body-too-large", { line, cause: error });
    }
    if (error instanceof SyntaxError) return new Problem("invalid-json", { cause: error });
    const isTheirs = known.data.statusCode >= 400 && known.data.statusCode < 500;
    if (isTheirs) return new Problem("invalid-request", { cause: error });
  }
  return new Problem("internal", { cause: error });
}

function causeOf(error: unknown): string {
  if (error instanceof Problem && error.cause !== undefined) return causeOf(error.cause);
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? pathOf(request);
}

function pathOf(request: FastifyRequest): string {
  return request.url.split("?", 1)[0]?.slice(0, 200) ?? "";
}
