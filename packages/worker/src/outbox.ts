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
import { limits, reportOf, reportSchema, type Held, type TaskId } from "@openclaw-worker/protocol";
import type { Journal } from "./journal.ts";
import type { Answer } from "./answer.ts";
import type { Link } from "./link.ts";
import type { Redactor } from "./output/redact.ts";
import { createCollector } from "./output/collect.ts";
import { reportJson } from "./output/json.ts";
import { redactKept, type Leaving } from "./output/report.ts";
import type { Slots } from "./slots.ts";

export interface Outbox {
  /**
   * Puts a result on the wire and into the journal at the same time, and sends it until it is
   * confirmed. What the journal has is not in memory between two tries.
   */
  post(task: Held, leaving: Leaving): void;
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
  /** Knows the worker's secrets. */
  readonly redactor: Redactor;
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
  /** The report's JSON in UTF-8; null: it is in the journal. */
  text: Uint8Array | null;
  /** Of the text, in bytes. */
  size: number;
  /** What the journal has was written by an earlier process, which may not have known each secret. */
  foreign: boolean;
  shortened: boolean;
  warned: boolean;
}

const lanesMax = 4;
const firstPauseMs = 100;
const longestPauseMs = 1_500;

export function createOutbox(parts: OutboxParts): Outbox {
  const { clock, link, journal, log, signal, redactor } = parts;
  const letters = new Map<TaskId, Letter>();
  const waiting: Letter[] = [];
  const idle = new Set<() => void>();
  const collect = createCollector();
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
    const text = letter.text ?? textFromJournal(letter, parts);
    letter.sent = letter.fence;
    letter.size = text.length;
    return link.result(bodyOf(letter, text, parts), signal);
  };

  /** Tries once more without the output; true when even that was refused and only the journal keeps it. */
  const rejected = (letter: Letter, status: number): boolean => {
    if (!letter.shortened) {
      letter.text = shortened(letter.text ?? textFromJournal(letter, parts));
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

  const firstTry = async (letter: Letter, keep: Keep): Promise<void> => {
    const { written, answer } = send(letter);
    await written;
    const broken = keep(letter);
    if (broken !== null) parts.onBroken(broken);
    const verdict = judge(letter, await answer);
    collect(letter.size);
    if (verdict) queue(letter);
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
      collect(letter.size);
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

  const accept = (task: Held, text: Uint8Array, keep: Keep): void => {
    const known = letters.get(task.taskId);
    if (known !== undefined) {
      known.fence = Math.max(known.fence, task.fence);
      return;
    }
    const letter = letterOf(task, text);
    letters.set(task.taskId, letter);
    void firstTry(letter, keep);
  };

  const keepIn = (task: Held, letter: Letter): string | null => {
    const broken = letter.text === null ? null : journal.finish(task, letter.text);
    if (broken === null) letter.text = null;
    return broken;
  };

  return {
    post(task, { report }) {
      const text = reportJson(report);
      accept(task, text, (letter) => keepIn(task, letter));
    },
    repeat: (task, text) => accept(task, Buffer.from(redactKept(text, redactor)), () => null),
    resume() {
      for (const held of journal.undelivered()) {
        const letter = letterOf(held, null);
        letters.set(held.taskId, letter);
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

/** Puts a letter's text into the journal. Null, or why it is not there. */
type Keep = (letter: Letter) => string | null;

/** @param text null: an earlier process left it in the journal */
function letterOf({ taskId, fence }: Held, text: Uint8Array | null): Letter {
  const foreign = text === null;
  return { taskId, fence, text, size: 0, foreign, sent: 0, shortened: false, warned: false };
}

// The report was made into text once, for the journal; the wire's own fields go before its members.
function bodyOf(letter: Letter, text: Uint8Array, { instance, slots }: OutboxParts): Uint8Array {
  const { taskId, fence } = letter;
  const small = text.length > limits.bodyBytes ? shortened(text) : text;
  const own = JSON.stringify({ taskId, fence, instance, ...slots.tell() }).slice(0, -1);
  return Buffer.concat([Buffer.from(`${own},`), small.subarray(1)]);
}

function textFromJournal(letter: Letter, { journal, redactor }: OutboxParts): Uint8Array {
  const { taskId, fence } = letter;
  const text = journal.report(taskId);
  if (text === null) {
    const because = "The task's result could not be read back from the worker's journal";
    return reportJson(reportOf("lost", because));
  }
  if (!letter.foreign) return text;
  const redacted = Buffer.from(redactKept(textOf(text), redactor));
  // Once is enough: the next try finds what may leave.
  if (journal.finish({ taskId, fence }, redacted) === null) letter.foreign = false;
  return redacted;
}

/** A report that no server can find too large: how it ended, without what it printed. */
function shortened(text: Uint8Array): Uint8Array {
  const parsed = reportSchema.safeParse(JSON.parse(textOf(text)));
  // A receipt would be of the output that is left out: it stays in the audit log, and claims nothing here.
  const { receipt: _receipt, ...report } = parsed.success ? parsed.data : reportOf("failed", "");
  const error = `The result was too large for the server (${text.length} bytes of JSON): its output was left out. ${report.error ?? ""}`;
  return reportJson({ ...report, stdout: "", stderr: "", error: error.trim().slice(0, 4_096) });
}

function textOf({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString();
}
