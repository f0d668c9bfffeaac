// Keeps the enrolled keys up to date with their file, while the worker runs.

import type { Clock, Log, Timer } from "@openclaw-worker/base";
import { parsePublicKey } from "@openclaw-worker/protocol";
import { emptyRing, type EnrolledKey, type KeyRing, type RingLoad } from "./keys.ts";
import type { Notes } from "./note.ts";
import { watchOr } from "./watching.ts";

export interface KeyKeeper extends Disposable {
  /** The ring in force now. */
  readonly current: () => KeyRing;
}

export interface KeyKeeperParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly notes: Notes;
  /** The ring that was loaded at start. */
  readonly ring: KeyRing;
  readonly load: () => RingLoad;
  /** Says whether the file is still the one that was loaded: another text when it is not. */
  readonly stamp: () => string;
  /** Calls back whenever the file may have changed; throws when it cannot be watched. */
  readonly watch: (changed: () => void) => Disposable;
  /** Told after the ring has changed. */
  readonly onChange: () => void;
}

// Editors write a file in several steps.
const settleMs = 100;

/**
 * Keeps the ring up to date with its file: whoever asks for it is never told of a key that the file
 * has revoked, and a change that nobody asks about is noticed by the watch. A file that is broken changes nothing; one that is gone
 * enrolls nobody.
 */
export function keepKeys(parts: KeyKeeperParts): KeyKeeper {
  const { clock, log, notes, load } = parts;
  let current = parts.ring;
  // Of before the first load: a change in between is noticed by the first who asks.
  let seen: string | null = null;
  let settling: Timer | null = null;
  const reload = (): void => {
    settling?.cancel();
    settling = null;
    seen = parts.stamp();
    const next = load();
    if (next.kind === "refused") {
      log.error(`the keys stay as they were: ${next.because}`);
      return;
    }
    const ring = next.kind === "ring" ? next.ring : emptyRing;
    const changes = changesOf(current, ring);
    current = ring;
    for (const { key, what } of changes) {
      const { name, roles } = key;
      const { fingerprint = "" } = parsePublicKey(key.publicKey) ?? {};
      log.info(`a key was ${what}`, { name, fingerprint });
      notes.note("key", { what, name, fingerprint, roles });
    }
    if (changes.length > 0) parts.onChange();
  };
  const changed = (): void => {
    settling?.cancel();
    settling = clock.after(settleMs, reload);
  };
  const watching = watchOr(
    () => parts.watch(changed),
    (why) => log.warn(`changes of the keys are noticed late (${why})`),
  );
  return {
    current() {
      if (parts.stamp() !== seen) reload();
      return current;
    },
    [Symbol.dispose]() {
      settling?.cancel();
      watching?.[Symbol.dispose]();
    },
  };
}

interface RingNews {
  readonly key: EnrolledKey;
  readonly what: "enrolled" | "revoked" | "removed" | "changed";
}

function changesOf(before: KeyRing, after: KeyRing): readonly RingNews[] {
  const old = new Map(before.keys.map((key) => [key.publicKey, key]));
  const now = new Set(after.keys.map(({ publicKey }) => publicKey));
  const news = after.keys.flatMap((key): readonly RingNews[] => {
    const known = old.get(key.publicKey);
    if (known === undefined) return [{ key, what: "enrolled" }];
    if (known.revokedAt === null && key.revokedAt !== null) return [{ key, what: "revoked" }];
    return JSON.stringify(known) === JSON.stringify(key) ? [] : [{ key, what: "changed" }];
  });
  const gone = before.keys.filter(({ publicKey }) => !now.has(publicKey));
  return [...news, ...gone.map((key): RingNews => ({ key, what: "removed" }))];
}
