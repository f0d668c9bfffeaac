import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { policyJsonSchema } from "../../src/policy/schema.ts";

test("the JSON Schema that is shipped is the one that the reader obeys", () => {
  const file = path.resolve(import.meta.dirname, "../../policy.schema.json");
  const shipped: unknown = JSON.parse(readFileSync(file, "utf8"));
  const made: unknown = JSON.parse(JSON.stringify(policyJsonSchema()));
  assert.deepEqual(
    shipped,
    made,
    "write it anew: openclaw-worker policy schema > packages/worker/policy.schema.json",
  );
});
