// A task's whole life, top to bottom. Nothing runs that has not passed every line of `live`:
//
//   verify ─▶ seen before? ─▶ room? ─▶ place ─▶ decide ─┬─▶ begin (server and journal) ─▶ run ─▶ post
//      └─▶ failed   └─▶ its old answer  └─▶ back        └─▶ refused

import { createBackoff, messageOf, never, type Clock, type Log } from "@openclaw-worker/base";
import { limits, reportOf, type Held, type Report, type Task } from "@openclaw-worker/protocol";
import type { Job } from "./job.ts";
import type { Journal } from "./journal.ts";
import type { JournalWatch } from "./journal-watch.ts";
import type { Link } from "./link.ts";
import type { Outbox } from "./outbox.ts";
import { place } from "./place.ts";
import { decide, type Decision } from "./policy/decide.ts";
import type { Policy } from "./policy/load.ts";
import type { Presence } from "./presence.ts";
import type { Slot, Slots } from "./slots.ts";
import { verify } from "./verify.ts";

/** Runs a placed and allowed task. Never throws: every ending is a report. */
export interface TaskRunner {
  run(job: Job): Promise<Report>;
}

export interface LoopParts {
  readonly clock: Clock;
  readonly log: Log;
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
  /** Absolute real paths that caged tasks may read besides the roots. */
  readonly readable: readonly string[];
  /** The home folder as the user names it. */
  readonly home: string;
  readonly name: string;
  readonly instance: string;
}

interface Desk extends LoopParts {
  stopping: boolean;
  /** Tasks that were claimed and will not be run here. */
  readonly returned: Held[];
}

const undeliveredMax = 10_000;
const stoppedSentence = "Cancelled: the worker was stopped";
const lostSentence = "This task was begun before and its end is not known; it is not run again";
const forgottenSentence =
  "This task was run before and its result was delivered; it is not run again";

