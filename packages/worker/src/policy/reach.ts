// What lies outside of the roots and a task may reach all the same: only what an allow rule names by
// its own place. A rule for everything, or for a name anywhere (`Read`, `Read(**/x)`), was written
// with the roots in mind and opens nothing else.

import path from "node:path";
import type { Policy, Rule } from "./book.ts";
import { matchesPath, namesOf, patternText, type PathPattern } from "./glob.ts";
import { isWithin } from "./paths.ts";
import { rootProblem, type Surroundings } from "./roots.ts";

export type FileUse = "read" | "edit";

/** Absolute paths outside of the roots that the policy opens by itself. */
export interface Reach {
  readonly readable: readonly string[];
  readonly writable: readonly string[];
}

/**
 * The folders and files that allow rules open to caged commands. A cage is made of places, so only a
 * rule that ends in a place, or in everything below one (`…/**`), can be given to it.
 */
export function reachOf(policy: Policy, around: Surroundings): Reach {
  const places = (use: FileUse): readonly string[] => [
    ...new Set(
      (policy.book?.rules.allow ?? [])
        .filter((rule) => rule.target.tool === toolOf(use))
        .flatMap(({ patterns }) => patterns)
        .flatMap((pattern) => placeNamed(pattern) ?? [])
        .filter((place) => isOutside(place, policy) && closedBy(place, use, around) === null)
        // Of a home that is reached through a link the cage takes the real place.
        .filter((place) => around.home === around.homeName || !isWithin(place, around.homeName)),
    ),
  ];
  const writable = outermost(places("edit"));
  const readable = outermost(places("read"));
  return {
    writable,
    readable: readable.filter((place) => !writable.some((folder) => isWithin(place, folder))),
  };
}

/** The allow rule that opens a path outside of the roots to file tasks, or undefined. */
export function ruleReaching(
  file: string,
  use: FileUse,
  { policy, around }: { readonly policy: Policy; readonly around: Surroundings },
): Rule | undefined {
  if (closedBy(file, use, around) !== null) return undefined;
  const names = namesOf(file);
  return policy.book?.rules.allow.find(
    (rule) =>
      rule.target.tool === toolOf(use) &&
      rule.patterns.some(
        (pattern) =>
          matchesPath(pattern, names) && closedBy(anchorOf(pattern), use, around) === null,
      ),
  );
}

/** Why no rule opens this place, in words that follow its name; null when a rule may. */
export function closedBy(place: string, use: FileUse, around: Surroundings): string | null {
  // What may be no root may be no other place to write either.
  if (use === "edit") return rootProblem(place, around);
  if (place === "/") return "is the whole computer";
  if ([around.home, around.homeName].some((home) => isWithin(home, place))) {
    return "is, or contains, your whole home";
  }
  const own = [around.stateHome, around.installDir, path.join(around.home, ".openclaw-worker")];
  const touched = own.find((folder) => isWithin(place, folder) || isWithin(folder, place));
  if (touched !== undefined) return `touches ${touched}, which no task may see`;
  const kernel = ["/dev", "/proc", "/run", "/sys"].find((top) => isWithin(place, top));
  return kernel === undefined ? null : "belongs to the system";
}

/** Whether a pattern can be given to a cage: its place, or null. */
export function placeNamed(pattern: PathPattern): string | null {
  const names = pattern.at(-1) === "**" ? pattern.slice(0, -1) : pattern;
  return names.some((name) => /[*?]/.test(name)) ? null : patternText(names);
}

/** The place at which a pattern begins: its names up to the first wildcard. */
export function anchorOf(pattern: PathPattern): string {
  const wild = pattern.findIndex((name) => /[*?]/.test(name));
  return patternText(wild < 0 ? pattern : pattern.slice(0, wild));
}

export function isOutside(file: string, { roots }: Pick<Policy, "roots">): boolean {
  return !roots.some((root) => isWithin(file, root.path));
}

/**
 * What can be known of the surroundings from the policy alone, where nobody says more: its home, and
 * the folder that its file lies in.
 */
export function impliedBy({ book, source }: Policy): Surroundings {
  const home = book?.home ?? "/";
  const stateHome = path.isAbsolute(source) ? path.dirname(source) : noPlace;
  return { homeName: home, home, stateHome, installDir: noPlace };
}

/** A place that is no file's. */
const noPlace = "/dev/null/none";

function toolOf(use: FileUse): "Read" | "Edit" {
  return use === "read" ? "Read" : "Edit";
}

function outermost(places: readonly string[]): readonly string[] {
  return places.filter(
    (place) => !places.some((other) => other !== place && isWithin(place, other)),
  );
}
