// Who is connected. A worker is online while its last message is younger than what it promised: the
// hold of its poll and a little more. A hang-up shortens that to a moment.

import type { Clock } from "@openclaw-worker/base";
import {
  parsePublicKey,
  satisfies,
  workerOf,
  type Claimant,
  type Introduction,
  type Presence,
} from "@openclaw-worker/protocol";
import type { HaltRecord } from "../store/approval.ts";
import type { ProcessSighting, Sighting } from "../store/shared.ts";
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
  /** Some message of a worker of this name came once. */
  has(name: string): boolean;
  /** It speaks our protocol: it said who it is, now or before a restart of the server. */
  isIntroduced(name: string): boolean;
  isOnline(name: string): boolean;
  /** Name of the worker that this process belongs to. */
  nameOf(instance: string): string | null;
  /** The key that it introduced itself with first, as text. */
  keyOf(name: string): string | null;
  onlineCount(): number;
  /** Is somebody online who may take a task with this selector? */
  anyoneFor(selector: string): boolean;
  list(about: About): readonly Presence[];
  restore(records: readonly WorkerRecord[]): void;
  /** Another process on the same store was told this by the worker. */
  heard(record: WorkerRecord): void;
  /** Another process sees this worker. */
  sighted(sighting: ProcessSighting): void;
}

/** Told of each change of what this process sees. `news`: who was away is here, or the other way. */
export type Announce = (sighting: Sighting, news: boolean) => void;

export interface Seen {
  readonly name: string;
  readonly leased: boolean;
}

/** What others know of the workers. */
export interface About {
  readonly running: ReadonlyMap<string, number>;
  readonly alarms: ReadonlyMap<string, string>;
  readonly haltOf: (name: string) => HaltRecord | null;
}

interface Entry {
  record: WorkerRecord;
  leased: boolean;
  lastSeenAt: number;
  aliveUntil: number;
  introduced: boolean;
  /** The same, as other processes see it. */
  readonly elsewhere: Map<string, number>;
}

/** `isHalted`: a worker that is stopped, or shall be, takes nothing. */
export function createPresenceBook(
  clock: Clock,
  isHalted: (name: string) => boolean,
  announce: Announce = () => {},
): PresenceBook {
  const entries = new Map<string, Entry>();
  const isOnline = ({ aliveUntil, elsewhere }: Entry): boolean => {
    const now = clock.monotonic();
    return aliveUntil > now || elsewhere.values().some((until) => until > now);
  };
  const tell = (entry: Entry, news: boolean): void => {
    const forMs = Math.max(0, entry.aliveUntil - clock.monotonic());
    const { leased, lastSeenAt } = entry;
    announce({ name: entry.record.name, leased, forMs, seenAt: lastSeenAt }, news);
  };
  const entryOf = (name: string): Entry => {
    const known = entries.get(name);
    if (known !== undefined) return known;
    const made: Entry = {
      record: unknownWorker(name),
      leased: false,
      lastSeenAt: 0,
      aliveUntil: Number.NEGATIVE_INFINITY,
      introduced: false,
      elsewhere: new Map(),
    };
    entries.set(name, made);
    return made;
  };

  return {
    seen({ name, leased }, promiseMs) {
      const entry = entryOf(name);
      const news = entry.aliveUntil <= clock.monotonic();
      entry.leased = leased;
      entry.lastSeenAt = clock.now();
      entry.aliveUntil = clock.monotonic() + promiseMs + slackMs;
      tell(entry, news);
    },
    introduce({ publicKey: told, ...introduction }) {
      const entry = entryOf(introduction.name);
      entry.introduced = true;
      const publicKey = entry.record.publicKey ?? told ?? null;
      entry.record = { ...introduction, publicKey, lastSeenAt: clock.now() };
      return entry.record;
    },
    left(name, graceMs) {
      const entry = entries.get(name);
      if (entry === undefined) return;
      const until = clock.monotonic() + graceMs;
      if (entry.aliveUntil <= until) return;
      entry.aliveUntil = until;
      tell(entry, true);
    },
    leftInstance(instance) {
      for (const entry of entries.values()) {
        if (entry.record.instance !== instance) continue;
        entry.aliveUntil = clock.monotonic();
        entry.elsewhere.clear();
        tell(entry, true);
      }
    },
    knows: (name, instance) => {
      const entry = entries.get(name);
      return entry !== undefined && entry.introduced && entry.record.instance === instance;
    },
    labelsOf: (name) => entries.get(name)?.record.labels ?? [],
    has: (name) => entries.has(name),
    isIntroduced: (name) => (entries.get(name)?.record.instance ?? "") !== "",
    isOnline(name) {
      const entry = entries.get(name);
      return entry !== undefined && isOnline(entry);
    },
    nameOf(instance) {
      const found = entries.values().find(({ record }) => record.instance === instance);
      return found?.record.name ?? null;
    },
    keyOf: (name) => entries.get(name)?.record.publicKey ?? null,
    onlineCount: () =>
      entries
        .values()
        .filter(isOnline)
        .reduce((sum) => sum + 1, 0),
    anyoneFor(selector) {
      const fits = (entry: Entry): boolean =>
        isOnline(entry) && satisfies(claimantOf(entry), selector) && !isHalted(entry.record.name);
      const name = workerOf(selector);
      if (name === null) return entries.values().some(fits);
      // Ten thousand other workers cost a task for one of them nothing.
      const entry = entries.get(name);
      return entry !== undefined && fits(entry);
    },
    list: (about) =>
      [...entries.values()].map((entry) =>
        presenceOf(entry, { ...about, online: isOnline(entry) }),
      ),
    restore(records) {
      for (const record of records) entryOf(record.name).record = record;
    },
    heard(record) {
      const entry = entryOf(record.name);
      entry.record = record;
      entry.introduced = true;
    },
    sighted({ process, name, leased, forMs, seenAt }) {
      const entry = entryOf(name);
      const now = clock.monotonic();
      if (forMs <= 0) {
        // It said that it leaves: what it promised to anybody is over.
        entry.aliveUntil = Math.min(entry.aliveUntil, now);
        return entry.elsewhere.clear();
      }
      for (const [other, until] of entry.elsewhere) if (until <= now) entry.elsewhere.delete(other);
      entry.leased = leased;
      entry.lastSeenAt = Math.max(entry.lastSeenAt, seenAt);
      entry.elsewhere.set(process, now + forMs);
    },
  };
}

function presenceOf(entry: Entry, about: About & { readonly online: boolean }): Presence {
  const { name, publicKey, labels, version, platform, slots, policyDigest } = entry.record;
  const halt = about.haltOf(name);
  const stopped = halt?.stopped ?? null;
  const fingerprint = publicKey === null ? null : (parsePublicKey(publicKey)?.fingerprint ?? null);
  return {
    name,
    state: stopped === null ? (about.online ? "online" : "away") : "stopped",
    labels: [...labels],
    version,
    platform,
    slots,
    policyDigest,
    running: about.running.get(name) ?? 0,
    lastSeenAt: Math.max(entry.lastSeenAt, entry.record.lastSeenAt),
    stopped,
    stopAsked: halt?.order ?? null,
    fingerprint,
    alarm: about.alarms.get(name) ?? null,
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
    publicKey: null,
    lastSeenAt: 0,
  };
}
