// Finds processes by a trace that they cannot lay aside: their arguments, their first environment,
// or what is mounted in their namespace (a cage has the stage's root bound into it).

import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

export interface Survivor {
  readonly pid: number;
  readonly command: string;
}

/** Living processes besides this one that carry `trace`. A zombie has nothing left and is not one. */
export function survivorsOf(trace: string): readonly Survivor[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) =>
      ["cmdline", "environ", "mountinfo"].some((file) => read(name, file).includes(trace)),
    )
    .map((name) => ({
      pid: Number(name),
      command: read(name, "cmdline").replaceAll("\0", " ").slice(0, 200),
    }));
}

/** Waits until nobody carries `trace` any more; resolves with those who still do after `longestMs`. */
export async function outlive(trace: string, longestMs: number): Promise<readonly Survivor[]> {
  const until = performance.now() + longestMs;
  for (;;) {
    const found = survivorsOf(trace);
    if (found.length === 0 || performance.now() > until) return found;
    // A process's end is told to its parent only, and these may be anybody's.
    await pause(20);
  }
}

function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    // It has ended meanwhile, or belongs to somebody else.
    return "";
  }
}
