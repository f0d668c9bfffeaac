// Results on their way to the server. A result stays here, and in the journal, until the server has
// confirmed that it is kept, or has said that a newer attempt took its place. Every report leaves
// through here, and none before secrets were taken out of it: the journal holds none either.

import {
  abortable,
  createBackoff,
  type Backoff,
  type Clock,
  type Log,
} from "@openclaw-worker/base";
import {
  limits,
  reportOf,
  reportSchema,
  type Held,
  type Report,
  type TaskId,
} from "@openclaw-worker/protocol";
import type { Journal } from "./journal.ts";
import type { Answer } from "./answer.ts";
import type { Link } from "./link.ts";
import { createRedactor, type Redactor } from "./output/redact.ts";
import { redactKept, redactReport, type Stdout } from "./output/report.ts";
import type { Slots } from "./slots.ts";

export interface Outbox {
  /** Puts a result on the wire and into the journal at the same time, and sends it until it is confirmed. */
  /** `stdout` says what the report's stdout is: a file's content is not altered. */
  post(task: Held, report: Report, stdout?: Stdout): void;
  /** Sends a finished result again, from the journal: the server has asked for the task anew. */
  repeat(task: Held, text: string): void;
  /** Takes up what an earlier process could not deliver. */
  resume(): void;
  size(): number;
  /** Resolves when nothing is left, or after `longestMs`. */
  flush(longestMs: number): Promise<void>;
}

export interface OutboxParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly link: Link;
  readonly journal: Journal;
  readonly slots: Slots;
  readonly instance: string;
  /** Knows the worker's secrets. Absent: only what looks like one is taken out. */
  readonly redactor?: Redactor;
  /** Aborted when the worker ends: what is left then waits in the journal. */
  readonly signal: AbortSignal;
  /** Told when the journal did not take a result. */
  readonly onBroken: (why: string) => void;
}

interface Letter {
  readonly taskId: TaskId;
  fence: number;
  /** The attempt that the last message named. */
  sent: number;
  /** The report's JSON; null: it is in the journal. */
  text: string | null;
  shortened: boolean;
  warned: boolean;
}

const lanesMax = 4;
const firstPauseMs = 100;
const longestPauseMs = 1_500;

