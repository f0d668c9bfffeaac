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

/** Fails closed: a worker that could not remember a task does not take it. */
export function watchJournal(parts: JournalWatchParts): JournalWatch {
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
    [Symbol.dispose]: () => probing?.cancel(),
  };
}
