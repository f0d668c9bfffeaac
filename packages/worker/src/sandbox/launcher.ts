// Constants of the launch. The launcher runs outside the cage, so nothing of it may come from the
// user's environment: a fake `bwrap` on PATH, BASH_ENV or LD_PRELOAD would run on the host.

/** Everything that bubblewrap itself is given as environment. */
export const launcherEnv = { PATH: "/usr/bin:/bin" } as const;

/** Where tools of the launch may lie, first match wins. Folders that only root can write. */
export const toolFolders = ["/usr/bin", "/bin", "/usr/local/bin"] as const;

/**
 * Folders that a program needs to start at all. /etc is whole: what a normal user may read there
 * is public to every user of the machine, and programs look for too many names in it to list them.
 */
export const systemFolders = [
  "/usr",
  "/bin",
  "/sbin",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/etc",
  "/nix/store",
  "/run/current-system/sw",
] as const;

/** The part of PATH that comes first in every cage. */
export const systemPath = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
] as const;

/** The descriptor from which bubblewrap reads the filter of system calls (filter.ts). */
export const filterFd = 4;

/** How long a cage may take to be built. */
export const buildMs = 10_000;

/** How long the streams of a program that has exited may stay open. */
export const settleMs = 250;
