// What Linux says about a process (proc(5)).

import fs from "node:fs";

const ticksPerSecond = 100;

/** Resident memory of a process in MB (10^6 bytes). */
export function rssMb(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
  return (Number(found?.[1] ?? 0) * 1024) / 1e6;
}

/** Processor time that a process has used, in seconds. */
export function cpuSeconds(pid: number): number {
  const [, , , , , , , , , , , user = "0", system = "0"] = statOf(pid);
  return (Number(user) + Number(system)) / ticksPerSecond;
}

/** Gone, or dead and only not yet collected by its parent. */
export function isDead(pid: number): boolean {
  try {
    return statOf(pid)[0] === "Z";
  } catch {
    return true;
  }
}

/** Processes whose command line holds `marker`. */
export function pidsWith(marker: string): readonly number[] {
  return pids().filter((pid) => {
    try {
      return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(marker);
    } catch {
      return false;
    }
  });
}

/** The children of a process, and theirs. */
export function descendantsOf(pid: number): readonly number[] {
  const parents = new Map<number, number>();
  for (const one of pids()) {
    try {
      parents.set(one, Number(statOf(one)[1]));
    } catch {
      // It has ended meanwhile.
    }
  }
  const found = new Set([pid]);
  for (let before = 0; before < found.size;) {
    before = found.size;
    for (const [child, parent] of parents) if (found.has(parent)) found.add(child);
  }
  found.delete(pid);
  return [...found];
}

function pids(): readonly number[] {
  return fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

// The fields after the command's name, which may hold anything: state, parent, …
function statOf(pid: number): readonly string[] {
  const text = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}
