// Patterns of paths as they stand in a policy: read with positions, and given their places. What a
// pattern matches is ../glob.ts's.

import { namesOf, type PathPattern } from "../glob.ts";
import { isWithin } from "./paths.ts";

export { folded, matchesName, matchesPath, namesOf, type PathPattern } from "../glob.ts";

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
