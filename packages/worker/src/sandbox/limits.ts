// How much of the machine one cage may use. A limit that the kernel keeps per process cannot hold
// the sum of all of them: that is what scope.ts adds, where a user manager runs.

import type { Cage } from "../job.ts";

/** Limits that every process in a cage inherits and cannot raise (setrlimit(2)). */
export interface ProcessLimits {
  /** Processes and threads of the cage, or null where the kernel would count the whole user's. */
  readonly processes: number | null;
  /** Largest file, in KiB; null: no limit. */
  readonly fileKib: number | null;
  readonly openFiles: number;
  /** Writable private memory of one process, in KiB. */
  readonly dataKib: number;
}

/** Processes and threads that one cage may hold: a fork bomb ends in its cage. */
const processesMax = 1_024;
/** As many as systemd gives to services; programs that close all descriptors stay quick. */
const openFilesMax = 65_536;

/**
 * The limits of a cage on a machine. Memory is limited by RLIMIT_DATA, which counts what a process
 * can write: RLIMIT_AS counts reserved addresses as well, and Node reserves gigabytes that it never
 * touches. Three quarters of the machine: a program that runs away gets an error of its own before
 * the kernel ends processes by its own choice.
 */
export function limitsFor(
  cage: Pick<Cage, "processes" | "fileBytes">,
  machine: { readonly kernel: string; readonly memoryBytes: number },
): ProcessLimits {
  const { processes = processesMax, fileBytes } = cage;
  return {
    processes: countsPerNamespace(machine.kernel) ? processes : null,
    fileKib: fileBytes === undefined ? null : Math.ceil(fileBytes / 1_024),
    openFiles: openFilesMax,
    dataKib: Math.floor((machine.memoryBytes / 1_024) * 0.75),
  };
}

/** Since Linux 5.14 a limit of processes counts those of the cage only. */
export function countsPerNamespace(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split(".").map(Number);
  return major > 5 || (major === 5 && minor >= 14);
}

const gibibyte = 1_073_741_824;

/** Room of the folders that a cage has in memory, in bytes. */
export function scratchFor(memoryBytes: number): {
  readonly largeBytes: number;
  readonly sharedBytes: number;
} {
  return {
    largeBytes: Math.min(gibibyte, Math.floor(memoryBytes / 8)),
    sharedBytes: Math.min(gibibyte / 4, Math.floor(memoryBytes / 16)),
  };
}
