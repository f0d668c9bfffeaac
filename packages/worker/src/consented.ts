// A task that waits for a person, from the question to what the answer makes of it.

import { reportOf, type Report, type Task } from "@openclaw-worker/protocol";
import {
  judgeTask,
  workOf,
  type JudgedTask,
  type JudgeParts,
  type Known,
  type Question,
} from "./judged.ts";
import { refusalOf } from "./refusal.ts";
import type { Slot, Slots } from "./slots.ts";

export interface AskedTask {
  readonly task: Task;
  readonly submitter: Known;
  readonly asked: Question;
}

export interface ConsentedParts extends JudgeParts {
  readonly slots: Slots;
  /** Why nothing begins any more, in a sentence. */
  readonly ending: () => string | null;
}

/** Holds the task until a person has answered, the answer still fits, and it has a slot. */
export async function consented(
  slot: Slot,
  { task, submitter, asked }: AskedTask,
  parts: ConsentedParts,
): Promise<Exclude<JudgedTask, Question>> {
  let judged: JudgedTask = asked;
  while (judged.kind === "ask") {
    const { pending } = judged;
    const { decision, policy, subject } = pending;
    const consent = await parts.warrant?.askFor(pending, slot);
    if (consent === undefined || consent.kind === "no") {
      const because = consent === undefined ? "nobody can say yes" : consent.because;
      return { kind: "report", report: refusalOf({ ...decision, because }) };
    }
    if (consent.kind === "ended") {
      if (parts.ending() !== null) return { kind: "back" };
      return { kind: "report", report: reportOf("cancelled", String(slot.signal.reason)) };
    }
    if (consent.kind === "yes") {
      const work = workOf(task, { decision, policy, placed: subject, submitter }, parts);
      const changed = { ...decision, because: "a file that it runs changed at the last moment" };
      const last = async (): Promise<Report | null> =>
        (await consent.isFresh()) ? work.last() : refusalOf(changed);
      return { ...work, last };
    }
    judged = judgeTask(task, submitter, parts);
    // What needs no person any more still needs a slot.
    if (judged.kind === "work") await parts.slots.seat(slot, () => parts.clock.monotonic());
  }
  return judged;
}
