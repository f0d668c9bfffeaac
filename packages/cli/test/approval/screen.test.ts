import assert from "node:assert/strict";
import { test } from "node:test";
import { approvalRequestSchema } from "@openclaw-worker/protocol";
import {
  openScreen,
  press,
  screenLines,
  withWaiting,
  type Screen,
  type Step,
} from "../../src/approval/screen.ts";
import { grantOf, suggestedRule } from "../../src/approval/form.ts";
import type { Shown } from "../../src/approval/text.ts";
import { paintOf } from "../../src/paint.ts";

const plain = paintOf(
  { env: {} },
  { isTerminal: false, columns: 80, rows: 24, write: () => {}, drained: async () => {} },
);
const soon = 1_000;

function shown(last: number, command = `echo ${last}`): Shown {
  const id = `0192f3a1-7c1e-7d20-8a51-1f5d2f0c9b${String(last).padStart(2, "0")}`;
  const request = approvalRequestSchema.parse({
    version: 1,
    id,
    worker: "desk",
    taskId: id,
    attempt: 1,
    deed: { kind: "command", command },
    cwd: "/r",
    env: {},
    stdin: null,
    files: [],
    cage: { outside: false, write: ["/r"], read: [], domains: [] },
    rule: null,
    policyDigest: "0",
    nonce: "n".repeat(22),
    askedAt: 0,
    expiresAt: 600_000,
  });
  return { request, digest: "d".repeat(64), reason: null };
}

function opened(...waiting: readonly Shown[]): Screen {
  return withWaiting(openScreen({ columns: 80, rows: 40 }), waiting, 0);
}

function typed(screen: Screen, keys: readonly string[], now = soon): Step {
  let step: Step = { screen, wish: { kind: "none" } };
  for (const key of keys) step = press(step.screen, key, now);
  return step;
}

test("a allows the selected one, d denies it", () => {
  const screen = opened(shown(1), shown(2));
  const allowed = press(screen, "a", soon).wish;
  assert.ok(allowed.kind === "decide" && allowed.verdict === "once");
  assert.equal(allowed.shown.digest, "d".repeat(64));
  const denied = typed(screen, ["j", "d"]).wish;
  assert.ok(denied.kind === "decide" && denied.verdict === "deny");
  assert.equal(denied.shown.request.id, shown(2).request.id);
});

test("a key that was meant for the one before does not decide the one that took its place", () => {
  const screen = withWaiting(opened(shown(1), shown(2)), [shown(2)], 5_000);
  const step = press(screen, "a", 5_100);
  assert.equal(step.wish.kind, "none");
  assert.match(step.screen.note, /just come up/);
  assert.equal(press(screen, "a", 6_000).wish.kind, "decide");
});

test("new ones do not move the selection", () => {
  const screen = withWaiting(opened(shown(2)), [shown(1), shown(2), shown(3)], 5_000);
  const step = press(screen, "a", 5_000);
  assert.ok(step.wish.kind === "decide");
  assert.equal(step.wish.shown.request.id, shown(2).request.id);
});

test("a long command cannot be allowed before its end was on the screen, and can be denied", () => {
  const long = shown(1, `${"true\n".repeat(200)}rm -rf ~`);
  const screen = opened(long);
  assert.ok(!screenLines(screen, 0, plain).some((line) => line.includes("rm -rf")));
  const hasty = press(screen, "a", soon);
  assert.equal(hasty.wish.kind, "none");
  assert.match(hasty.screen.note, /to its end/);
  assert.equal(press(screen, "d", soon).wish.kind, "decide");
  const read = typed(
    screen,
    Array.from({ length: 20 }, () => " "),
  );
  assert.equal(press(read.screen, "a", soon).wish.kind, "decide");
});

test("g gives a standing permission with an edited rule, an end and a budget", () => {
  const step = typed(opened(shown(1, "npm test")), [
    "g",
    "\u007F",
    " *)",
    "\r",
    "\u0015",
    "12h",
    "\r",
    "50",
    "\r",
    "\r",
  ]);
  assert.ok(step.wish.kind === "decide" && step.wish.verdict === "grant");
  assert.deepEqual(step.wish.grant, {
    rule: "Bash(npm test *)",
    expiresAt: soon + 43_200_000,
    runsMax: 50,
  });
});

test("Escape leaves the form, and a bad length of time goes back to it with a reason", () => {
  assert.equal(typed(opened(shown(1)), ["g", "\u001B"]).screen.form, null);
  const bad = typed(opened(shown(1)), ["g", "\r", "\u0015", "soon", "\r", "\r", "\r"]);
  assert.equal(bad.wish.kind, "none");
  assert.match(bad.screen.note, /no length of time/);
});

test("a grant needs a rule, a time to come and whole numbers", () => {
  const good = { rule: "Bash(ls)", for: "1h", runs: "", perHour: "2" };
  assert.deepEqual(grantOf(good, 0), { rule: "Bash(ls)", expiresAt: 3_600_000, perHourMax: 2 });
  for (const change of [
    { rule: " " },
    { for: "0s" },
    { for: "x" },
    { runs: "-1" },
    { perHour: "1.5" },
  ])
    assert.equal(typeof grantOf({ ...good, ...change }, 0), "string");
});

test("the suggested rule is the deed itself, and there is none for many lines", () => {
  assert.equal(suggestedRule(shown(1, "git push").request), "Bash(git push)");
  assert.equal(suggestedRule(shown(1, "a\nb").request), null);
});

test("the screen never has more lines or longer ones than the terminal", () => {
  const many = Array.from({ length: 30 }, (_, at) => shown(at, "x".repeat(500)));
  const screen = withWaiting(openScreen({ columns: 60, rows: 24 }), many, 0);
  const lines = screenLines(screen, 0, plain);
  assert.ok(lines.length <= 24, String(lines.length));
  assert.ok(
    lines.every((line) => line.length <= 60),
    lines.find((line) => line.length > 60),
  );
});

test("with nothing to decide the keys do nothing, and q and Ctrl-C leave", () => {
  const empty = openScreen({ columns: 80, rows: 24 });
  for (const key of ["a", "d", "g", "j", " "])
    assert.equal(press(empty, key, soon).wish.kind, "none");
  for (const key of ["q", "\u0003"]) assert.equal(press(empty, key, soon).wish.kind, "quit");
});

test("keys that are held down count each, and pasted text decides nothing", () => {
  const screen = opened(shown(1), shown(2), shown(3));
  assert.equal(typed(screen, ["jj"]).screen.selected, shown(3).request.id);
  assert.equal(typed(screen, ["\u001B[B\u001B[B\u001B[B"]).screen.selected, shown(3).request.id);
  for (const pasted of ["aa", "banana", "all\r", "da", "ja"]) {
    const step = typed(screen, [pasted]);
    assert.deepEqual([step.wish.kind, step.screen.selected], ["none", screen.selected]);
  }
  assert.equal(typed(screen, ["ls\u0003"]).wish.kind, "quit");
  const form = typed(screen, ["g", "\u0015", "Bash(npm test)\r\r\r\r", "\u007F\u007F)"]);
  assert.equal(form.wish.kind, "none");
  assert.equal(form.screen.form?.values.rule, "Bash(npm tes)");
});
