// Patterns of paths, followed name by name: a walk knows at each folder whether a pattern closes it,
// could close something below it, or has nothing to say there. Compared without regard to case, as
// every rule that narrows is.

import { folded, matchesName, namesOf } from "../glob.ts";

/** What the rules say at a place of the disk, before its names are looked at. */
export interface Stand {
  /** The place, and so everything below it, is closed to reading, or to writing. */
  readonly closed: Closure;
  /** Whether something below may be closed besides. */
  readonly open: boolean;
}

export interface Closure {
  readonly read: boolean;
  readonly write: boolean;
}

/** Patterns that were followed to one place. */
export interface Trail extends Stand {
  /** The same one name deeper. */
  step(name: string): Trail;
  /**
   * The same one name deeper, for folders that hold other people's code by the thousand: only
   * patterns that spell the folder's name out go on in it.
   */
  stepInto(name: string): Trail;
}

export interface Patterns {
  readonly denyRead: readonly string[];
  readonly denyWrite: readonly string[];
}

/** The trail of absolute patterns at the top of the disk. */
export function trailOf({ denyRead, denyWrite }: Patterns): Trail {
  const begin = (text: string, use: keyof Closure): Place => {
    const names = namesOf(text).map(folded);
    return { names, use, reached: spread(names, [0]) };
  };
  return trailAt([
    ...denyRead.map((text) => begin(text, "read")),
    ...denyWrite.map((text) => begin(text, "write")),
  ]);
}

/** The trail at an absolute path. */
export function trailTo(trail: Trail, path: string): Trail {
  return namesOf(path).reduce((at, name) => at.step(name), trail);
}

/** The names of an absolute pattern before its first wildcard, as a path. */
export function plainStartOf(pattern: string): string {
  const names = namesOf(pattern);
  const wild = names.findIndex((name) => /[*?]/.test(name));
  return `/${(wild < 0 ? names : names.slice(0, wild)).join("/")}`;
}

/** Where one pattern has arrived. */
interface Place {
  readonly names: readonly string[];
  readonly use: keyof Closure;
  /** Indexes into `names`, of the name that comes next. */
  readonly reached: readonly number[];
}

function trailAt(places: readonly Place[]): Trail {
  const ended = (use: keyof Closure): boolean =>
    places.some((place) => place.use === use && place.reached.includes(place.names.length));
  const closed = { read: ended("read"), write: ended("write") };
  const move = (name: string, spelled: boolean): Trail => {
    const text = folded(name);
    const next = places.flatMap((place) => {
      // A closed folder is closed to its bottom.
      if (place.reached.includes(place.names.length)) return [place];
      const reached = advance(place, text, spelled);
      return reached.length === 0 ? [] : [{ ...place, reached }];
    });
    return next.length === 0 ? nothing : trailAt(next);
  };
  return {
    closed,
    // What is closed to reading needs no further look; what is closed to writing may hide more.
    open: !closed.read && places.some(({ use }) => use === "read" || !closed.write),
    step: (name) => move(name, false),
    stepInto: (name) => move(name, true),
  };
}

const nothing: Trail = {
  closed: { read: false, write: false },
  open: false,
  step: () => nothing,
  stepInto: () => nothing,
};

function advance({ names, reached }: Place, text: string, spelled: boolean): readonly number[] {
  const next: number[] = [];
  for (const at of reached) {
    const part = names[at];
    if (part === undefined) continue;
    if (part === "**") {
      if (!spelled) next.push(at);
    } else if (spelled ? part === text : matchesName(part, text)) next.push(at + 1);
  }
  return next.length === 0 ? next : spread(names, next);
}

/** `**` may stand for no folder at all. */
function spread(names: readonly string[], reached: readonly number[]): readonly number[] {
  const all = [...reached];
  for (const at of all) if (names[at] === "**" && !all.includes(at + 1)) all.push(at + 1);
  return all;
}
