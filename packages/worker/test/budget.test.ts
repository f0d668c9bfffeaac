import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock, type Clock } from "@openclaw-worker/base";
import { newTaskId } from "@openclaw-worker/protocol";
import * as fc from "fast-check";
import { deletesOf, openBudget, type Budget, type BudgetLimits } from "../src/budget.ts";
import type { Placed } from "../src/job.ts";
import { openJournal, type Journal } from "../src/journal.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const echo: Placed = { kind: "command", command: "echo hi" };
const remove: Placed = { kind: "command", command: "rm -f x" };

/** A worker's journal and clocks that a test turns. */
class Desk implements Disposable {
  readonly #folder = realpathSync(mkdtempSync(join(tmpdir(), "worker-test-")));
  wallMs = 1_700_000_000_000;
  steadyMs = 0;
  #journal: Journal | null = null;
  #budget: Budget | null = null;
  #count = 0;

  get clock(): Clock {
    return { ...systemClock(), now: () => this.wallMs, monotonic: () => this.steadyMs };
  }

  get journal(): Journal {
    this.#journal ??= openJournal({
      file: join(this.#folder, "journal.sqlite"),
      clock: this.clock,
    });
    return this.#journal;
  }

  /** Time goes by while the worker runs. */
  pass(ms: number): void {
    this.wallMs += ms;
    this.steadyMs += ms;
  }

  /** The worker ends, and another one begins; the steady clock begins anew. */
  restart(): void {
    this.#journal?.[Symbol.dispose]();
    this.#journal = null;
    this.#budget = null;
    this.steadyMs = 0;
  }

  forgive(): void {
    openBudget({ clock: this.clock, journal: this.journal }).forgive();
  }

  refusal(limits: BudgetLimits, placed: Placed = echo): string | null {
    this.#budget ??= openBudget({ clock: this.clock, journal: this.journal });
    const exhausted = this.#budget.admit(placed, limits, "policy.json");
    if (exhausted === null) {
      this.#count += 1;
      const taskId = newTaskId(this.#count, new Uint8Array(10));
      assert.equal(this.journal.begin({ taskId, fence: 1 }), null);
    }
    return exhausted === null ? null : `${exhausted.because}; ${exhausted.remedy}`;
  }

  /** How many of `tries` begin. */
  begun(tries: number, limits: BudgetLimits, placed: Placed = echo): number {
    return Array.from({ length: tries }, () => this.refusal(limits, placed)).filter(
      (refusal) => refusal === null,
    ).length;
  }

  [Symbol.dispose](): void {
    this.restart();
    rmSync(this.#folder, { recursive: true });
  }
}

test("an hour holds as many tasks as the policy says, and the next is refused with what helps", () => {
  using desk = new Desk();
  assert.equal(desk.begun(4, { perHour: 3 }), 3);
  assert.match(
    desk.refusal({ perHour: 3 }) ?? "",
    /^limits\.perHour: 3 tasks have begun within the last hour; wait 61 minutes, or raise limits\.perHour in policy\.json/,
  );
  desk.pass(59 * minute);
  assert.match(desk.refusal({ perHour: 3 }) ?? "", /wait 2 minutes/);
  assert.equal(desk.refusal({ perHour: 4 }), null);
  desk.pass(2 * minute);
  assert.equal(desk.begun(9, { perHour: 3 }), 2);
});

test("without a limit nothing is refused, and what began is counted all the same", () => {
  using desk = new Desk();
  assert.equal(desk.begun(20, {}), 20);
  assert.notEqual(desk.refusal({ perHour: 20 }), null);
  assert.equal(desk.refusal({ perHour: 21 }), null);
});

test("the next process goes on counting where the last one ended", () => {
  using desk = new Desk();
  assert.equal(desk.begun(3, { perHour: 3 }), 3);
  desk.restart();
  assert.equal(desk.begun(3, { perHour: 3 }), 0);
  desk.restart();
  desk.wallMs += 2 * hour;
  assert.equal(desk.begun(9, { perHour: 3 }), 3, "it was off for two hours");
});

test("what a person forgives is forgotten, also by the next process, and counting goes on", () => {
  using desk = new Desk();
  const limits = { perHour: 3, deletesPerDay: 1 };
  assert.equal(desk.begun(4, limits, remove), 1);
  assert.equal(desk.begun(4, limits), 2);
  desk.forgive();
  desk.restart();
  assert.equal(desk.begun(4, limits, remove), 1);
  assert.equal(desk.begun(4, limits), 2);
  desk.pass(59 * minute);
  assert.equal(desk.begun(1, limits), 0);
});

test("a clock that is set back and forth gives nothing back", () => {
  using desk = new Desk();
  assert.equal(desk.begun(3, { perHour: 3 }), 3);
  for (let round = 0; round < 5; round += 1) {
    desk.wallMs -= 2 * hour;
    assert.equal(desk.begun(3, { perHour: 3 }), 0);
    desk.restart();
    assert.equal(desk.begun(3, { perHour: 3 }), 0);
    desk.wallMs += 2 * hour;
    assert.equal(desk.begun(3, { perHour: 3 }), 0);
  }
});

test("a computer whose clock begins in 1970 at each boot is given back what was really off", () => {
  using desk = new Desk();
  assert.equal(desk.begun(3, { perHour: 3 }), 3);
  const before = desk.wallMs;
  desk.restart();
  desk.wallMs = 0;
  assert.equal(desk.begun(3, { perHour: 3 }), 0);
  desk.pass(minute);
  desk.wallMs = before + 10 * minute;
  assert.equal(desk.begun(3, { perHour: 3 }), 0);
  desk.restart();
  desk.wallMs = 0;
  desk.begun(1, { perHour: 3 });
  desk.wallMs = before + 90 * minute;
  assert.equal(desk.begun(9, { perHour: 3 }), 3);
});

test("a clock that is set back does not stop the budget's time", () => {
  using desk = new Desk();
  assert.equal(desk.begun(3, { perHour: 3 }), 3);
  desk.wallMs -= 30 * day;
  desk.pass(61 * minute);
  assert.equal(desk.begun(9, { perHour: 3 }), 3);
});

test("sleep counts as time, and a jump forward gives back no more than one sleep", () => {
  using desk = new Desk();
  assert.equal(desk.begun(3, { perHour: 3 }), 3);
  desk.wallMs += 8 * hour;
  assert.equal(desk.begun(9, { perHour: 3 }), 3);
  desk.wallMs -= 8 * hour;
  assert.equal(desk.begun(9, { perHour: 3 }), 0);
  desk.wallMs += 8 * hour;
  assert.equal(desk.begun(9, { perHour: 3 }), 0);
});

test("however clocks are turned back and set right, so many hours hold so many hours' tasks", () => {
  const kinds = ["pass", "back", "right", "restart", "try", "try"] as const;
  const step = fc.record({
    kind: fc.constantFrom(...kinds),
    ms: fc.integer({ min: 0, max: 90 * minute }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 30 }), (steps) => {
      using desk = new Desk();
      const from = desk.wallMs;
      let trueMs = from;
      let begun = desk.begun(1, { perHour: 2 });
      for (const { kind, ms } of steps) {
        if (kind === "pass") {
          desk.pass(ms);
          trueMs += ms;
        } else if (kind === "back") desk.wallMs = trueMs - 10 * ms;
        else if (kind === "right") desk.wallMs = trueMs;
        else if (kind === "restart") desk.restart();
        else begun += desk.begun(1, { perHour: 2 });
      }
      const hours = Math.floor((trueMs - from) / hour) + 1;
      assert.ok(begun <= 2 * hours, `${begun} in ${hours} hours`);
    }),
    { numRuns: 40, endOnFailure: true },
  );
});

