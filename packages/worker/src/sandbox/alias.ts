// What else a found name stands for: where a link leads, and a file's other names.

import { join } from "node:path";
import { realPathOf } from "./folders.ts";
import { entriesOf, idOf, statOf } from "./look.ts";
import { isWithin } from "./path.ts";
import type { Closure } from "./pattern.ts";
import { CageUnavailable } from "./unavailable.ts";

export interface Found extends Closure {
  readonly path: string;
  /** Guarded only, and closed also when it is missing. */
  readonly guarded: boolean;
}

/** Entries that are looked at to find the other names of a closed file. */
const twinEntriesMax = 100_000;

export interface Resolved extends Closure {
  readonly path: string;
  readonly id: string;
}

/** Each name with the number of its file, and what else it stands for, with theirs. */
export function resolve(
  found: readonly Found[],
  roots: readonly string[],
  twins: Twins,
): readonly Resolved[] {
  const resolved: Resolved[] = [];
  const linked = new Map<string, { readonly links: number; readonly closure: Closure }>();
  for (const one of found) {
    const { read, write } = one;
    const stat = statOf(one.path);
    if (stat === null) {
      if (one.guarded) resolved.push({ path: one.path, read, write, id: "" });
    } else if (stat.isSymbolicLink()) {
      const target = targetOf(one.path, roots);
      if (target !== null) resolved.push({ ...target, read, write });
    } else {
      resolved.push({ path: one.path, read, write, id: idOf(stat) });
      if (stat.isFile() && stat.nlink > 1n && !one.guarded) {
        linked.set(idOf(stat), { links: Number(stat.nlink), closure: { read, write } });
      }
    }
  }
  return [...resolved, ...twins.of(linked, resolved)];
}

/**
 * What a closed name that is a link leads to, when it lies in a root. What lies elsewhere can be read
 * by its own name, which was judged; so can what is reached through a link to a folder that holds the
 * link itself, or a root. Closing those would let a task close a tool, or a root, to all later tasks
 * by making a link.
 */
function targetOf(
  path: string,
  roots: readonly string[],
): { readonly path: string; readonly id: string } | null {
  const real = realPathOf(path);
  if (real === null) return null;
  const stat = statOf(real);
  const shown = roots.some((root) => root !== real && isWithin(real, root));
  const around = isWithin(path, real) || roots.some((root) => isWithin(root, real));
  return stat === null || !shown || around ? null : { path: real, id: idOf(stat) };
}

export interface Twins {
  /** Other names, in what the cage shows, of files with several names. */
  of(
    linked: ReadonlyMap<string, { readonly links: number; readonly closure: Closure }>,
    known: readonly Resolved[],
  ): readonly Resolved[];
}

/**
 * A hard link is another name of the same file, which a cover over the first name does not cover.
 * No task can make one of a closed file; its owner can. The search reads every name that the cage
 * shows, so it is done only when a closed file has more names than were found, and again only when
 * that changes.
 */
export function openTwins(places: readonly string[]): Twins {
  let searched = "";
  let names: ReadonlyMap<string, readonly string[]> = new Map();
  return {
    of(linked, known) {
      const missing = [...linked].filter(
        ([id, { links }]) => links > known.filter((one) => one.id === id).length,
      );
      if (missing.length === 0) return [];
      const key = JSON.stringify(missing);
      if (key !== searched) names = namesOfFiles(new Set(missing.map(([id]) => id)), places);
      searched = key;
      return missing.flatMap(([id, { closure }]) =>
        (names.get(id) ?? [])
          .filter((path) => !known.some((one) => one.path === path))
          .map((path) => ({ path, id, ...closure })),
      );
    },
  };
}

function namesOfFiles(
  ids: ReadonlySet<string>,
  places: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  const folders = [...places];
  let looked = 0;
  for (const folder of folders) {
    for (const { name, kind } of entriesOf(folder) ?? []) {
      const path = join(folder, name);
      looked += 1;
      if (looked > twinEntriesMax) {
        throw new CageUnavailable(
          "A file that the policy closes has a second name (a hard link) among too many files to find it",
          "Remove the second name: find <root> -samefile <the closed file>",
        );
      }
      if (kind === "folder") folders.push(path);
      if (kind !== "file") continue;
      const stat = statOf(path);
      const id = stat === null ? "" : idOf(stat);
      if (ids.has(id)) names.set(id, [...(names.get(id) ?? []), path]);
    }
  }
  return names;
}
