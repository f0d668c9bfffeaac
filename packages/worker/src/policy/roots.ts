// The folders that tasks may read and write. A root is the user's largest decision, so a root that
// would hand over more than it seems to is refused with the reason.

import { accessSync, constants, readFileSync, realpathSync, statSync, type Stats } from "node:fs";
import path from "node:path";
import { messageOf } from "@openclaw-worker/base";
import { hasCode } from "../errno.ts";
import { overlaps, parseMounts, spotOf, spotsBelow, type Mount } from "./mounts.ts";
import { expandHome, isWithin } from "./paths.ts";

export interface Root {
  /** The absolute path as the user wrote it, `~/` expanded. */
  readonly named: string;
  /** Its real path: what the cage is built from. */
  readonly path: string;
}

/** Places that no root may contain or touch. All but `homeName` are absolute real paths. */
export interface Surroundings {
  /** The home folder as the user names it: what `~/` becomes. */
  readonly homeName: string;
  readonly home: string;
  /** The folder that holds policy, token and journal. */
  readonly stateHome: string;
  /** Where the worker's own program is. */
  readonly installDir: string;
}

export type RootCheck =
  | {
      readonly kind: "root";
      readonly root: Root;
      /** What is odd about it, though it can be used. */
      readonly notes: readonly string[];
    }
  | { readonly kind: "refused"; readonly because: string };

/** Finds the real places behind three names; a folder that is not there yet stands for itself. */
export function surroundingsOf(
  names: Pick<Surroundings, "home" | "stateHome" | "installDir">,
): Surroundings {
  return {
    homeName: path.resolve(names.home),
    home: realOf(names.home),
    stateHome: realOf(names.stateHome),
    installDir: realOf(names.installDir),
  };
}

function realOf(name: string): string {
  try {
    return realpathSync(name);
  } catch {
    return path.resolve(name);
  }
}

/**
 * Looks at the disk: the folder must be there, the user's own, and the user able to write it.
 * @param uid the worker's user
 */
