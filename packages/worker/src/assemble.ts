import type { Clock, Log } from "@openclaw-worker/base";
import type { Introduction } from "@openclaw-worker/protocol";
import type { Journal } from "./journal.ts";
import { watchJournal } from "./journal-watch.ts";
import type { Link } from "./link.ts";
import { runLoop, type TaskRunner } from "./loop.ts";
import { createOutbox } from "./outbox.ts";
import type { Policy } from "./policy/load.ts";
import { createPresence } from "./presence.ts";
import { createSlots } from "./slots.ts";

export interface WorkerParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly link: Link;
  readonly journal: Journal;
  readonly runner: TaskRunner;
  /** The policy in force: it may change from one task to the next. */
  readonly policy: () => Policy;
  /** Absolute real paths that caged tasks may read besides the roots. */
  readonly readable: readonly string[];
  /** The home folder as the user names it. */
  readonly home: string;
  readonly introduction: Introduction;
  /** How long the server shall hold a poll, in milliseconds. */
  readonly pollMs: number;
  /** Called once, when the server has accepted the first poll. */
  readonly onReady: () => void;
}

const pruneMs = 3_600_000;

/**
 * Settles what an earlier process left in the journal, then works until the signal is aborted and
 * what runs has ended. The journal and the link stay open: they belong to the caller.
 */
export async function runParts(parts: WorkerParts, signal: AbortSignal): Promise<void> {
  const { clock, log, random, link, journal, introduction } = parts;
  const { name, instance } = introduction;
  const lost = journal.loseBegun();
  if (lost > 0)
    log.warn(`${lost} tasks were running when the last worker ended: they are reported as lost`);
  journal.prune();
  using _pruning = clock.every(pruneMs, () => journal.prune());

  const slots = createSlots(introduction.slots);
  const presence = createPresence({ ...parts, slots });
  using watch = watchJournal({ clock, log, journal, slots, onChange: presence.refresh });
  const ended = new AbortController();
  const onBroken = watch.broken;
  const outbox = createOutbox({
    clock,
    log,
    random,
    link,
    journal,
    slots,
    instance,
    signal: ended.signal,
    onBroken,
  });
  try {
    await runLoop({ ...parts, name, instance, watch, outbox, slots, presence }, signal);
  } finally {
    ended.abort();
  }
}
