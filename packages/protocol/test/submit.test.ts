import {
  commandRequestSchema,
  defaultTimeoutMs,
  editRequestSchema,
  kindRequestSchema,
  kinds,
  timeoutMsOf,
  writeRequestSchema,
} from "@openclaw-worker/protocol";
import fc from "fast-check";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { z } from "zod";

const lineOf = (schema: z.ZodType, body: unknown): string | undefined =>
  schema.safeParse(body).error?.issues[0]?.message;

test("the guide's clients read the messages that they know", () => {
  assert.equal(lineOf(commandRequestSchema, {}), "command is required");
  assert.equal(lineOf(commandRequestSchema, { command: "" }), "command is required");
  assert.equal(lineOf(writeRequestSchema, { path: "/a" }), "path and content are required");
  assert.equal(
    lineOf(editRequestSchema, { path: "/a", old_string: "x" }),
    "path, old_string, new_string are required",
  );
});

test("a wrong type is named, not taken for a missing field", () => {
  assert.equal(lineOf(commandRequestSchema, { command: 7 }), "command must be a string");
});

test("an empty file and an empty replacement are contents", () => {
  assert.ok(writeRequestSchema.safeParse({ path: "/a", content: "" }).success);
  assert.ok(editRequestSchema.safeParse({ path: "/a", old_string: "x", new_string: "" }).success);
});

test("old routes clamp a timeout and take numbers as text; nothing and 0 are the kind's default", () => {
  assert.equal(commandRequestSchema.parse({ command: "x", timeout: "5000" }).timeout, 5000);
  assert.equal(timeoutMsOf(5, "command"), 1_000);
  assert.equal(timeoutMsOf(1e12, "command"), 86_400_000);
  for (const kind of kinds) assert.equal(timeoutMsOf(0, kind), defaultTimeoutMs(kind));
});

test("the door by kind refuses a timeout out of range and fields that it does not know", () => {
  const exec = { kind: "exec", argv: ["ls"] };
  assert.ok(kindRequestSchema.safeParse(exec).success);
  assert.ok(kindRequestSchema.safeParse({ ...exec, timeout: 0 }).success);
  assert.ok(!kindRequestSchema.safeParse({ ...exec, timeout: 5 }).success);
  assert.match(lineOf(kindRequestSchema, { ...exec, timeOut: 5000 }) ?? "", /timeOut/);
});

test("no body whatever makes a parser throw", () => {
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true }), (body) => {
      for (const schema of [
        commandRequestSchema,
        writeRequestSchema,
        editRequestSchema,
        kindRequestSchema,
      ]) {
        schema.safeParse(body);
      }
    }),
  );
});
