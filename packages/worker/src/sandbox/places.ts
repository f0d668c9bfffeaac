// What a cage shows, and what is closed in it, as the disk is now.

import type { Clock } from "@openclaw-worker/base";
import type { Cage } from "../job.ts";
import { isWithin } from "./path.ts";
import { plainStartOf, trailOf, trailTo } from "./pattern.ts";
import type { Closed } from "./profile.ts";
import { shownIn, type Shown } from "./shown.ts";
import { CageUnavailable } from "./unavailable.ts";
import { openWalk, type Closings, type Start } from "./walk.ts";

export interface Seen extends Closed {
  readonly shown: Shown;
  /** System folders that may be shown. */
  readonly system: readonly string[];
  /** Two equal texts: the cage for one is the cage for the other. */
  readonly state: string;
  /** What a person should know. */
  readonly notes: readonly string[];
}

export interface Places {
  /** Throws CageUnavailable when the policy's rules cannot be enforced. */
  look(): Seen;
}

export interface PlacesGround {
  readonly clock: Clock;
  /** System folders that exist on this machine. */
  readonly system: readonly string[];
}

/** Levels of folders below a root that are looked at for guarded files. */
const guardLevels = 2;

/** Folders without which no program starts. */
const vital: ReadonlySet<string> = new Set([
  "/usr",
  "/bin",
  "/sbin",
  "/lib",
  "/lib64",
  "/nix/store",
]);

/**
 * Follows a cage's rules into the places that it shows. In the system's folders only rules count
 * that name a place in them: these folders are public and far too large to be searched for a name.
 */
export function openPlaces(cage: Cage, ground: PlacesGround): Places {
  const { denyRead = [], denyWrite = [] } = cage;
  const wanted = shownIn(cage);
  const trail = trailOf({ denyRead, denyWrite });
  const systemTrail = trailOf({
    denyRead: denyRead.filter(isSystem(ground.system)),
    denyWrite: [],
  });
  const own = [...wanted.writable, ...wanted.readable].map((path): Start => ({
    path,
    kind: cage.roots.includes(path) || wanted.writable.includes(path) ? "root" : "shown",
    trail: trailTo(trail, path),
    guardLevels: wanted.writable.includes(path) ? guardLevels : null,
  }));
  const system = ground.system.map((path): Start => ({
    path,
    kind: "system",
    trail: trailTo(systemTrail, path),
    guardLevels: null,
  }));
  const walk = openWalk([...own, ...system], ground.clock);
  return {
    look: () => seenFrom(walk.glance(), { cage, wanted, system: ground.system }),
  };
}

function isSystem(folders: readonly string[]): (pattern: string) => boolean {
  return (pattern) => {
    const start = plainStartOf(pattern);
    return folders.some((folder) => isWithin(start, folder));
  };
}

interface Wanted {
  readonly cage: Cage;
  readonly wanted: Shown;
  readonly system: readonly string[];
}

function seenFrom(closings: Closings, { cage, wanted, system }: Wanted): Seen {
  const { dropped, gone, unwritable, unreadable } = closings;
  const stopped = dropped.find((path) => vital.has(path));
  if (stopped !== undefined) {
    throw new CageUnavailable(
      `A Read rule of the policy closes ${stopped}, without which no program starts`,
      `Name what it shall close in ${stopped}, or take the rule out`,
    );
  }
  const stays = (path: string): boolean => !dropped.includes(path) && !gone.includes(path);
  const writable = wanted.writable.filter(stays);
  const readOnlyInside = (cage.readOnly ?? []).filter((path) => !cage.roots.includes(path));
  const shown = {
    writable: writable.filter((path) => !unwritable.includes(path)),
    readable: [
      ...wanted.readable.filter(stays),
      ...writable.filter((path) => unwritable.includes(path)),
    ],
  };
  return {
    shown,
    system: system.filter(stays),
    // A place that is closed inside of another that is shown must be closed there too.
    unreadable: [...unreadable, ...dropped.filter((path) => !system.includes(path))],
    readOnly: [...closings.readOnly, ...readOnlyInside],
    state: closings.state,
    notes: notesOf(closings),
  };
}

function notesOf({ dropped, gone, limited }: Closings): readonly string[] {
  return [
    ...(limited ? ["a root is too large to guard all its repositories"] : []),
    ...gone.map((path) => `${path} is not there, so tasks do without it`),
    ...dropped.map((path) => `${path} is closed by a Read rule, so no task sees it`),
  ];
}
