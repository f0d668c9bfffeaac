import assert from "node:assert/strict";
import { test } from "node:test";
import type { Report } from "@openclaw-worker/protocol";
import { createRedactor } from "../../src/output/redact.ts";
import { redactKept, redactReport } from "../../src/output/report.ts";

const token = "hunter2-hunter2-hunter2";
const redactor = createRedactor([{ name: "worker token", value: token }]);
const looks = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

function report(more: Partial<Report> = {}): Report {
  return { stdout: "", stderr: "", exitCode: 0, error: null, outcome: "done", ...more };
}

test("no text of a report leaves with a secret in it, whatever its place", () => {
  const whole = report({
    stdout: `a ${token}`,
    stderr: `b ${token}`,
    error: `Refused by policy: deny: Bash(x) names "curl -H ${token}"`,
    hint: `add "Bash(curl ${looks})"`,
    rule: `allow: Bash(echo ${token})`,
    policyDigest: "d",
    metadata: { [token]: [{ deep: { argv: ["x", token], n: 1, none: null } }], t: true },
  });
  const left = redactReport(whole, redactor, "output");
  const text = JSON.stringify(left);
  assert.ok(!text.includes(token) && !text.includes(looks));
  assert.equal(left.stdout, "a [redacted: worker token]");
  assert.equal(left.hint, 'add "Bash(curl [redacted])"');
  assert.deepEqual(left.metadata, {
    "[redacted: worker token]": [
      { deep: { argv: ["x", "[redacted: worker token]"], n: 1, none: null } },
    ],
    t: true,
  });
});

test("a report without a secret is left as it is", () => {
  const plain = report({
    stdout: "hi\n",
    truncated: { stdoutBytes: 3, stderrBytes: 0, stdoutLeftOut: 0, stderrLeftOut: 0 },
    startedAt: 1,
    durationMs: 2.5,
    metadata: { a: [1, "x", null] },
  });
  assert.deepEqual(redactReport(plain, redactor, "output"), plain);
});

test("output in base64 is looked at as the bytes that it is, and stays base64", () => {
  const bytes = Buffer.concat([Buffer.from([255]), Buffer.from(looks), Buffer.from([255])]);
  const left = redactReport(
    report({ stdout: bytes.toString("base64"), stdoutEncoding: "base64" }),
    redactor,
    "output",
  );
  assert.deepEqual(
    Buffer.from(left.stdout, "base64"),
    Buffer.concat([Buffer.from([255]), Buffer.from("[redacted]"), Buffer.from([255])]),
  );
});

test("a file's content is not altered; what else its report says is", () => {
  const left = redactReport(report({ stdout: looks, error: looks }), redactor, "file");
  assert.deepEqual([left.stdout, left.error], [looks, "[redacted]"]);
});

test("what the journal kept is asked for known secrets only, and stays JSON", () => {
  const kept = report({ stdout: `"${looks}" ${token} \n\\`, error: token });
  const left: unknown = JSON.parse(redactKept(JSON.stringify(kept), redactor));
  assert.deepEqual(left, {
    ...kept,
    stdout: `"${looks}" [redacted: worker token] \n\\`,
    error: "[redacted: worker token]",
  });
  assert.match(redactKept("no report", redactor), /could not be read back/);
});

test("metadata that is made to be deep does not end the worker", () => {
  let deep: unknown = "end";
  for (let depth = 0; depth < 50_000; depth += 1) deep = { deep };
  const left = redactReport(report({ metadata: { deep } }), redactor, "output");
  assert.match(JSON.stringify(left), /left out/);
});
