// A task's whole life, top to bottom. Nothing runs that has not passed every line of `live`:
//
//   verify ─▶ seen before? ─▶ room? ─▶ whose? ─▶ place ─▶ decide ─┬─▶ allow ──────────────┐
//      └─▶ failed   └─▶ its old answer  └─▶ back                  ├─▶ ask ─▶ a grant, or a
//                                                                 │          person's yes ─┤
//                                                                 └─▶ refused              ▼
//                                            begin (server, journal, audit) ─▶ run ─▶ post

import { messageOf, type Clock, type Log } from "@openclaw-worker/base";
import { limits, reportOf, type Held, type Report, type Task } from "@openclaw-worker/protocol";
import type { Pending } from "./approval/consent.ts";
import { policyFor, type Submitter } from "./approval/submitter.ts";
import type { Warrant } from "./approval/warrant.ts";
import { begin } from "./begin.ts";
import { beginningMs, endAll, within } from "./ending.ts";
import type { Budget, Exhausted } from "./budget.ts";
import type { Job } from "./job.ts";
import type { Journal } from "./journal.ts";
import type { JournalWatch } from "./journal-watch.ts";
import type { Link } from "./link.ts";
import { noteOutcome, noteRefusal, noteRequest, type Notes } from "./note.ts";
import type { Outbox } from "./outbox.ts";
import type { Redactor } from "./output/redact.ts";
import { redactReport, type Stdout } from "./output/report.ts";
import { place } from "./place.ts";
import { decide, type Decision } from "./policy/decide.ts";
import type { Policy } from "./policy/load.ts";
import type { Surroundings } from "./policy/roots.ts";
import type { Presence } from "./presence.ts";
import { refusal, refusalOf } from "./refusal.ts";
import type { Slot, Slots } from "./slots.ts";
import { verify } from "./verify.ts";

/** Runs a placed and allowed task. Never throws: every ending is a report. */
export interface TaskRunner {
  run(job: Job): Promise<Report>;
}

export interface LoopParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly notes: Notes;
  readonly random: () => number;
  readonly link: Link;
  readonly journal: Journal;
  readonly watch: JournalWatch;
  readonly outbox: Outbox;
  readonly slots: Slots;
  readonly presence: Presence;
  readonly runner: TaskRunner;
  /** The policy in force: it may change from one task to the next. */
  readonly policy: () => Policy;
  /** Who may say yes; null: nobody, and what must be asked about is refused. */
  readonly warrant: Warrant | null;
  /** Why nothing may run now, in a sentence; null: nobody has stopped this worker. */
  readonly stopped: () => string | null;
  /** Absolute real paths that caged tasks may read besides the roots. */
  readonly readable: readonly string[];
  /** What no root and no rule may open. */
  readonly around: Surroundings;
  readonly budget: Budget;
  /** Takes what must not leave out of everything that does. */
  readonly redactor: Redactor;
  /** The home folder as the user names it. */
  readonly home: string;
  readonly name: string;
  readonly instance: string;
}

interface Desk extends LoopParts {
  stopping: boolean;
  /** Tasks that were claimed and will not be run here. */
  readonly returned: Held[];
  /** Why nothing begins any more, in a sentence. */
  readonly ending: () => string | null;
}

const undeliveredMax = 10_000;
const stoppedSentence = "Cancelled: the worker was stopped";
const lostSentence = "This task was begun before and its end is not known; it is not run again";
const forgottenSentence =
  "This task was run before and its result was delivered; it is not run again";

/** Takes and runs tasks until the signal is aborted; then ends what runs and returns what does not. */
export async function runLoop(parts: LoopParts, signal: AbortSignal): Promise<void> {
  const desk: Desk = {
    ...parts,
    stopping: false,
    returned: [],
    ending: () => (desk.stopping ? stoppedSentence : parts.stopped()),
  };
  const lives = new Set<Promise<void>>();
  const onTask = (value: unknown): void => {
    const life = live(value, desk).catch((thrown: unknown) =>
      desk.log.error(`a task went wrong: ${messageOf(thrown)}`),
    );
    lives.add(life);
    void life.finally(() => lives.delete(life));
  };
  desk.outbox.resume();
  await desk.presence.keep(onTask, signal);
  await stop(desk, lives);
}

