import assert from "node:assert/strict";
import { test } from "node:test";
import type { Receipt, Report } from "@openclaw-worker/protocol";
import { createRedactor } from "../../src/output/redact.ts";
import { reportJson } from "../../src/output/json.ts";
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

const hash = "a".repeat(64);
const receipt: Receipt = {
  version: 1,
  entry: "{}",
  proof: [hash],
  head: {
    checkpoint: { version: 1, worker: "w", log: "a".repeat(32), size: 1, root: hash, at: 1 },
    signature: { key: `SHA256:${"A".repeat(43)}`, value: "A".repeat(86) },
    publicKey: "ssh-ed25519 x",
  },
};

test("a receipt stays beside what it is of, and leaves a report that has changed since", () => {
  const same = redactReport(report({ stdout: "hi", receipt }), redactor, "output");
  assert.deepEqual(same.receipt, receipt);
  for (const more of [{ stdout: token }, { stderr: token }, { error: token }]) {
    const changed = redactReport(report({ ...more, receipt }), redactor, "output");
    assert.equal(changed.receipt, undefined);
  }
});

test("a report's JSON is what JSON says it is, whatever is in it and however long it is", () => {
  for (const length of [0, 65_534, 65_535, 65_536, 131_071, 131_072]) {
    for (const end of ["", "\u{1f600}", "\u{1f600}\u{1f600}", "\ud800", "\udc00\ud800"]) {
      const text = `${"é".repeat(length)}${end}\u0000"\\\u2028`;
      const whole = report({ stdout: text, stderr: end, metadata: { [end]: text.length } });
      const bytes = reportJson(whole);
      assert.equal(bytes.toString(), JSON.stringify(whole));
    }
  }
});
