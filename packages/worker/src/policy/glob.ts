// Patterns of paths, with the meaning of gitignore(5): `*` and `?` stay within one name, `**` spans
// folders, and what names a folder names everything below it. Matched without regular expressions,
// so that no pattern can be slow.

import { isWithin } from "./paths.ts";

/** Where a pattern begins. */
export type Anchor =
  /** `/x`: the whole disk. */
  | "disk"
  /** `~/x`: the home of the worker's user. */
  | "home"
  /** `./x`: each root. */
  | "root";

/** A pattern as it was written; `resolveGlob` gives it its place. */
export interface Glob {
  readonly anchor: Anchor;
  /** Names below the anchor. `**` stands for any number of folders. */
  readonly names: readonly string[];
}

/** An absolute pattern. */
export type PathPattern = readonly string[];

/** Reads a pattern; the answer for a bad one says at which character (from 0). */
export function parseGlob(
  text: string,
): Glob | { readonly offset: number; readonly problem: string } {
  const trouble = text.search(/[[\]{}\\!]/);
  if (trouble >= 0) {
    const character = text.charAt(trouble);
    return {
      offset: trouble,
      problem: `"${character}" has no meaning in a path here: use *, ** and ?`,
    };
  }
  const found = /^(?:(~)(?=\/|$)|(\.)(?=\/|$)|(?=\/)|(?=\*\*(?:\/|$))|(?=\*$))/.exec(text);
  if (found === null) {
    return {
      offset: 0,
      problem: `a path starts with ~/, / or ./ (below each root), or **/ for anywhere: **/${text}`,
    };
  }
  const [head, home, root] = found;
  const anchor = home !== undefined ? "home" : root !== undefined ? "root" : "disk";
  const names = text
    .slice(head.length)
    .split("/")
    .filter((name) => name !== "" && name !== ".");
  if (names.includes("..")) {
    return { offset: text.indexOf(".."), problem: 'a path holds no "..": name the place itself' };
  }
  if (names.length > namesMax) {
    return { offset: 0, problem: `a path has at most ${namesMax} names` };
  }
  // A lone `*` means what the tool's bare name means: everything.
  return { anchor, names: text === "*" ? ["**"] : names };
}

const namesMax = 128;

export interface GlobGround {
  /** The home as the user names it, and its real path. */
  readonly homes: readonly string[];
  readonly roots: readonly { readonly named: string; readonly path: string }[];
}

/** The absolute patterns that a glob stands for: by each name of its place, links followed. */
export function resolveGlob(glob: Glob, ground: GlobGround): readonly PathPattern[] {
  const bases = {
    disk: [""],
    home: ground.homes,
    root: ground.roots.map(({ path }) => path),
  }[glob.anchor];
  const patterns = bases.map((base) => [...namesOf(base), ...glob.names].join("/"));
  // `~/openclaw/x` may be a root that is reached through a link: paths are judged by its real place.
  const linked = patterns.flatMap((pattern) =>
    ground.roots
      .filter(({ named, path }) => named !== path && isWithin(`/${pattern}`, named))
      .map(({ named, path }) => `${path}/${pattern.slice(named.length)}`),
  );
  const all = [...new Set([...patterns, ...linked].map((pattern) => namesOf(pattern).join("/")))];
  return all.map(namesOf);
}

/** The pattern as text: absolute, `**` where it spans folders. */
export function patternText(pattern: PathPattern): string {
  return `/${pattern.join("/")}`;
}

/** Does the pattern name these names of a path, or a folder above them? */
export function matchesPath(pattern: PathPattern, names: readonly string[]): boolean {
  // The set of places in the pattern at which the names read so far may have arrived.
  let places = spread(new Set([0]), pattern);
  for (const name of names) {
    if (places.has(pattern.length)) return true;
    const next = new Set<number>();
    for (const place of places) {
      const part = pattern[place];
      if (part === undefined) continue;
      if (part === "**") next.add(place);
      else if (matchesName(part, name)) next.add(place + 1);
    }
    if (next.size === 0) return false;
    places = spread(next, pattern);
  }
  return places.has(pattern.length);
}

/** Upper and lower case, and Unicode's forms of one letter, made equal: for rules that narrow. */
export function folded(text: string): string {
  return text.normalize("NFC").toLowerCase();
}

/** `**` may stand for no folder at all. */
function spread(places: Set<number>, wanted: PathPattern): Set<number> {
  for (const place of places) if (wanted[place] === "**") places.add(place + 1);
  return places;
}

/** `*` is any run of characters, `?` is any one. Linear but for one remembered `*`. */
export function matchesName(pattern: string, name: string): boolean {
  let [at, index, star, resumed] = [0, 0, -1, 0];
  while (index < name.length) {
    const character = pattern[at];
    if (character === "*") {
      star = at;
      at += 1;
      resumed = index;
    } else if (character === name[index] || character === "?") {
      at += 1;
      index += 1;
    } else if (star >= 0) {
      at = star + 1;
      resumed += 1;
      index = resumed;
    } else return false;
  }
  while (pattern[at] === "*") at += 1;
  return at === pattern.length;
}

/** The names of an absolute path, in order. */
export function namesOf(path: string): readonly string[] {
  return path.split("/").filter((name) => name !== "");
}