export function createOutbox(parts: OutboxParts): Outbox {
  const { clock, link, journal, log, signal, redactor = createRedactor([]) } = parts;
  const letters = new Map<TaskId, Letter>();
  const waiting: Letter[] = [];
  const idle = new Set<() => void>();
  let lanes = 0;

  const wakeIdle = (): void => {
    if (letters.size === 0) for (const wake of idle) wake();
  };

  const done = (letter: Letter): void => {
    letters.delete(letter.taskId);
    journal.delivered(letter.taskId);
    wakeIdle();
  };

  const send = (letter: Letter) => {
    const text = letter.text ?? redactKept(textFromJournal(journal, letter.taskId), redactor);
    letter.sent = letter.fence;
    return link.result(bodyOf(letter, text, parts), signal);
  };

  /** Tries once more without the output; true when even that was refused and only the journal keeps it. */
  const rejected = (letter: Letter, status: number): boolean => {
    if (!letter.shortened) {
      const text = letter.text ?? textFromJournal(journal, letter.taskId);
      letter.text = shortened(redactKept(text, redactor));
      letter.shortened = true;
      return false;
    }
    log.error(
      `the server refuses a result (${status}); it waits in the journal for the next start`,
      { taskId: letter.taskId },
    );
    letters.delete(letter.taskId);
    wakeIdle();
    return true;
  };

  /** True when the letter needs another try. */
  const judge = (letter: Letter, answer: Answer<unknown>): boolean => {
    if (answer.kind === "ok") return (done(letter), false);
    // The newer attempt was handed to this very worker while the older number was on its way.
    if (answer.kind === "stale" && letter.sent < letter.fence) return true;
    if (answer.kind === "stale" || answer.kind === "gone") {
      const because =
        answer.kind === "stale" ? "a newer attempt exists" : "the server does not know the task";
      log.warn(`result dropped: ${because}`, { taskId: letter.taskId, fence: letter.fence });
      return (done(letter), false);
    }
    if (answer.kind === "rejected") return !rejected(letter, answer.status);
    if (answer.kind === "retry" && !letter.warned)
      log.warn(`result not confirmed yet: ${answer.why}`, { taskId: letter.taskId });
    letter.warned = true;
    return true;
  };

  const firstTry = async (letter: Letter, keep: () => string | null): Promise<void> => {
    const { written, answer } = send(letter);
    await written;
    const broken = keep();
    if (broken !== null) parts.onBroken(broken);
    if (judge(letter, await answer)) queue(letter);
  };

  const queue = (letter: Letter): void => {
    waiting.push(letter);
    if (lanes >= lanesMax || signal.aborted) return;
    lanes += 1;
    const backoff = createBackoff({
      clock,
      firstMs: firstPauseMs,
      longestMs: longestPauseMs,
      random: parts.random,
    });
    void drain(backoff).finally(() => (lanes -= 1));
  };

  const drain = async (backoff: Backoff): Promise<void> => {
    for (let letter = waiting.shift(); letter !== undefined; letter = waiting.shift()) {
      const answer = await send(letter).answer;
      if (!judge(letter, answer)) {
        backoff.reset();
        continue;
      }
      waiting.push(letter);
      if (!(await pause(answer, backoff))) return;
    }
  };

  const pause = async (answer: Answer<unknown>, backoff: Backoff): Promise<boolean> => {
    const asked = answer.kind === "retry" ? answer.afterMs : null;
    await (asked === null ? backoff.wait(signal) : clock.sleep(asked, signal)).catch(() => {});
    return !signal.aborted;
  };

  const accept = (task: Held, text: string, keep: () => string | null): void => {
    const known = letters.get(task.taskId);
    if (known !== undefined) {
      known.fence = Math.max(known.fence, task.fence);
      return;
    }
    const letter: Letter = {
      taskId: task.taskId,
      fence: task.fence,
      text,
      sent: 0,
      shortened: false,
      warned: false,
    };
    letters.set(task.taskId, letter);
    void firstTry(letter, keep);
  };

  return {
    post(task, report, stdout = "output") {
      const text = JSON.stringify(redactReport(report, redactor, stdout));
      accept(task, text, () => journal.finish(task, text));
    },
    repeat: (task, text) => accept(task, redactKept(text, redactor), () => null),
    resume() {
      for (const { taskId, fence } of journal.undelivered()) {
        const letter: Letter = {
          taskId,
          fence,
          text: null,
          sent: 0,
          shortened: false,
          warned: false,
        };
        letters.set(taskId, letter);
        queue(letter);
      }
    },
    size: () => letters.size,
    async flush(longestMs) {
      if (letters.size === 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      idle.add(resolve);
      using _limit = clock.after(longestMs, resolve);
      await abortable(promise, signal).catch(() => {});
      idle.delete(resolve);
    },
  };
}

// The report was made into text once, for the journal; the wire's own fields go before its members.
function bodyOf(letter: Letter, text: string, { instance, slots }: OutboxParts): string {
  const { taskId, fence } = letter;
  const small = Buffer.byteLength(text) > limits.bodyBytes ? shortened(text) : text;
  return `${JSON.stringify({ taskId, fence, instance, ...slots.tell() }).slice(0, -1)},${small.slice(1)}`;
}

function textFromJournal(journal: Journal, taskId: TaskId): string {
  const memory = journal.recall(taskId);
  if (memory.kind === "finished" && memory.text !== null) return memory.text;
  return JSON.stringify(
    reportOf("lost", "The task's result could not be read back from the worker's journal"),
  );
}

/** A report that no server can find too large: how it ended, without what it printed. */
function shortened(text: string): string {
  const parsed = reportSchema.safeParse(JSON.parse(text));
  const report = parsed.success ? parsed.data : reportOf("failed", "");
  const error = `The result was too large for the server (${text.length} characters of JSON): its output was left out. ${report.error ?? ""}`;
  return JSON.stringify({
    ...report,
    stdout: "",
    stderr: "",
    error: error.trim().slice(0, 4_096),
  } satisfies Report);
}
