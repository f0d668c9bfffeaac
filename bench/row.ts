// What a row is, and what it finds.

import type { Crew } from "./crew.ts";

export interface Bench {
  readonly crew: Crew;
  /** Real path of a temporary folder, removed at the end. */
  readonly folder: string;
  /** Root of the checkout. */
  readonly checkout: string;
  readonly node: string;
  /** Environment of everything that is started. */
  readonly env: Readonly<Record<string, string>>;
  /** Folder for processor profiles of servers and workers, or null. */
  readonly profile: string | null;
  /** Finished tasks in a store, where the command line says how many. */
  readonly count: number | null;
  /** `full`, or `quick` where fewer samples do. */
  size(full: number, quick: number): number;
  say(text: string): void;
}

export type Unit = "ms" | "µs" | "tasks/s" | "MB" | "MB/s" | "%" | "s" | "of 20";

export interface Line {
  readonly what: string;
  readonly unit: Unit;
  readonly ours: number;
  /** Measured in the same run. */
  readonly beside: { readonly who: string; readonly value: number } | null;
  /** What design aims at, and whether this run reached it. */
  readonly goal: { readonly text: string; readonly met: boolean } | null;
}

export interface Finding {
  readonly lines: readonly Line[];
  readonly notes: readonly string[];
}

export interface Row {
  readonly name: string;
  readonly title: string;
  run(bench: Bench): Promise<Finding>;
}

/** A goal of "at most" or "at least". */
export function atMost(ours: number, most: number, text: string): NonNullable<Line["goal"]> {
  return { text, met: ours <= most };
}

export function atLeast(ours: number, least: number, text: string): NonNullable<Line["goal"]> {
  return { text, met: ours >= least };
}
