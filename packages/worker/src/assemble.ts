import type { Clock, Log } from "@openclaw-worker/base";
import type { AuditCopied, AuditCopy, Introduction, Stopped } from "@openclaw-worker/protocol";
import { serveLocal } from "./approval/local.ts";
import { openWarrant, type Warrant } from "./approval/warrant.ts";
import { copyAudit } from "./audit/copy.ts";
import type { Audit } from "./audit/log.ts";
import type { Authority } from "./authority.ts";
import { openBudget, type Budget } from "./budget.ts";
import type { Journal } from "./journal.ts";
import { watchJournal } from "./journal-watch.ts";
import type { Link } from "./link.ts";
import { endAll } from "./ending.ts";
import { runLoop, type LoopParts, type TaskRunner } from "./loop.ts";
import { noNotes } from "./note.ts";
import type { Notify } from "./notify.ts";
import { createOutbox } from "./outbox.ts";
import type { Redactor } from "./output/redact.ts";
import { createOverreach } from "./overreach.ts";
import type { Policy } from "./policy/load.ts";
import type { Surroundings } from "./policy/roots.ts";
import { createPresence, type Orders } from "./presence.ts";
import type { CageWatch } from "./run/runner.ts";
import { createSlots, type Slots } from "./slots.ts";

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
  /** What no root and no rule may open. */
  readonly around: Surroundings;
  /** Takes what must not leave out of everything that does. */
  readonly redactor: Redactor;
  /** Tells when no task can be run in its cage, and when they can again. */
  readonly health?: CageWatch;
  /** The audit log. Absent: nothing is written down. */
  readonly audit?: Audit;
  /** The home folder as the user names it. */
  readonly home: string;
  readonly introduction: Introduction;
  /** How long the server shall hold a poll, in milliseconds. */
  readonly pollMs: number;
  /** Called once, when the server has accepted the first poll. */
  readonly onReady: () => void;
  /** Who may say yes, and who stops it. Absent: nobody, so what must be asked about is refused. */
  readonly authority?: Authority;
  /** Told how many approvals wait, whenever that has changed. */
  readonly notify?: Notify;
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
  const ended = new AbortController();
  const { authority } = parts;
  const warrant =
    authority === undefined
      ? null
      : openWarrant({
          ...parts,
          ...authority,
          slots,
          instance,
          worker: name,
          labels: introduction.labels,
          signal: ended.signal,
        });
  const notes = authority?.notes ?? noNotes;
  const overreach = createOverreach(log, notes);
  const orders = ordersOf(authority, warrant);
  const presence = createPresence({ ...parts, slots, orders, overreach });
  using watch = watchJournal({ clock, log, journal, slots, onChange: presence.refresh });
  const onBroken = watch.broken;
  const outbox = createOutbox({
    redactor: parts.redactor,
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
  const budget = openBudget({ clock, journal });
  await using open = new AsyncDisposableStack();
  const closing = closeWhile({ slots, onChange: presence.refresh });
  if (parts.health !== undefined) open.use(parts.health.watch(closing("no cage")));
  if (parts.audit !== undefined) {
    open.use(parts.audit.watch(closing("no audit log")));
    open.use(keepCopying(parts, parts.audit));
  }
  if (authority !== undefined && warrant !== null) {
    const { desk } = warrant;
    open.use(desk.watch(() => parts.notify?.(desk.waiting().length)));
    open.use(await openLocalDoor(parts, { authority, warrant, slots }));
    open.use(forgiveResumed(authority.stops, budget));
    open.use(
      obeyStops(authority.stops, {
        clock,
        slots,
        onChange: presence.refresh,
        onTell: presence.announce,
      }),
    );
  }
  const stopped = (): string | null => sentenceOf(authority?.stops.current() ?? null);
  const trip = tripOf(authority);
  const own = { name, instance, notes, watch, outbox, slots, presence, warrant, budget, overreach };
  try {
    await runLoop({ ...parts, ...own, stopped, trip }, signal);
  } finally {
    ended.abort();
  }
}

/** Slots are closed for as long as there is a reason of this name. */
function closeWhile({ slots, onChange }: Pick<Obeying, "slots" | "onChange">) {
  return (name: string) =>
    (because: string | null): void => {
      if (because === null) slots.open(name);
      else slots.close(name);
      onChange();
    };
}

/** Hands the audit log on to the server, which is its witness. */
function keepCopying({ clock, link, log, random }: WorkerParts, audit: Audit): AsyncDisposable {
  const ended = new AbortController();
  const send = async (copy: AuditCopy, signal: AbortSignal): Promise<AuditCopied | null> => {
    const answer = await link.audit(copy, signal).answer;
    return answer.kind === "ok" ? answer.value : null;
  };
  const copying = copyAudit({ audit, clock, log, random, send }, ended.signal);
  return {
    async [Symbol.asyncDispose]() {
      ended.abort();
      await copying;
    },
  };
}

function ordersOf(authority: Authority | undefined, warrant: Warrant | null): Orders {
  return {
    stopped: () => authority?.stops.current(),
    stopSeen: () => authority?.stops.seen(),
    hearStop: (value) => warrant?.hearStop(value) ?? "nothing",
    hearDecisions: (values) => warrant?.hearDecisions(values) ?? false,
  };
}

// What asks for more than the policy foresaw is looked at by a person before it goes on. Where there
// is nothing to use up, a refusal says all: it would stop the worker each time.
function tripOf(authority: Authority | undefined): LoopParts["trip"] {
  return (full) => {
    const { because, isUsedUp, raise } = full;
    if (authority === undefined || !isUsedUp) return full;
    if (authority.stops.current() === null) authority.stops.stop("budget", because);
    const remedy = `look what used it up, then resume the worker (openclaw-worker resume), which counts anew; or ${raise}`;
    return { because: `${because}: the worker is stopped`, remedy };
  };
}

/** The count begins anew when a person ends the stop that it made. */
function forgiveResumed(stops: Authority["stops"], budget: Budget): Disposable {
  return stops.watch((_now, lifted) => {
    if (lifted.some(({ by }) => by === "budget")) budget.forgive();
  });
}

function sentenceOf(stopped: Stopped | null): string | null {
  return stopped === null ? null : `Stopped: ${stopped.reason}`;
}

interface Obeying {
  readonly clock: Clock;
  readonly slots: Slots;
  /** The free slots have changed. */
  readonly onChange: () => void;
  /** Whether it is stopped has changed. */
  readonly onTell: () => void;
}

const reason = "stopped";

/** Ends everything at once when the worker is stopped, and takes nothing until it is resumed. */
function obeyStops(stops: Authority["stops"], by: Obeying): Disposable {
  let ending: Disposable | null = null;
  const obey = (stopped: Stopped | null): void => {
    ending?.[Symbol.dispose]();
    ending = null;
    const why = sentenceOf(stopped);
    if (why === null) by.slots.open(reason);
    else {
      by.slots.close(reason);
      ending = endAll(by.slots, why, by.clock);
    }
    by.onChange();
    by.onTell();
  };
  const first = stops.current();
  if (first !== null) obey(first);
  const watching = stops.watch(obey);
  return {
    [Symbol.dispose]() {
      watching[Symbol.dispose]();
      ending?.[Symbol.dispose]();
    },
  };
}

interface Door {
  readonly authority: Authority;
  readonly warrant: Warrant;
  readonly slots: Slots;
}

/** Where a person at this computer speaks to the worker. */
function openLocalDoor(
  { introduction, log, policy }: WorkerParts,
  { authority, warrant, slots }: Door,
): Promise<AsyncDisposable> {
  const { identity, stateDir, stops } = authority;
  const { text: publicKey, fingerprint } = identity.public;
  return serveLocal({
    log,
    stateDir,
    stops,
    desk: warrant.desk,
    grants: () => warrant.grants(),
    revokeGrant: (id) => warrant.revokeGrant(id),
    status: () => ({
      worker: introduction.name,
      version: introduction.version,
      stopped: stops.current(),
      waiting: warrant.desk.waiting().length,
      running: slots.all().filter(({ seated }) => seated).length,
      slots: slots.count,
      policyDigest: policy().digest,
      publicKey,
      fingerprint,
    }),
  });
}
