// The folders that tasks may read and write. A root is the user's largest decision, so a root that
// would hand over more than it seems to is refused with the reason.

import { accessSync, constants, realpathSync, statSync } from "node:fs";
import path from "node:path";
import { messageOf } from "@openclaw-worker/base";
import { hasCode } from "../errno.ts";
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
  | { readonly kind: "root"; readonly root: Root }
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

const systemTops = [
  "bin",
  "boot",
  "dev",
  "etc",
  "lib",
  "lib32",
  "lib64",
  "opt",
  "proc",
  "run",
  "sbin",
  "sys",
  "usr",
  "var",
];
const kernelTops = ["/dev", "/proc", "/sys"];

/** Looks at the disk: the folder must be there, and the user able to write it. */
export function checkRoot(name: string, around: Surroundings): RootCheck {
  const refused = (because: string): RootCheck => ({
    kind: "refused",
    because: `the root ${JSON.stringify(name)} ${because}`,
  });
  const expanded = expandHome(name, around.homeName);
  if (!path.isAbsolute(expanded) || expanded.includes("\0"))
    return refused('is not an absolute path: write "/…" or "~/…"');
  const named = path.resolve(expanded);
  let real: string;
  try {
    real = realpathSync(named);
    if (!statSync(real).isDirectory()) return refused("is not a folder");
  } catch (thrown) {
    if (!hasCode(thrown, "ENOENT")) return refused(`cannot be looked at: ${messageOf(thrown)}`);
    return refused(`does not exist: make it with  mkdir -p '${named}'`);
  }
  const problem = rootProblem(real, around);
  if (problem !== null) return refused(problem);
  try {
    accessSync(real, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return refused(
      `cannot be written by this user: give it to them with  sudo chown -R "$(id -un)" '${real}'`,
    );
  }
  return { kind: "root", root: { named, path: real } };
}

/** Why an absolute real path may never be a root, or null when it may. */
export function rootProblem(real: string, around: Surroundings): string | null {
  if (real === "/") return "is the whole computer: name a folder of your own, such as ~/openclaw";
  if (real === around.home) return "is your whole home: name a folder in it, such as ~/openclaw";
  if (isWithin(around.home, real))
    return "contains your home: name a folder in it, such as ~/openclaw";
  if (touches(real, around.stateHome)) {
    return `touches ${around.stateHome}, where the worker keeps its policy and token: a task could rewrite them`;
  }
  if (touches(real, around.installDir)) {
    return `touches ${around.installDir}, where the worker's own program is: a task could rewrite it`;
  }
  if (
    systemTops.some((top) => real === `/${top}`) ||
    kernelTops.some((top) => isWithin(real, top))
  ) {
    return "belongs to the system: name a folder of your own, such as ~/openclaw";
  }
  return null;
}

function touches(real: string, folder: string): boolean {
  return isWithin(real, folder) || isWithin(folder, real);
}
