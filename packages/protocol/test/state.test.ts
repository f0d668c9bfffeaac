import {
  exitCodeOf,
  moves,
  statusOf,
  toResult,
  reportOf,
  type Move,
  type State,
} from "@openclaw-worker/protocol";
import fc from "fast-check";
import assert from "node:assert/strict";
import { test } from "node:test";

const everyMove: readonly Move[] = [
  "claim",
  "giveBack",
  "start",
  "lose",
  "settle",
  "cancel",
  "expire",
];

test("however a task moves, it never begins twice and an end is for good", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...everyMove), { maxLength: 40 }), (wanted) => {
      let state: State = "pending";
      let begun = 0;
      for (const move of wanted) {
        const next: State | undefined = moves[state][move];
        if (next === undefined) continue;
        assert.notEqual(state, "finished", "nothing moves after its end");
        if (next === "started") begun += 1;
        if (state === "started" || state === "lost")
          assert.notEqual(next, "pending", "what began is never queued again");
        state = next;
      }
      assert.ok(begun <= 1);
    }),
  );
});

test("completed means a program that ran and exited 0, and nothing else", () => {
  assert.equal(statusOf("done", 0), "completed");
  assert.equal(statusOf("done", 7), "failed");
  for (const outcome of ["refused", "timeout", "cancelled", "expired", "lost", "failed"] as const) {
    assert.equal(statusOf(outcome, 0), "failed");
    const result = toResult(reportOf(outcome, "why"), {
      taskId: "t",
      completedAt: 1,
      worker: null,
    });
    assert.equal(result.exitCode, exitCodeOf[outcome]);
    assert.equal(result.error, "why");
  }
});