export function checkRoot(name: string, around: Surroundings, uid: number): RootCheck {
  const shown = `the root ${JSON.stringify(name)}`;
  const refused = (because: string): RootCheck => ({
    kind: "refused",
    because: `${shown} ${because}`,
  });
  const expanded = expandHome(name, around.homeName);
  if (!path.isAbsolute(expanded) || expanded.includes("\0"))
    return refused('is not an absolute path: write "/…" or "~/…"');
  const named = path.resolve(expanded);
  let real: string;
  let seen: Stats;
  try {
    real = realpathSync(named);
    seen = statSync(real);
    if (!seen.isDirectory()) return refused("is not a folder");
  } catch (thrown) {
    if (!hasCode(thrown, "ENOENT")) return refused(`cannot be looked at: ${messageOf(thrown)}`);
    return refused(`does not exist: make it with  mkdir -p '${named}'`);
  }
  const problem =
    rootProblem(real, around) ??
    mountProblem(real, around, readMounts()) ??
    ownerProblem(seen, uid);
  if (problem !== null) return refused(problem);
  try {
    accessSync(real, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return refused(
      `cannot be written by this user: give it to them with  sudo chown -R "$(id -un)" '${real}'`,
    );
  }
  const notes = rootNotes(real, seen, around).map((note) => `${shown} ${note}`);
  return { kind: "root", root: { named, path: real }, notes };
}

const suggestion = "name a folder of your own, such as ~/openclaw";

/** Why an absolute real path may never be a root, or null when it may. */
export function rootProblem(real: string, around: Surroundings): string | null {
  if (real === "/") return `is the whole computer: ${suggestion}`;
  if (real === around.home) return "is your whole home: name a folder in it, such as ~/openclaw";
  if (isWithin(around.home, real))
    return "contains your home: name a folder in it, such as ~/openclaw";
  if (touches(real, around.stateHome)) {
    return `touches ${around.stateHome}, where the worker keeps its policy and token: a task could rewrite them`;
  }
  if (touches(real, around.installDir)) {
    return `touches ${around.installDir}, where the worker's own program is: a task could rewrite it`;
  }
  // A worker that was told to keep its state elsewhere may have a neighbor at the usual place.
  if (touches(real, path.join(around.home, ".openclaw-worker"))) {
    return "touches ~/.openclaw-worker, where policies and tokens are kept: a task could rewrite them";
  }
  const home = homesTops.find((top) => path.dirname(real) === top);
  if (home !== undefined) return `is the whole home of another user: ${suggestion}`;
  // Users that a system makes for its programs have their homes in odd places: /var/lib, /opt, /root.
  const own = around.home !== "/" && isWithin(real, around.home);
  const system = systemTrees.some((tree) => isWithin(real, tree)) || isRunning(real);
  if (systemPlaces.has(real) || (system && !own)) return `belongs to the system: ${suggestion}`;
  if (sharedPlaces.has(real)) return `is shared by all users of this computer: ${suggestion}`;
  return null;
}

const homesTops = ["/home", "/Users"];

// No folder below these is anybody's workspace.
const systemTrees = [
  "/bin",
  "/boot",
  "/dev",
  "/etc",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/proc",
  "/root",
  "/sbin",
  "/sys",
  "/usr",
  "/var/run",
  "/Applications",
  "/Library",
  "/System",
  "/private/etc",
];

/** Sockets and keys of programs that run now; disks that were plugged in are shown there as well. */
function isRunning(real: string): boolean {
  return isWithin(real, "/run") && !isWithin(real, "/run/media");
}

// These themselves; a folder in them can be a user's own.
const systemPlaces: ReadonlySet<string> = new Set([
  "/home",
  "/media",
  "/mnt",
  "/nix",
  "/nix/store",
  "/opt",
  "/run/media",
  "/snap",
  "/srv",
  "/var",
  "/var/backups",
  "/var/cache",
  "/var/lib",
  "/var/log",
  "/var/mail",
  "/var/opt",
  "/var/spool",
  "/Users",
  "/Volumes",
  "/private",
  "/private/var",
  "/private/var/folders",
]);
const sharedPlaces: ReadonlySet<string> = new Set([
  "/private/tmp",
  "/private/var/tmp",
  "/tmp",
  "/var/tmp",
]);

function touches(real: string, folder: string): boolean {
  return isWithin(real, folder) || isWithin(folder, real);
}

/**
 * Why a root is, shows or holds something closed by way of a mount: the same folder under another
 * name. The cage shows what is mounted in a root as well.
 */
export function mountProblem(
  real: string,
  around: Surroundings,
  mounts: readonly Mount[],
): string | null {
  const reached = spotsBelow(real, mounts);
  const closed = [
    [around.stateHome, "where the worker keeps its policy and token"],
    [around.installDir, "where the worker's own program is"],
  ] as const;
  for (const [folder, what] of closed) {
    const spot = spotOf(folder, mounts);
    if (spot !== null && reached.some((one) => overlaps(one, spot)))
      return `shows ${folder} by a mount, ${what}: a task could rewrite it`;
  }
  const home = spotOf(around.home, mounts);
  const holdsHome = (one: { readonly device: string; readonly path: string }): boolean =>
    home !== null && one.device === home.device && isWithin(home.path, one.path);
  return reached.some(holdsHome) ? `shows your whole home by a mount: ${suggestion}` : null;
}

/** What another user owns, that user can swap under the worker's eyes. Root's own may be used. */
function ownerProblem(seen: Pick<Stats, "uid">, uid: number): string | null {
  if (uid < 0 || seen.uid === uid || seen.uid === 0) return null;
  return `belongs to another user (number ${seen.uid}): use a folder of your own`;
}

function rootNotes(
  real: string,
  seen: Pick<Stats, "mode">,
  around: Surroundings,
): readonly string[] {
  const open = (seen.mode & 0o002) !== 0 && (seen.mode & 0o1000) === 0;
  const hidden = path.dirname(real) === around.home && path.basename(real).startsWith(".");
  return [
    ...(open
      ? [
          `can be changed by every user of this computer, and tasks read what they put there: close it with  chmod o-w '${real}'`,
        ]
      : []),
    ...(hidden
      ? [
          "is where programs of yours keep settings: a task could write some that make them run what it likes, outside of the cage",
        ]
      : []),
  ];
}

function readMounts(): readonly Mount[] {
  try {
    return parseMounts(readFileSync("/proc/self/mountinfo", "utf8"));
  } catch {
    // A system without that table (macOS) has no mounts that show one folder twice.
    return [];
  }
}
