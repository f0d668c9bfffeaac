// What /proc tells of the processes of this machine (proc(5)).

import { readdirSync, readFileSync } from "node:fs";

/** All processes that descend from `pid`, as of now; not itself. */
export function descendantsOf(pid: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const child of processIds()) {
    const parent = parentOf(child);
    if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), child]);
  }
  const found: number[] = [];
  for (let next = children.get(pid) ?? []; next.length > 0;) {
    found.push(...next);
    next = next.flatMap((child) => children.get(child) ?? []);
  }
  return found;
}

/** Processes that have `text` in one of their arguments. */
export function processesNaming(text: string): readonly number[] {
  return processIds().filter((pid) => readProc(pid, "cmdline")?.includes(text) === true);
}

/** Processes that were given this variable, `NAME=value`, and have it still. */
export function processesWith(variable: string): readonly number[] {
  return processIds().filter((pid) => readProc(pid, "environ")?.split("\0").includes(variable));
}

function processIds(): readonly number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

function parentOf(pid: number): number | null {
  const stat = readProc(pid, "stat");
  if (stat === null) return null;
  // The name, in parentheses, may hold anything; the state and the parent follow the last one.
  const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return parent === undefined ? null : Number(parent);
}

function readProc(pid: number, name: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "latin1");
  } catch {
    // Another user's, or it has ended.
    return null;
  }
}
