import type { Clock, Log, Timer } from "@openclaw-worker/base";
import type { Journal } from "./journal.ts";
import type { Slots } from "./slots.ts";

export interface JournalWatchParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly journal: Journal;
  readonly slots: Slots;
  /** Told when the free slots changed. */
  readonly onChange: () => void;
}

export interface JournalWatch extends Disposable {
  /** Takes no more tasks until the journal can be written again. */
  readonly broken: (why: string) => void;
}

const probeMs = 5_000;
const reason = "journal";
const fullReason = "undelivered";
/** Results that nobody has confirmed, in bytes: above the one no task is taken, until the other. */
export const undeliveredBytesMax = 268_435_456;
const undeliveredBytesLow = 201_326_592;

/**
 * Fails closed: a worker that could not remember a task does not take it; nor does one whose results
 * nobody takes, because the disk is the user's.
 */
export function watchJournal(parts: JournalWatchParts): JournalWatch {
  const filling = watchBacklog(parts);
  let probing: Timer | null = null;
  const recover = (): void => {
    if (parts.journal.probe() !== null) return;
    probing?.cancel();
    probing = null;
    parts.log.info("the journal can be written again: tasks are taken");
    parts.slots.open(reason);
    parts.onChange();
  };
  return {
    broken(why) {
      if (probing !== null) return;
      parts.log.error(`no tasks are taken: the journal cannot be written (${why})`);
      parts.slots.close(reason);
      probing = parts.clock.every(probeMs, recover);
      parts.onChange();
    },
    [Symbol.dispose]() {
      probing?.cancel();
      filling[Symbol.dispose]();
    },
  };
}

function watchBacklog({ journal, log, slots, onChange }: JournalWatchParts): Disposable {
  let full = false;
  return journal.onUndelivered((bytes) => {
    if (full ? bytes > undeliveredBytesLow : bytes <= undeliveredBytesMax) return;
    full = !full;
    const waiting = `${Math.round(bytes / 1_048_576)} MiB of results`;
    if (full) {
      log.error(
        `no tasks are taken: the server has not confirmed ${waiting}; the journal keeps them`,
      );
      slots.close(fullReason);
    } else {
      log.info(`tasks are taken again: ${waiting} wait for the server`);
      slots.open(fullReason);
    }
    onChange();
  });
}