/** Takes and runs tasks until the signal is aborted; then ends what runs and returns what does not. */
export async function runLoop(parts: LoopParts, signal: AbortSignal): Promise<void> {
  const desk: Desk = { ...parts, stopping: false, returned: [] };
  const lives = new Set<Promise<void>>();
  const onTask = (value: unknown): void => {
    const life = live(value, desk).catch((thrown: unknown) =>
      desk.log.error(`a task went wrong: ${messageOf(thrown)}`),
    );
    lives.add(life);
    void life.finally(() => lives.delete(life));
    // One message for all that came in one answer.
    if (desk.returned.length === 1) queueMicrotask(() => void giveBack(desk));
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
  if (slots.free() === 0 || outbox.size() >= undeliveredMax) return void desk.returned.push(held);

  if (verified.kind === "malformed") {
    return outbox.post(
      held,
      reportOf("failed", `This worker does not understand the task: ${verified.why}`),
    );
  }
  const { task } = verified;
  const policy = desk.policy();
  const { actions = {}, limits: own = {} } = policy.book ?? {};
  const placed = place(task.spec, { home: desk.home, roots: policy.roots, actions });
  if (placed.kind === "unrunnable") {
    return outbox.post(
      held,
      placed.outcome === "refused"
        ? refusal(placed.because, null)
        : reportOf("failed", placed.because),
    );
  }
  const decision = decide(placed, policy, desk.readable);
  const { kind, rule, digest } = decision;
  log.info("decided", { taskId: task.id, kind: task.spec.kind, decision: kind, rule, digest });
  if (decision.kind !== "allow") return outbox.post(held, refusalOf(decision));

  const { cwd } = placed;
  const timeoutMs = Math.min(task.timeoutMs, own.taskMsMax ?? limits.timeoutMsMax);
  const ending = await attempt(
    task,
    {
      placed: placed.placed,
      cwd,
      timeoutMs,
      cage: decision.cage,
      limits: own,
      outside: decision.outside === true,
    },
    desk,
  );
  if (ending !== null) outbox.post(ending.held, ending.report);
}

interface Ending {
  readonly held: Held;
  readonly report: Report;
}

/** Holds a slot from the claim to the report. Null: the task is not this worker's any more. */
async function attempt(
  task: Task,
  work: Omit<Job, "taskId" | "signal">,
  desk: Desk,
): Promise<Ending | null> {
  using slot = desk.slots.take({ taskId: task.id, fence: task.fence }, desk.clock.monotonic());
  const begun = await begin(slot, desk);
  if (begun.kind === "nothing") return null;
  const report = begun.kind === "report" ? begun.report : await run(slot, work, desk);
  return { held: { taskId: slot.taskId, fence: slot.fence }, report };
}

type Begun =
  | { readonly kind: "begun" }
  /** It will not run, and the server shall hear why. */
  | { readonly kind: "report"; readonly report: Report }
  | { readonly kind: "nothing" };

/**
 * Tells the server and the journal that the task begins; the task may run when both have it. The
 * request is on its way while the disk works.
 */
async function begin(slot: Slot, desk: Desk): Promise<Begun> {
  const { clock, journal, link, log } = desk;
  const started = () => {
    const { taskId, fence } = slot;
    return link.started(
      { taskId, fence, worker: desk.name, instance: desk.instance, startedAt: clock.now() },
      slot.signal,
    );
  };
  const first = started();
  await first.written;
  const broken = journal.begin(slot);
  if (broken !== null) desk.watch.broken(broken);

  let answer = await first.answer;
  const backoff = createBackoff({ clock, firstMs: 100, longestMs: 1_500, random: desk.random });
  while (answer.kind === "retry" || (answer.kind === "interrupted" && !slot.signal.aborted)) {
    const late = clock.monotonic() - slot.claimedAt > limits.leaseMs;
    if (desk.stopping || late) return notBegun(slot, desk, desk.stopping);
    const asked = answer.kind === "retry" ? answer.afterMs : null;
    await (asked === null ? backoff.wait(slot.signal) : clock.sleep(asked, slot.signal)).catch(
      () => {},
    );
    answer = await started().answer;
  }
  switch (answer.kind) {
    case "ok":
      if (broken !== null)
        return told(
          reportOf("failed", `Not run: the worker's journal cannot be written (${broken})`),
        );
      if (desk.stopping) return told(reportOf("cancelled", stoppedSentence));
      if (slot.signal.aborted) return told(reportOf("cancelled", String(slot.signal.reason)));
      slot.confirm();
      return { kind: "begun" };
    case "interrupted":
      return desk.stopping
        ? notBegun(slot, desk, true)
        : told(reportOf("cancelled", String(slot.signal.reason)));
    case "stale":
    case "gone":
    case "rejected":
      log.info(`a task is not run: the server says it is not this worker's (${answer.kind})`, {
        taskId: slot.taskId,
      });
      return notBegun(slot, desk, false);
    default:
      return never(answer);
  }
}

function told(report: Report): Begun {
  return { kind: "report", report };
}

function notBegun(slot: Slot, desk: Desk, back: boolean): Begun {
  const broken = desk.journal.notRun(slot.taskId);
  if (broken !== null) desk.watch.broken(broken);
  if (back) desk.returned.push({ taskId: slot.taskId, fence: slot.fence });
  return { kind: "nothing" };
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

function refusalOf(decision: Exclude<Decision, { kind: "allow" }>): Report {
  const { kind, because, remedy } = decision;
  const why = kind === "ask" ? `a person must say yes, and cannot yet: ${because}` : because;
  return { ...refusal(why, remedy), rule: decision.rule ?? because };
}

function refusal(because: string, remedy: string | null): Report {
  const error = `Refused by policy: ${because}`;
  if (remedy === null) return reportOf("refused", error);
  return { ...reportOf("refused", `${error}. To allow it: ${remedy}`), hint: remedy };
}

const beginningMs = 1_000;
const endingMs = 5_000;
const flushMs = 3_000;

async function stop(desk: Desk, lives: ReadonlySet<Promise<void>>): Promise<void> {
  desk.stopping = true;
  desk.slots.close("stopping");
  for (const slot of desk.slots.all()) if (slot.confirmed) slot.cancel(stoppedSentence);
  // A `started` on its way is answered within a moment; one that is not has told nobody anything.
  using _beginning = desk.clock.after(beginningMs, () => {
    for (const slot of desk.slots.all()) slot.cancel(stoppedSentence);
  });
  await within(Promise.allSettled(lives), endingMs, desk.clock);
  await giveBack(desk);
  await desk.outbox.flush(flushMs);
}

/** Claimed and not started: they go back to the queue at once, instead of when the lease is over. */
async function giveBack(desk: Desk): Promise<void> {
  const held = desk.returned.splice(0);
  if (held.length === 0) return;
  desk.log.info(`${held.length} claimed tasks are given back`);
  const limit = new AbortController();
  using _limit = desk.clock.after(beginningMs, () => limit.abort());
  await desk.link.giveBack(held, desk.instance, limit.signal).answer;
}

async function within(work: Promise<unknown>, longestMs: number, clock: Clock): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _limit = clock.after(longestMs, resolve);
  await Promise.race([work, promise]);
}
