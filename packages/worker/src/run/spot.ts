import { dirname, relative, resolve } from "node:path";
import type { Cage } from "../job.ts";
import { isWithin } from "../sandbox/path.ts";

export type Use = "read" | "write";

/** A path, and the folder below which it is opened. */
export interface Spot {
  readonly root: string;
  /** Absolute, without '.' and '..'. */
  readonly path: string;
  /** The same below the root. Begins with a dot, because fs-safe expands a leading `~`. */
  readonly below: string;
}

/** The innermost place that holds `path` by its name, or null. Links are the library's to judge. */
export function placeIn(path: string, cage: Cage, use: Use): Spot | null {
  if (path.includes("\0")) return null;
  const full = resolve(path);
  const place = innermost(full, placesOf(cage, use));
  if (place === null) return null;
  // A rule may give a single file: it is opened below its folder, and judged by its own path.
  const root = full === place && !cage.roots.includes(place) ? dirname(place) : place;
  return { root, path: full, below: belowOf(root, full) };
}

/** Whether an absolute real path may be read, or written, by the cage's places alone. */
export function isOpen(path: string, cage: Cage, use: Use): boolean {
  const place = innermost(path, placesOf(cage, use));
  if (place === null) return false;
  if (use === "read") return true;
  const kept = innermost(path, cage.readOnly ?? []);
  return kept === null || place.length > kept.length;
}

/** `path` below `root`, as the library wants it. */
export function belowOf(root: string, path: string): string {
  const below = relative(root, path);
  return below === "" ? "." : `./${below}`;
}

function placesOf({ roots, readable, writable = [], readOnly = [] }: Cage, use: Use) {
  if (use === "read") return [...roots, ...writable, ...readable];
  return [...roots, ...writable].filter((place) => !readOnly.includes(place));
}

function innermost(path: string, places: readonly string[]): string | null {
  return places.reduce<string | null>(
    (best, place) => (isWithin(path, place) && place.length > (best?.length ?? 0) ? place : best),
    null,
  );
}
