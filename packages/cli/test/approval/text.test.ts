import assert from "node:assert/strict";
import { test } from "node:test";
import { approvalRequestSchema, type ApprovalRequest } from "@openclaw-worker/protocol";
import { approvalText, deedLines, deedSummary, escaped } from "../../src/approval/text.ts";
import { paintOf } from "../../src/paint.ts";

const plain = paintOf(
  { env: {} },
  { isTerminal: false, columns: 80, rows: 24, write: () => {}, drained: async () => {} },
);

function request(change: Partial<ApprovalRequest> = {}): ApprovalRequest {
  return approvalRequestSchema.parse({
    version: 1,
    id: "0192f3a1-7c1e-7d20-8a51-1f5d2f0c9b11",
    worker: "desk",
    taskId: "0192f3a1-7c1e-7d20-8a51-1f5d2f0c9b12",
    attempt: 1,
    deed: { kind: "command", command: "git push" },
    cwd: "/home/anna/openclaw",
    env: {},
    stdin: null,
    files: [],
    cage: { outside: false, write: ["/home/anna/openclaw"], read: [], domains: [] },
    rule: "ask: Bash(git push *)",
    policyDigest: "0".repeat(64),
    nonce: "n".repeat(22),
    askedAt: 0,
    expiresAt: 60_000,
    ...change,
  });
}

test("characters that cannot be seen are written out, and two texts never look alike", () => {
  assert.equal(escaped("rm a\u202Eb\u200B"), "rm a‹U+202E›b‹U+200B›");
  assert.equal(
    escaped("\u001B[2J\r\u0000\u00A0\u3164e\u0301"),
    "‹U+001B›[2J‹U+000D›‹U+0000›‹U+00A0›‹U+3164›e‹U+0301›",
  );
  assert.equal(escaped("‹U+202E›"), "‹U+2039›U+202E›");
  assert.notEqual(escaped("‹U+202E›"), escaped("\u202E"));
  assert.equal(escaped("ls 'ä ö' \\n"), "ls 'ä ö' \\n");
  assert.equal(escaped("\uD800x"), "‹U+D800›x");
});

test("a command of many lines is shown with every line", () => {
  assert.deepEqual(deedLines({ kind: "command", command: "a\n\tb\n" }), ["a", "‹U+0009›b", ""]);
  assert.match(deedSummary({ kind: "command", command: "a\nb" }, 80), /^a … \(2 lines\)$/);
  assert.equal(deedSummary({ kind: "command", command: "x".repeat(100) }, 10).length, 10);
});

test("the words of argv stand apart, whatever is in them", () => {
  assert.deepEqual(deedLines({ kind: "exec", argv: ["echo", "a b", 'c"d', ""] }), [
    '"echo" "a b" "c\\"d" ""',
  ]);
});

test("a person is shown the deed, the cage, who asks, the digest, and whose words the reason is", () => {
  const shown = { request: request(), digest: "d".repeat(64), reason: "please\u202E now" };
  const text = approvalText(shown, { now: 0, paint: plain });
  for (const part of [
    "git push",
    "command, 8 characters",
    "without network",
    "/home/anna/openclaw",
    "ask: Bash(git push *)",
    "d".repeat(64),
    "please‹U+202E› now",
    "unproved",
    "1 m 0 s",
  ])
    assert.ok(text.includes(part), part);
});

test("a deed outside of the cage says so in capitals", () => {
  const outside = request({ cage: { outside: true, write: [], read: [], domains: [] } });
  assert.match(
    approvalText({ request: outside, digest: "d", reason: null }, { now: 0, paint: plain }),
    /NONE: it would run outside of the cage/,
  );
});
