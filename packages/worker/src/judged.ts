// What is to become of a task: a report at once, work to do, or a question to a person.

import type { Clock, Log } from "@openclaw-worker/base";
import { limits, reportOf, type Report, type Task } from "@openclaw-worker/protocol";
import type { Pending } from "./approval/consent.ts";
import { policyFor, type Submitter } from "./approval/submitter.ts";
import type { Warrant } from "./approval/warrant.ts";
import type { Budget, Exhausted } from "./budget.ts";
import type { Job } from "./job.ts";
import type { Notes } from "./note.ts";
import { place, type Placement } from "./place.ts";
import { decide, type Decision } from "./policy/decide.ts";
import type { Policy } from "./policy/load.ts";
import type { Surroundings } from "./policy/roots.ts";
import { refusal, refusalOf } from "./refusal.ts";

export interface JudgeParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly notes: Notes;
  /** The policy in force: it may change from one task to the next. */
  readonly policy: () => Policy;
  /** Who may say yes; null: nobody, and what must be asked about is refused. */
  readonly warrant: Warrant | null;
  /** Absolute real paths that caged tasks may read besides the roots. */
  readonly readable: readonly string[];
  /** What no root and no rule may open. */
  readonly around: Surroundings;
  readonly budget: Budget;
  /** The home folder as the user names it. */
  readonly home: string;
}

export type Known = Extract<Submitter, { readonly kind: "known" }>;

/** What is to be run, and what is looked at once more before it does. */
export interface Work {
  readonly kind: "work";
  readonly job: Omit<Job, "taskId" | "signal">;
  readonly about: Pick<Report, "rule" | "policyDigest">;
  /** Counts it against the policy's budgets. Null: there is room. */
  readonly admit: () => Exhausted | null;
  /** Null: it may run. Else why it is not. */
  readonly last: () => Promise<Report | null>;
}

export interface Question {
  readonly kind: "ask";
  readonly pending: Pending;
}

export type JudgedTask =
  | Work
  | Question
  | { readonly kind: "report"; readonly report: Report }
  | { readonly kind: "back" };

/** Gives the task its place, and lets the policy decide. Looks at nothing else. */
export function judgeTask(task: Task, submitter: Known, parts: JudgeParts): JudgedTask {
  const policy = policyFor(parts.policy(), submitter.name);
  const placed = place(task.spec, {
    home: parts.home,
    roots: policy.roots,
    actions: policy.book?.actions ?? {},
  });
  if (placed.kind === "unrunnable") {
    const { outcome, because, hint = null } = placed;
    const report = outcome === "refused" ? refusal(because, hint) : reportOf("failed", because);
    return { kind: "report", report };
  }
  const decision = decide(placed, policy, parts.readable, parts.around);
  const { kind, rule, digest } = decision;
  parts.log.info("decided", {
    taskId: task.id,
    kind: task.spec.kind,
    decision: kind,
    rule,
    digest,
  });
  parts.notes.note("decision", { decision: kind, rule, policyDigest: digest }, task.id);
  if (decision.kind === "refuse") return { kind: "report", report: refusalOf(decision) };
  const work = workOf(task, { decision, policy, placed, submitter }, parts);
  if (decision.kind === "allow") return work;
  if (parts.warrant === null) return { kind: "report", report: refusalOf(decision) };
  const pending = { task, subject: placed, decision, policy, submitter: submitter.name };
  return parts.warrant.grantFor(pending) === null ? { kind: "ask", pending } : work;
}

export interface Decided {
  readonly decision: Exclude<Decision, { kind: "refuse" }>;
  readonly policy: Policy;
  readonly placed: Pick<Extract<Placement, { kind: "placed" }>, "placed" | "cwd">;
  readonly submitter: Known;
}

/** What runs once the decision is a yes. */
export function workOf(
  task: Task,
  { decision, policy, placed: { placed, cwd }, submitter }: Decided,
  { budget, warrant }: Pick<JudgeParts, "budget" | "warrant">,
): Work {
  const own = policy.book?.limits ?? {};
  const job = {
    placed,
    cwd,
    timeoutMs: Math.min(task.timeoutMs, own.taskMsMax ?? limits.timeoutMsMax),
    cage: decision.cage,
    limits: own,
    outside: decision.outside === true,
  };
  const about = {
    policyDigest: decision.digest,
    ...(decision.rule === null ? {} : { rule: decision.rule }),
  };
  const last = async (): Promise<Report | null> => {
    const { nonce } = submitter;
    const problem = nonce === null ? null : (warrant?.begun(nonce) ?? null);
    return problem === null ? null : reportOf("failed", `Not run: ${problem}`);
  };
  const admit = (): Exhausted | null => budget.admit(placed, own, policy.source);
  return { kind: "work", job, about, admit, last };
}