async function live(value: unknown, desk: Desk): Promise<void> {
  const { journal, log, outbox, slots } = desk;

  const verified = verify(value);
  if (verified.kind === "nonsense")
    return log.warn(`the server sent something that is no task (${verified.why})`);
  const held =
    verified.kind === "task"
      ? { taskId: verified.task.id, fence: verified.task.fence }
      : verified.held;

  // Whatever this id was sent as: what runs goes on, and what was begun once never begins again.
  const running = slots.find(held.taskId);
  if (running !== undefined) return running.renumber(held.fence);
  const memory = journal.recall(held.taskId);
  if (memory.kind === "finished")
    return outbox.repeat(
      held,
      memory.text ?? JSON.stringify(reportOf("failed", forgottenSentence)),
    );
  if (memory.kind === "begun") return outbox.post(held, reportOf("lost", lostSentence));
  if (memory.kind === "unreadable") desk.watch.broken(memory.why);
  if (slots.free() === 0 || outbox.size() >= undeliveredMax) return handBack(held, desk);

  if (verified.kind === "malformed") {
    return outbox.post(
      held,
      reportOf("failed", `This worker does not understand the task: ${verified.why}`),
    );
  }
  const { task } = verified;
  const submitter = desk.warrant?.submitterOf(task, desk.policy()) ?? nobody;
  noteRequest(desk.notes, task, submitter.kind === "known" ? submitter.name : null);
  if (submitter.kind === "refused") noteRefusal(desk.notes, task, submitter.because);
  if (submitter.kind === "refused") {
    return await post({ held, report: refusal(submitter.because, null) }, desk);
  }
  const judged = judgeTask(task, submitter, desk);
  if (judged.kind === "report") return await post({ held, report: judged.report }, desk);

  const { held: last, ending } = await carry({ task, held, submitter, judged }, desk);
  if (ending === "back") handBack(last, desk);
  else if (ending !== null) {
    const stdout = task.spec.kind === "file-read" ? "file" : "output";
    await post({ held: last, report: ending, stdout }, desk);
  }
}

const nobody: Submitter = { kind: "known", name: null, nonce: null };
type Known = Extract<Submitter, { readonly kind: "known" }>;

/** What is to be run, and what is looked at once more before it does. */
interface Work {
  readonly kind: "work";
  readonly job: Omit<Job, "taskId" | "signal">;
  readonly about: Pick<Report, "rule" | "policyDigest">;
  /** Counts it against the policy's budgets. Null: there is room. */
  readonly admit: () => Exhausted | null;
  /** Null: it may run. Else why it is not. */
  readonly last: () => Promise<Report | null>;
}

type JudgedTask =
  | Work
  | { readonly kind: "report"; readonly report: Report }
  | { readonly kind: "back" }
  | { readonly kind: "ask"; readonly pending: Pending };

/** Gives the task its place, and lets the policy decide. Looks at nothing else. */
function judgeTask(task: Task, submitter: Known, desk: Desk): JudgedTask {
  // Without anybody who could check signatures, the policy that wants them refuses everything.
  const policy = desk.warrant === null ? desk.policy() : policyFor(desk.policy(), submitter.name);
  const placed = place(task.spec, {
    home: desk.home,
    roots: policy.roots,
    actions: policy.book?.actions ?? {},
  });
  if (placed.kind === "unrunnable") {
    const { outcome, because } = placed;
    const report = outcome === "refused" ? refusal(because, null) : reportOf("failed", because);
    return { kind: "report", report };
  }
  const decision = decide(placed, policy, desk.readable, desk.around);
  const { kind, rule, digest } = decision;
  desk.log.info("decided", { taskId: task.id, kind: task.spec.kind, decision: kind, rule, digest });
  desk.notes.note("decision", { decision: kind, rule, policyDigest: digest }, task.id);
  if (decision.kind === "refuse") return { kind: "report", report: refusalOf(decision) };
  const work = workOf(task, { decision, policy, placed, submitter }, desk);
  if (decision.kind === "allow") return work;
  if (desk.warrant === null) return { kind: "report", report: refusalOf(decision) };
  const pending = { task, subject: placed, decision, policy, submitter: submitter.name };
  return desk.warrant.grantFor(pending) === null ? { kind: "ask", pending } : work;
}

interface Decided {
  readonly decision: Exclude<Decision, { kind: "refuse" }>;
  readonly policy: Policy;
  readonly placed: Extract<ReturnType<typeof place>, { kind: "placed" }>;
  readonly submitter: Known;
}

function workOf(task: Task, { decision, policy, placed, submitter }: Decided, desk: Desk): Work {
  const own = policy.book?.limits ?? {};
  const job = {
    placed: placed.placed,
    cwd: placed.cwd,
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
    const problem = nonce === null ? null : (desk.warrant?.begun(nonce) ?? null);
    return problem === null ? null : reportOf("failed", `Not run: ${problem}`);
  };
  const admit = (): Exhausted | null => desk.budget.admit(placed.placed, own, policy.source);
  return { kind: "work", job, about, admit, last };
}

interface Carried {
  readonly task: Task;
  readonly held: Held;
  readonly submitter: Known;
  readonly judged: Exclude<JudgedTask, { kind: "report" }>;
}

/** How it ends: with a report, for another worker, or (null) as somebody else's. */
type Ending = Report | "back" | null;

/** Holds a slot, or waits for a person and then for a slot, until the task has ended. */
async function carry(
  { task, held, submitter, judged }: Carried,
  desk: Desk,
): Promise<{ readonly held: Held; readonly ending: Ending }> {
  const { clock, presence, slots } = desk;
  const waits = judged.kind === "ask";
  // Nothing was waited for since the look at the free slots: what was counted is still so.
  using slot = waits ? slots.hold(held, clock.monotonic()) : slots.take(held, clock.monotonic());
  // The server counts a task that waits for a person as one that sits in a slot.
  if (waits) presence.refresh();
  const settled = waits ? await consented(slot, { task, submitter, asked: judged }, desk) : judged;
  const ending = await attempt(slot, settled, desk);
  return { held: { taskId: slot.taskId, fence: slot.fence }, ending };
}

