import type { Cage } from "../job.ts";
import { isWithin } from "./path.ts";

/** What a cage shows of the disk, besides the system's folders. Absolute real paths. */
export interface Shown {
  readonly writable: readonly string[];
  readonly readable: readonly string[];
}

/** What a cage asks to be shown, before the rules that close something in it. */
export function shownIn(cage: Cage): Shown {
  const { roots, readable, readOnly = [], writable = [] } = cage;
  const written = [...roots.filter((root) => !readOnly.includes(root)), ...writable];
  const read = [...readOnly.filter((path) => roots.includes(path)), ...readable];
  return {
    writable: unique(written),
    readable: unique(read.filter((path) => !written.includes(path))),
  };
}

/** Whether a task can write `path`. */
export function isWritable(path: string, { writable }: Shown): boolean {
  return writable.some((folder) => isWithin(path, folder));
}

function unique(paths: readonly string[]): readonly string[] {
  return [...new Set(paths)];
}
