// The last step before a task runs: the server, the journal and the audit log must all have it.

import { createBackoff, never, type Clock, type Log } from "@openclaw-worker/base";
import { limits, reportOf, type Report } from "@openclaw-worker/protocol";
import type { Journal } from "./journal.ts";
import type { JournalWatch } from "./journal-watch.ts";
import type { Link } from "./link.ts";
import type { Notes } from "./note.ts";
import type { Presence } from "./presence.ts";
import type { Slot, Slots } from "./slots.ts";

export interface BeginParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly link: Link;
  readonly journal: Journal;
  readonly watch: JournalWatch;
  readonly notes: Notes;
  readonly slots: Pick<Slots, "free">;
  readonly presence: Pick<Presence, "refresh">;
  readonly name: string;
  readonly instance: string;
  /** Why nothing begins any more, in a sentence: the worker ends, or was stopped. Null: it works. */
  readonly ending: () => string | null;
}

export type Begun =
  | { readonly kind: "begun" }
  /** It will not run, and the server shall hear why. */
  | { readonly kind: "report"; readonly report: Report }
  /** It never began, and another may have it. */
  | { readonly kind: "back" }
  /** It is not this worker's any more. */
  | { readonly kind: "nothing" };

/**
 * Tells the server and the journal that the task begins; the task may run when both have it. The
 * request is on its way while the disk works.
 */
export async function begin(slot: Slot, parts: BeginParts): Promise<Begun> {
  const { clock, journal, link, log, notes } = parts;
  const started = () => {
    const { taskId, fence } = slot;
    return link.started(
      { taskId, fence, worker: parts.name, instance: parts.instance, startedAt: clock.now() },
      slot.signal,
    );
  };
  const first = started();
  await first.written;
  const broken = journal.begin(slot);
  if (broken !== null) parts.watch.broken(broken);
  notes.note("begin", { fence: slot.fence }, slot.taskId);
  const noted = notes.flushed();

  let answer = await first.answer;
  const backoff = createBackoff({ clock, firstMs: 100, longestMs: 1_500, random: parts.random });
  while (answer.kind === "retry" || (answer.kind === "interrupted" && !slot.signal.aborted)) {
    const late = clock.monotonic() - slot.claimedAt > limits.leaseMs;
    if (parts.ending() !== null || late) return notBegun(slot, parts, parts.ending() !== null);
    const asked = answer.kind === "retry" ? answer.afterMs : null;
    await (asked === null ? backoff.wait(slot.signal) : clock.sleep(asked, slot.signal)).catch(
      () => {},
    );
    answer = await started().answer;
  }
  switch (answer.kind) {
    case "ok": {
      const unnoted = await noted;
      const keeper = broken === null ? "audit log" : "journal";
      const problem = broken ?? unnoted;
      if (problem !== null) {
        const error = `Not run: the worker's ${keeper} cannot be written (${problem})`;
        return { kind: "report", report: reportOf("failed", error) };
      }
      const why = parts.ending() ?? (slot.signal.aborted ? String(slot.signal.reason) : null);
      if (why !== null) return { kind: "report", report: reportOf("cancelled", why) };
      slot.confirm();
      return { kind: "begun" };
    }
    case "interrupted":
      return parts.ending() === null
        ? { kind: "report", report: reportOf("cancelled", String(slot.signal.reason)) }
        : notBegun(slot, parts, true);
    case "stale":
    case "gone":
    case "rejected":
      log.info(`a task is not run: the server says it is not this worker's (${answer.kind})`, {
        taskId: slot.taskId,
      });
      return notBegun(slot, parts, false);
    default:
      return never(answer);
  }
}

function notBegun(slot: Slot, parts: BeginParts, back: boolean): Begun {
  const { journal, presence, slots, watch } = parts;
  const broken = journal.notRun(slot.taskId);
  if (broken !== null) watch.broken(broken);
  const wasFull = slots.free() === 0;
  slot[Symbol.dispose]();
  // No result goes out that would tell of the free slot, and the poll that waits has said that there
  // is none. A poll that has said otherwise is left alone: a task may be on its way to it.
  if (wasFull && !back) presence.refresh();
  return { kind: back ? "back" : "nothing" };
}
