// From a cage to the arguments that build it, kept as long as the disk is as it was: the profile
// lists what exists at the time (the folders in `/`, the guarded files in the roots), so it is
// compared with the disk each time before a cage is used.

import { fileURLToPath } from "node:url";
import { arch, platform, release } from "node:os";
import type { Clock, Log } from "@openclaw-worker/base";
import type { Cage } from "../job.ts";
import { findTool, kindOf, namesIn, realPathOf } from "./folders.ts";
import { findGuarded } from "./guarded.ts";
import { systemFolders } from "./launcher.ts";
import { isWithin } from "./path.ts";
import { profileOf, type CageTools, type Surroundings } from "./profile.ts";
import { firstStage } from "./script.ts";
import { effectiveUserId } from "./spawn.ts";
import { aptRemedy, CageUnavailable } from "./unavailable.ts";
import { cageVariables, type CageEnvironment } from "./variables.ts";
import { wrap } from "./wrap.ts";

export interface BlueprintOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly environment: CageEnvironment;
  readonly home: string;
  readonly hidden: readonly string[];
}

export interface Blueprints {
  /** What a cage built now depends on. Two equal texts: a cage built then is good now. */
  stateOf(cage: Cage): string;
  /** Arguments for a cage in the present state of the disk. Throws CageUnavailable. */
  argvFor(cage: Cage, signal: AbortSignal): Promise<readonly string[]>;
}

/** Levels of folders below a root that are looked at for guarded files when a cage is planned… */
const planDepth = 2;
/** …and each time before one is used. A task in a warm cage waits for this look. */
const checkDepth = 1;

/** Throws CageUnavailable when this system cannot have a cage at all. */
export function openBlueprints(options: BlueprintOptions): Blueprints {
  const surroundings = lookAround(options);
  const plans = new Map<string, { readonly state: string; readonly argv: readonly string[] }>();
  const stateOf = (cage: Cage): string =>
    JSON.stringify([namesIn("/"), findGuarded(cage.roots, checkDepth).paths]);
  return {
    stateOf,
    async argvFor(cage, signal) {
      const key = JSON.stringify(cage);
      const state = stateOf(cage);
      const known = plans.get(key);
      if (known?.state === state) return known.argv;
      checkRoots(cage, surroundings);
      const guarded = findGuarded(cage.roots, planDepth);
      if (guarded.limited) options.log.warn("a root is too large to guard all its repositories");
      const argv = await wrap({
        clock: options.clock,
        profile: profileOf(cage, surroundings, guarded.paths),
        roots: cage.roots,
        inside: firstStage({
          variables: cageVariables(options.environment, cage, options.home),
          limitProcesses: countsPerNamespace(release()),
        }),
        signal,
      });
      // A task may bring a cage of its own; only the latest few are worth keeping.
      if (plans.size >= 16) plans.clear();
      plans.set(key, { state, argv });
      return argv;
    },
  };
}

function lookAround(options: BlueprintOptions): Surroundings {
  if (platform() !== "linux") {
    throw new CageUnavailable(
      `There is no cage for ${platform()} yet`,
      "Run the worker on Linux, or on Windows inside WSL2",
    );
  }
  if (effectiveUserId() === 0) {
    throw new CageUnavailable(
      "The worker never runs tasks as root",
      "Start the worker as your own user, without sudo",
    );
  }
  return {
    home: options.home,
    hidden: options.hidden,
    system: systemFolders.filter((path) => kindOf(path) !== null),
    tools: findTools(),
  };
}

function findTools(): CageTools {
  const need = (name: string): string => {
    const path = findTool(name);
    if (path === null) throw new CageUnavailable(`The program ${name} is missing`, aptRemedy);
    return path;
  };
  const library = import.meta.resolve("@anthropic-ai/sandbox-runtime");
  const applySeccomp = realPathOf(
    fileURLToPath(new URL(`../vendor/seccomp/${arch()}/apply-seccomp`, library)),
  );
  if (applySeccomp === null) {
    throw new CageUnavailable(
      `The sandbox library has no seccomp helper for ${arch()}`,
      "Install the worker again on an x64 or arm64 machine, readable by the user that runs it",
    );
  }
  return { bwrap: need("bwrap"), socat: need("socat"), ripgrep: need("rg"), applySeccomp };
}

/** A root must be there, be itself and not a link, and must not show what is hidden. */
function checkRoots(cage: Cage, surroundings: Surroundings): void {
  if (cage.roots.length === 0) {
    throw new CageUnavailable("The policy names no root", "Run: openclaw-worker init");
  }
  for (const root of cage.roots) {
    if (kindOf(root) !== "folder") {
      throw new CageUnavailable(`The root ${root} does not exist`, `Make it: mkdir -p '${root}'`);
    }
    const real = realPathOf(root);
    if (real !== root) {
      throw new CageUnavailable(
        `The root ${root} is a link to ${real}`,
        `Name ${real} in the policy`,
      );
    }
    const home = realPathOf(surroundings.home) ?? surroundings.home;
    const shown = [home, ...surroundings.hidden].find((path) => isWithin(path, root));
    if (shown !== undefined) {
      throw new CageUnavailable(
        `The root ${root} holds ${shown}, which no task may see`,
        "Name a folder of its own as root, such as ~/openclaw",
      );
    }
    const around = surroundings.hidden.find((path) => isWithin(root, path));
    if (around !== undefined) {
      throw new CageUnavailable(
        `The root ${root} lies in ${around}, which no task may see`,
        "Name a folder outside of the worker's own as root, such as ~/openclaw",
      );
    }
  }
}

/** Since Linux 5.14 a limit of processes counts those of the cage only. Exported for its tests. */
export function countsPerNamespace(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split(".").map(Number);
  return major > 5 || (major === 5 && minor >= 14);
}