test("commands that delete have a budget of their own, by the day", () => {
  using desk = new Desk();
  const limits = { deletesPerDay: 2 };
  assert.equal(desk.begun(3, limits, remove), 2);
  assert.match(
    desk.refusal(limits, remove) ?? "",
    /^limits\.deletesPerDay: 2 commands that delete .* wait 1441 minutes/,
  );
  assert.equal(desk.begun(5, limits, echo), 5, "what deletes nothing goes on");
  desk.pass(23 * hour);
  assert.equal(desk.begun(1, limits, remove), 0);
  desk.restart();
  desk.pass(hour + minute);
  assert.equal(desk.begun(3, limits, remove), 2);
  assert.match(desk.refusal({ deletesPerDay: 0 }, remove) ?? "", /deletesPerDay: 0 commands/);
});

test("what deletes is seen at any depth; what cannot be read counts", () => {
  const deleting = [
    "rm x",
    "ls && /bin/rm -rf y",
    "sudo rm x",
    "find . -name '*.o' -delete",
    "find . -exec rm {} +",
    "git clean -fdx",
    "bash -c 'rm x'",
    "x=$(rmdir y)",
    "mv a b",
    "shred -u k",
    "truncate -s 0 f",
    "rsync -a --delete a/ b/",
    "$program x | sh",
  ];
  for (const command of deleting) assert.ok(deletesOf({ kind: "command", command }), command);
  const harmless = [
    "ls -la",
    "git status",
    "find . -name rm",
    "echo rm x",
    "rsync -a a b",
    "npm test",
  ];
  for (const command of harmless) assert.ok(!deletesOf({ kind: "command", command }), command);
  assert.ok(deletesOf({ kind: "exec", argv: ["/usr/bin/rm", "x"] }));
  assert.ok(!deletesOf({ kind: "exec", argv: ["ls"] }));
  assert.ok(!deletesOf({ kind: "file-write", path: "/x", content: "", encoding: "utf8" }));
});

test("what was counted is written with the task that began, and not without one", () => {
  using desk = new Desk();
  const budget = openBudget({ clock: desk.clock, journal: desk.journal });
  assert.equal(budget.admit(echo, { perHour: 1 }, "p"), null);
  assert.equal(desk.journal.spending(), null);
  desk.journal.begin({ taskId: newTaskId(1, new Uint8Array(10)), fence: 1 });
  assert.equal(desk.journal.spending()?.spent[0]?.tasks, 1);
  desk.pass(2 * day);
  assert.equal(budget.admit(echo, { perHour: 1 }, "p"), null);
  assert.equal(desk.journal.probe(), null);
  assert.equal(desk.journal.spending()?.spent.length, 1, "old minutes are forgotten");
});