interface AskedTask {
  readonly task: Task;
  readonly submitter: Known;
  readonly asked: Extract<JudgedTask, { kind: "ask" }>;
}

/** Holds the task until a person has answered, and the answer still fits. */
async function consented(slot: Slot, { task, submitter, asked }: AskedTask, desk: Desk) {
  let judged: JudgedTask = asked;
  while (judged.kind === "ask") {
    const { pending } = judged;
    const consent = await desk.warrant?.askFor(pending, slot);
    const { decision } = pending;
    if (consent === undefined || consent.kind === "no") {
      const because = consent === undefined ? "nobody can say yes" : consent.because;
      return { kind: "report", report: refusalOf({ ...decision, because }) } as const;
    }
    if (consent.kind === "ended") {
      if (desk.ending() !== null) return { kind: "back" } as const;
      const report = reportOf("cancelled", String(slot.signal.reason));
      return { kind: "report", report } as const;
    }
    if (consent.kind === "yes") {
      const { subject: placed, policy } = pending;
      const work = workOf(
        task,
        { decision, policy, placed: { kind: "placed", ...placed }, submitter },
        desk,
      );
      const changed = { ...decision, because: "a file that it runs changed at the last moment" };
      const last = async (): Promise<Report | null> =>
        (await consent.isFresh()) ? work.last() : refusalOf(changed);
      return { ...work, last };
    }
    judged = judgeTask(task, submitter, desk);
    // What needs no person any more still needs a slot.
    if (judged.kind === "work") await desk.slots.seat(slot, () => desk.clock.monotonic());
  }
  return judged;
}

/** From the yes to the report. Null: the task is not this worker's any more. */
async function attempt(
  slot: Slot,
  judged: Exclude<JudgedTask, { kind: "ask" }>,
  desk: Desk,
): Promise<Ending> {
  if (judged.kind === "back") return "back";
  if (judged.kind === "report") return judged.report;
  const full = judged.admit();
  if (full !== null) return { ...judged.about, ...refusal(full.because, full.remedy) };
  const begun = await begin(slot, desk);
  if (begun.kind === "nothing") return null;
  if (begun.kind === "back") return "back";
  if (begun.kind === "report") return begun.report;
  const refused = await judged.last();
  const report = refused ?? (await run(slot, judged.job, desk));
  return { ...judged.about, ...report };
}

async function run(slot: Slot, work: Omit<Job, "taskId" | "signal">, desk: Desk): Promise<Report> {
  const startedAt = desk.clock.now();
  const from = desk.clock.monotonic();
  const report = await desk.runner
    .run({ ...work, taskId: slot.taskId, signal: slot.signal })
    .catch((thrown: unknown) =>
      reportOf("failed", `The worker could not run it: ${messageOf(thrown)}`),
    );
  const durationMs = Math.round(report.durationMs ?? desk.clock.monotonic() - from);
  const timed = { startedAt, ...report, durationMs };
  if (report.outcome === "cancelled") return { ...timed, error: String(slot.signal.reason) };
  // What only the run could see (a link that leads out, a guarded name) is a refusal like any other.
  return report.outcome === "refused"
    ? { ...timed, ...refusal(report.error ?? "", report.hint ?? null) }
    : timed;
}

interface Posting {
  readonly held: Held;
  readonly report: Report;
  readonly stdout?: Stdout;
}

/** What is written down of an outcome is what leaves: the receipt is of the report that it is in. */
async function post({ held, report, stdout = "output" }: Posting, desk: Desk): Promise<void> {
  const left = redactReport(report, desk.redactor, stdout);
  const receipt = await noteOutcome(desk.notes, held.taskId, left);
  desk.outbox.post(held, receipt === null ? left : { ...left, receipt }, stdout);
}

const endingMs = 5_000;
const flushMs = 3_000;

async function stop(desk: Desk, lives: ReadonlySet<Promise<void>>): Promise<void> {
  desk.stopping = true;
  desk.slots.close("stopping");
  using _ending = endAll(desk.slots, stoppedSentence, desk.clock);
  await within(Promise.allSettled(lives), endingMs, desk.clock);
  await Promise.all([giveBack(desk), desk.warrant?.flush(beginningMs)]);
  await desk.outbox.flush(flushMs);
}

/** Claimed and not started: it goes back to the queue at once, instead of when the lease is over. */
function handBack(held: Held, desk: Desk): void {
  desk.returned.push(held);
  // One message for all that came in one answer; what is left at the end goes with the end.
  if (desk.returned.length === 1 && !desk.stopping) queueMicrotask(() => void giveBack(desk));
}

async function giveBack(desk: Desk): Promise<void> {
  const held = desk.returned.splice(0);
  if (held.length === 0) return;
  desk.log.info(`${held.length} claimed tasks are given back`);
  const limit = new AbortController();
  using _limit = desk.clock.after(beginningMs, () => limit.abort());
  await desk.link.giveBack(held, desk.instance, limit.signal).answer;
}
