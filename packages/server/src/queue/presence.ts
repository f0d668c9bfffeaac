// Who is connected. A worker is online while its last message is younger than what it promised: the
// hold of its poll and a little more. A hang-up shortens that to a moment.

import type { Clock } from "@openclaw-worker/base";
import {
  satisfies,
  workerOf,
  type Claimant,
  type Introduction,
  type Presence,
} from "@openclaw-worker/protocol";
import type { WorkerRecord } from "../store/store.ts";

/** What a worker may take beyond its promise before it counts as away. */
const slackMs = 5_000;

export interface PresenceBook {
  /** A message came from this worker, and it promises the next one within `promiseMs`. */
  seen(worker: Seen, promiseMs: number): void;
  /** The worker said who it is. Returns the record to keep. */
  introduce(introduction: Introduction): WorkerRecord;
  /** Its connection ended without a word, or it said that it leaves. */
  left(name: string, graceMs: number): void;
  /** This worker process said that it ends. */
  leftInstance(instance: string): void;
  knows(name: string, instance: string): boolean;
  labelsOf(name: string): readonly string[];
  onlineCount(): number;
  /** Is somebody online who may take a task with this selector? */
  anyoneFor(selector: string): boolean;
  list(running: ReadonlyMap<string, number>): readonly Presence[];
  restore(records: readonly WorkerRecord[]): void;
}

export interface Seen {
  readonly name: string;
  readonly leased: boolean;
}

interface Entry {
  record: WorkerRecord;
  leased: boolean;
  lastSeenAt: number;
  aliveUntil: number;
  introduced: boolean;
}

export function createPresenceBook(clock: Clock): PresenceBook {
  const entries = new Map<string, Entry>();
  const isOnline = (entry: Entry): boolean => entry.aliveUntil > clock.monotonic();
  const entryOf = (name: string): Entry => {
    const known = entries.get(name);
    if (known !== undefined) return known;
    const made: Entry = {
      record: unknownWorker(name),
      leased: false,
      lastSeenAt: 0,
      aliveUntil: Number.NEGATIVE_INFINITY,
      introduced: false,
    };
    entries.set(name, made);
    return made;
  };

  return {
    seen({ name, leased }, promiseMs) {
      const entry = entryOf(name);
      entry.leased = leased;
      entry.lastSeenAt = clock.now();
      entry.aliveUntil = clock.monotonic() + promiseMs + slackMs;
    },
    introduce({ slots, name, instance, labels, version, platform, policyDigest }) {
      const entry = entryOf(name);
      const lastSeenAt = clock.now();
      entry.introduced = true;
      entry.record = { name, instance, labels, version, platform, slots, policyDigest, lastSeenAt };
      return entry.record;
    },
    left(name, graceMs) {
      const entry = entries.get(name);
      if (entry === undefined) return;
      entry.aliveUntil = Math.min(entry.aliveUntil, clock.monotonic() + graceMs);
    },
    leftInstance(instance) {
      for (const entry of entries.values()) {
        if (entry.record.instance === instance) entry.aliveUntil = clock.monotonic();
      }
    },
    knows: (name, instance) => {
      const entry = entries.get(name);
      return entry !== undefined && entry.introduced && entry.record.instance === instance;
    },
    labelsOf: (name) => entries.get(name)?.record.labels ?? [],
    onlineCount: () =>
      entries
        .values()
        .filter(isOnline)
        .reduce((sum) => sum + 1, 0),
    anyoneFor(selector) {
      const fits = (entry: Entry): boolean =>
        isOnline(entry) && satisfies(claimantOf(entry), selector);
      const name = workerOf(selector);
      if (name === null) return entries.values().some(fits);
      // Ten thousand other workers cost a task for one of them nothing.
      const entry = entries.get(name);
      return entry !== undefined && fits(entry);
    },
    list: (running) =>
      [...entries.values()].map((entry) => ({
        name: entry.record.name,
        state: isOnline(entry) ? "online" : "away",
        labels: [...entry.record.labels],
        version: entry.record.version,
        platform: entry.record.platform,
        slots: entry.record.slots,
        policyDigest: entry.record.policyDigest,
        running: running.get(entry.record.name) ?? 0,
        lastSeenAt: Math.max(entry.lastSeenAt, entry.record.lastSeenAt),
      })),
    restore(records) {
      for (const record of records) entryOf(record.name).record = record;
    },
  };
}

function claimantOf(entry: Entry): Claimant {
  return { name: entry.record.name, labels: entry.record.labels, leased: entry.leased };
}

function unknownWorker(name: string): WorkerRecord {
  return {
    name,
    instance: "",
    labels: [],
    version: null,
    platform: null,
    slots: null,
    policyDigest: null,
    lastSeenAt: 0,
  };
}
