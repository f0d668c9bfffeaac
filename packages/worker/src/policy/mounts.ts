// One folder can have two names without any link: a mount shows it again at another place. What
// counts for a root is which folder of which file system it is, so names are taken through the
// table of mounts (proc_pid_mountinfo(5)).

import path from "node:path";
import { isWithin } from "./paths.ts";

export interface Mount {
  /** Major and minor number: which file system. */
  readonly device: string;
  /** The folder of that file system that is shown. */
  readonly shown: string;
  /** Where it is shown: an absolute path. */
  readonly at: string;
}

/** A folder by its file system instead of by its name. */
export interface Spot {
  readonly device: string;
  readonly path: string;
}

/** The mounts of a process, in the order in which they were made. Lines that are none are left out. */
export function parseMounts(text: string): readonly Mount[] {
  return text.split("\n").flatMap((line) => {
    const [, , device, shown, at] = line.split(" ");
    if (device === undefined || shown === undefined || at === undefined) return [];
    return [{ device, shown: unescaped(shown), at: unescaped(at) }];
  });
}

/** Where an absolute real path lies; null when no mount covers it. */
export function spotOf(real: string, mounts: readonly Mount[]): Spot | null {
  // Of two mounts at one place the later one covers the earlier.
  const over = mounts
    .filter(({ at }) => isWithin(real, at))
    .reduce<Mount | null>(
      (best, mount) => (best === null || mount.at.length >= best.at.length ? mount : best),
      null,
    );
  if (over === null) return null;
  return { device: over.device, path: path.join(over.shown, path.relative(over.at, real)) };
}

/** Every spot that can be reached below a folder: its own, and those that are mounted in it. */
export function spotsBelow(real: string, mounts: readonly Mount[]): readonly Spot[] {
  const own = spotOf(real, mounts);
  const inside = mounts
    .filter(({ at }) => at !== real && isWithin(at, real))
    .map(({ device, shown }) => ({ device, path: shown }));
  return own === null ? inside : [own, ...inside];
}

/** Is one of the two the other, or below it? */
export function overlaps(one: Spot, other: Spot): boolean {
  if (one.device !== other.device) return false;
  return isWithin(one.path, other.path) || isWithin(other.path, one.path);
}

// A blank, a tab, a line's end and a backslash stand as three octal digits.
function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
