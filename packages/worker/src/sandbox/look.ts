// Looks at the disk that the walk is made of.

import { lstatSync, readdirSync, type BigIntStats } from "node:fs";
import type { EntryKind } from "./guarded.ts";

export interface Entry {
  readonly name: string;
  readonly kind: EntryKind;
}

/** What is at a path, links not followed; null when nothing can be seen there. */
export function statOf(path: string): BigIntStats | null {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
  } catch {
    // A folder on the way is closed to this user, or has become a file.
    return null;
  }
}

/** The number of a file on this computer: what a mount covers. */
export function idOf(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}`;
}

/** The names in a folder, none when it is not there; null: it is there and cannot be read. */
export function entriesOf(folder: string): readonly Entry[] | null {
  try {
    return readdirSync(folder, { withFileTypes: true }).map((entry) => ({
      name: entry.name,
      kind: entry.isDirectory()
        ? "folder"
        : entry.isFile()
          ? "file"
          : entry.isSymbolicLink()
            ? "link"
            : "other",
    }));
  } catch {
    return statOf(folder) === null ? [] : null;
  }
}
