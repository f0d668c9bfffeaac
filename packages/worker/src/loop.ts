// A task's whole life, top to bottom. Nothing runs that has not passed every line of `live`:
//
//   verify ─▶ seen before? ─▶ room? ─▶ whose? ─▶ place ─▶ decide ─┬─▶ allow ──────────────┐
//      └─▶ failed   └─▶ its old answer  └─▶ back                  ├─▶ ask ─▶ a grant, or a
//                                                                 │          person's yes ─┤
//                                                                 └─▶ refused              ▼
//                                            begin (server, journal, audit) ─▶ run ─▶ post

import { messageOf } from "@openclaw-worker/base";
import { reportOf, type Held, type Report, type Task } from "@openclaw-worker/protocol";
import type { Submitter } from "./approval/submitter.ts";
import { begin } from "./begin.ts";
import { beginningMs, endAll, within } from "./ending.ts";
import type { Exhausted } from "./budget.ts";
import { consented } from "./consented.ts";
import type { Job } from "./job.ts";
import type { Journal } from "./journal.ts";
import type { JournalWatch } from "./journal-watch.ts";
import {
  judgeTask,
  type JudgedTask,
  type JudgeParts,
  type Known,
  type Question,
} from "./judged.ts";
import type { Link } from "./link.ts";
import { noteOutcome, noteRefusal, noteRequest } from "./note.ts";
import type { Outbox } from "./outbox.ts";
import type { Redactor } from "./output/redact.ts";
import { Leaving } from "./output/report.ts";
import type { Overreach } from "./overreach.ts";
import type { Presence } from "./presence.ts";
import { refusal } from "./refusal.ts";
import type { Slot, Slots } from "./slots.ts";
import { verify } from "./verify.ts";

/** Runs a placed and allowed task. Never throws: every ending is a report. */
export interface TaskRunner {
  run(job: Job): Promise<Report>;
}

export interface LoopParts extends JudgeParts {
  readonly random: () => number;
  readonly link: Link;
  readonly journal: Journal;
  readonly watch: JournalWatch;
  readonly outbox: Outbox;
  readonly slots: Slots;
  readonly presence: Presence;
  readonly runner: TaskRunner;
  /** Why nothing may run now, in a sentence; null: nobody has stopped this worker. */
  readonly stopped: () => string | null;
  /** A budget is used up: what that means for the worker, and so what the refusal shall say. */
  readonly trip: (full: Exhausted) => Pick<Exhausted, "because" | "remedy">;
  /** Writes down what a task says of itself that is not its to say. */
  readonly overreach: Overreach;
  /** Takes what must not leave out of everything that does. */
  readonly redactor: Redactor;
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
  const leaving = (report: Report): Leaving => Leaving.of(report, desk.redactor);

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
  if (memory.kind === "begun") return outbox.post(held, leaving(reportOf("lost", lostSentence)));
  if (memory.kind === "unreadable") desk.watch.broken(memory.why);
  if (slots.free() === 0 || outbox.size() >= undeliveredMax) return handBack(held, desk);

  desk.overreach.inTask(value, held.taskId);
  if (verified.kind === "malformed") {
    const why = `This worker does not understand the task: ${verified.why}`;
    return outbox.post(held, leaving(reportOf("failed", why)));
  }
  const { task } = verified;
  const submitter = desk.warrant?.submitterOf(task, desk.policy()) ?? nobody;
  noteRequest(desk.notes, task, submitter.kind === "known" ? submitter.name : null);
  if (submitter.kind === "refused") noteRefusal(desk.notes, task, submitter.because);
  if (submitter.kind === "refused") {
    return outbox.post(held, await sealed(task, refusal(submitter.because, null), desk));
  }
  const judged = judgeTask(task, submitter, desk);
  if (judged.kind === "report") return outbox.post(held, await sealed(task, judged.report, desk));

  const { held: last, ending } = await carry({ task, held, submitter, judged }, desk);
  if (ending === "back") handBack(last, desk);
  else if (ending !== null) outbox.post(last, ending);
}

const nobody: Submitter = { kind: "known", name: null, nonce: null };

interface Carried {
  readonly task: Task;
  readonly held: Held;
  readonly submitter: Known;
  readonly judged: Exclude<JudgedTask, { kind: "report" }>;
}

/** How it ends: with a report, for another worker, or (null) as somebody else's. */
type Ending<Told> = Told | "back" | null;

/** Holds a slot, or waits for a person and then for a slot, until the task has ended. */
async function carry(
  { task, held, submitter, judged }: Carried,
  desk: Desk,
): Promise<{ readonly held: Held; readonly ending: Ending<Leaving> }> {
  const { clock, presence, slots } = desk;
  const waits = judged.kind === "ask";
  // Nothing was waited for since the look at the free slots: what was counted is still so.
  using slot = waits ? slots.hold(held, clock.monotonic()) : slots.take(held, clock.monotonic());
  // The server counts a task that waits for a person as one that sits in a slot.
  if (waits) presence.refresh();
  const settled = waits ? await consented(slot, { task, submitter, asked: judged }, desk) : judged;
  const told = await attempt(slot, settled, desk);
  // Until its result is in the outbox, the slot answers whoever hands the task out again.
  const ending = told === null || told === "back" ? told : await sealed(task, told, desk);
  return { held: { taskId: slot.taskId, fence: slot.fence }, ending };
}

/** From the yes to the report. Null: the task is not this worker's any more. */
async function attempt(
  slot: Slot,
  judged: Exclude<JudgedTask, Question>,
  desk: Desk,
): Promise<Ending<Report>> {
  if (judged.kind === "back") return "back";
  if (judged.kind === "report") return judged.report;
  const full = judged.admit();
  if (full !== null) {
    const { because, remedy } = desk.trip(full);
    return { ...judged.about, ...refusal(because, remedy) };
  }
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

/** What is written down of an outcome is what leaves: the receipt is of the report that it is in. */
async function sealed(task: Task, report: Report, desk: Desk): Promise<Leaving> {
  const stdout = task.spec.kind === "file-read" ? "file" : "output";
  const left = Leaving.of(report, desk.redactor, stdout);
  return left.with(await noteOutcome(desk.notes, task.id, left.report));
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
