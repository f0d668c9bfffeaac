// How much may begin: `limits.perHour` tasks within any hour, `limits.deletesPerDay` commands that
// delete within any day. Counted by the minute, durably, whatever the policy says at the time.
//
// Which time? A wall clock can be set; a steady clock stands still while the computer sleeps, and
// begins anew with each process. So the budget has a time of its own, which the journal keeps:
//
//   - it never goes back;
//   - while the worker runs it goes on as the steady clock does, whatever the wall clock is set to;
//   - where the wall clock is ahead of it (after sleep, or while no worker ran) it catches up.
//
// So each second of wall time is given back once at most: a clock that is set forth and back, or
// that begins in 1970 at each boot, gives nothing back. One that is set forward gives back what a
// sleep of that length would, and cannot be told from one; until the wall clock has come to that
// time again, only seconds in which the worker runs count.
//
// What is used up stops the worker (assemble.ts). A person who resumes it begins the count anew: else
// the very next task would stop it again.
//
// Deletes are counted by what a command says: one that names a program of the table below, at any
// depth, counts one, however much it deletes; so does one that cannot be read. What a script or a
// program deletes by itself is not counted, nor is a file that is overwritten. It is the cage that
// keeps deletes within the roots.

import type { Clock } from "@openclaw-worker/base";
import type { Placed } from "./job.ts";
import type { Journal } from "./journal.ts";
import type { Arg } from "./policy/arg.ts";
import { analyze, analyzeArgv } from "./policy/command.ts";
import { baseName } from "./policy/programs.ts";

/** Absent: without a limit. */
export interface BudgetLimits {
  readonly perHour?: number | undefined;
  readonly deletesPerDay?: number | undefined;
}

export interface Exhausted {
  readonly because: string;
  readonly remedy: string;
  /** What to change in the policy. */
  readonly raise: string;
  /** It was used up. False: the policy leaves nothing to use. */
  readonly isUsedUp: boolean;
}

export interface Budget {
  /**
   * Counts a task that is about to begin, or says why it may not. What was counted is written with
   * the journal's next entry.
   * @param source the policy's name for people, for the remedy
   */
  admit(placed: Placed, limits: BudgetLimits, source: string): Exhausted | null;
  /**
   * Forgets what was counted, as a person wishes it who lets the worker go on. Written with the
   * journal's next entry.
   */
  forgive(): void;
}

const minuteMs = 60_000;

export interface BudgetParts {
  readonly clock: Clock;
  readonly journal: Pick<Journal, "spending" | "spend">;
}

/** @throws Error when the journal's counters cannot be read */
export function openBudget({ clock, journal }: BudgetParts): Budget {
  const found = journal.spending();
  // In the order of time: it does not go back, so a new minute is the last.
  const minutes = new Map((found?.spent ?? []).map((spent) => [spent.minute, spent]));
  const readTime = startTime(clock, found?.atMs ?? clock.now());

  // A minute counts as long as its last moment is within the span.
  const spentSince = (from: number, kind: "tasks" | "deletes"): number =>
    [...minutes.values()].reduce((sum, one) => sum + (one.minute >= from ? one[kind] : 0), 0);
  const firstSince = (from: number, kind: "tasks" | "deletes"): number | null =>
    [...minutes.values()].find((one) => one.minute >= from && one[kind] > 0)?.minute ?? null;

  const exhausted = (now: number, use: Use, source: string): Exhausted | null => {
    const { name, most, kind, span, what } = use;
    if (most === undefined || spentSince(now - span, kind) < most) return null;
    const because = `limits.${name}: ${most} ${what}`;
    const first = firstSince(now - span, kind);
    const raise = `raise limits.${name} in ${source}, on this computer`;
    const isUsedUp = most > 0;
    if (first === null) return { because, remedy: raise, raise, isUsedUp };
    const left = first + span + 1 - now;
    const remedy = `wait ${left} ${left === 1 ? "minute" : "minutes"}, or ${raise}`;
    return { because, remedy, raise, isUsedUp };
  };

  return {
    admit(placed, { perHour, deletesPerDay }, source) {
      const atMs = readTime();
      const now = Math.floor(atMs / minuteMs);
      const deletes = deletesPerDay !== undefined && deletesOf(placed) ? 1 : 0;
      const refusal =
        exhausted(now, { ...hourly, most: perHour }, source) ??
        (deletes === 0 ? null : exhausted(now, { ...daily, most: deletesPerDay }, source));
      if (refusal !== null) return refusal;
      const before = minutes.get(now) ?? { minute: now, tasks: 0, deletes: 0 };
      const { tasks } = before;
      minutes.set(now, { minute: now, tasks: tasks + 1, deletes: before.deletes + deletes });
      const keepFrom = now - daily.span;
      for (const minute of minutes.keys()) if (minute < keepFrom) minutes.delete(minute);
      journal.spend({ minute: now, tasks: 1, deletes }, atMs, keepFrom);
      return null;
    },
    forgive() {
      const atMs = readTime();
      const minute = Math.floor(atMs / minuteMs);
      minutes.clear();
      journal.spend({ minute, tasks: 0, deletes: 0 }, atMs, minute + 1);
    },
  };
}

interface Use {
  readonly name: "perHour" | "deletesPerDay";
  readonly kind: "tasks" | "deletes";
  /** In minutes. */
  readonly span: number;
  readonly what: string;
  readonly most: number | undefined;
}

const hourly = {
  name: "perHour",
  kind: "tasks",
  span: 60,
  what: "tasks have begun within the last hour",
} as const;
const daily = {
  name: "deletesPerDay",
  kind: "deletes",
  span: 1_440,
  what: "commands that delete have begun within the last day",
} as const;

/** The budget's time, in whole milliseconds; see above. */
function startTime(clock: Clock, keptMs: number): () => number {
  let atMs = keptMs;
  let steadyAt = clock.monotonic();
  return () => {
    const steady = clock.monotonic();
    atMs = Math.max(atMs + Math.max(0, steady - steadyAt), clock.now());
    steadyAt = steady;
    return Math.floor(atMs);
  };
}

/** Programs that delete, and what must be among their words for it; null: they always do. */
const deleters: ReadonlyMap<string, RegExp | null> = new Map([
  ...["rm", "rmdir", "unlink", "shred", "truncate", "mv", "srm", "wipe", "trash", "rimraf"].map(
    (name) => [name, null] as const,
  ),
  ["git", /^(?:clean|rm)$/],
  ["find", /^-delete$/],
  ["gfind", /^-delete$/],
  ["rsync", /^--(?:delete|remove-source-files)/],
]);

/** Whether a task is a command that says that it deletes, or one that cannot be read. */
export function deletesOf(placed: Placed): boolean {
  if (placed.kind !== "command" && placed.kind !== "exec") return false;
  const { commands, hidden } =
    placed.kind === "command" ? analyze(placed.command) : analyzeArgv(placed.argv);
  return hidden.length > 0 || commands.some(deletes);
}

function deletes([program, ...words]: readonly Arg[]): boolean {
  const name = baseName(program?.text ?? "").toLowerCase();
  const needed = deleters.get(name);
  if (needed === undefined) return false;
  return needed === null || words.some(({ text }) => text !== null && needed.test(text));
}
