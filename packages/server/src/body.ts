// How bodies are read: every one is JSON, whatever its content type says, and none is nested so deep
// that walking it could exhaust the stack.

import { Problem } from "@openclaw-worker/protocol";
import type { FastifyInstance } from "fastify";

/** Levels of objects and arrays in a body. */
const nestingMax = 100;

/**
 * Old clients forget the content type, and curl -d sends a wrong one: every body is JSON here, and
 * no body is an empty object.
 */
export function readEveryBodyAsJson(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (request, body, done) => {
    if (body.length === 0) return done(null, {});
    void parseJson(request, String(body), (error, value) => {
      if (error) done(new Problem("invalid-json", { cause: error }));
      else if (isDeeperThan(value, nestingMax)) {
        done(
          new Problem("invalid-request", {
            line: `The body is nested deeper than ${nestingMax} levels`,
          }),
        );
      } else done(null, value);
    });
  });
  // A content type that cannot be parsed would be refused before any parser is asked.
  app.addHook("onRequest", (request, _reply, done) => {
    if (request.headers["content-type"] !== undefined)
      request.headers["content-type"] = "application/json";
    done();
  });
  app.addHook("preValidation", (request, _reply, done) => {
    if (request.body === undefined && request.method === "POST") request.body = {};
    done();
  });
}

// Level by level and not recursive: it is about values that recursion would not survive.
function isDeeperThan(value: unknown, levels: number): boolean {
  let level: readonly object[] = containersIn([value]);
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth >= levels) return true;
    level = level.flatMap((one) => containersIn(Object.values(one)));
  }
  return false;
}

function containersIn(values: readonly unknown[]): object[] {
  return values.filter((value) => typeof value === "object" && value !== null);
}
