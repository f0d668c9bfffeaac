// From a cage to the arguments that build it, kept as long as the disk is as it was: the profile
// lists what exists at the time (the folders in `/`, the guarded files in the roots), so it is
// compared with the disk each time before a cage is used.

import { fileURLToPath } from "node:url";
import { arch, platform, release, totalmem } from "node:os";
import type { Clock, Log } from "@openclaw-worker/base";
import type { Cage } from "../job.ts";
import { findTool, isOwnSocket, kindOf, namesIn, realPathOf } from "./folders.ts";
import { systemFolders } from "./launcher.ts";
import { limitsFor, scratchFor } from "./limits.ts";
import { isWithin } from "./path.ts";
import { openPlaces, type Places, type Seen } from "./places.ts";
import { profileOf, type CageTools, type Surroundings } from "./profile.ts";
import { inScope, managerSocket, scopeLimits, type ScopeTools } from "./scope.ts";
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
  /**
   * What a cage built now depends on. Two equal texts: a cage built then is good now. Throws
   * CageUnavailable when the policy's rules cannot be enforced.
   */
  stateOf(cage: Cage): string;
  /** What a cage shows, and what is closed in it, in the present state of the disk. Throws alike. */
  look(cage: Cage): Seen;
  /** Arguments for a cage in the present state of the disk. Throws CageUnavailable. */
  argvFor(cage: Cage, signal: AbortSignal): Promise<readonly string[]>;
  /** From now on no cage has a scope of the user's manager. False: none had one. */
  withoutScope(): boolean;
}

/** What is known of one cage. */
interface Plan {
  readonly places: Places;
  built: { readonly state: string; readonly argv: readonly string[] } | null;
}

/** A task may bring a cage of its own; only the latest few are worth keeping. */
const plansMax = 16;

/** Throws CageUnavailable when this system cannot have a cage at all. */
export function openBlueprints(options: BlueprintOptions): Blueprints {
  const surroundings = lookAround(options);
  const plans = new Map<string, Plan>();
  let scope = findScope();
  const planOf = (cage: Cage): Plan => {
    const key = JSON.stringify(cage);
    const known = plans.get(key);
    if (known !== undefined) return known;
    const plan: Plan = {
      places: openPlaces(cage, { ...surroundings, clock: options.clock }),
      built: null,
    };
    for (const oldest of [...plans.keys()].slice(0, plans.size + 1 - plansMax))
      plans.delete(oldest);
    plans.set(key, plan);
    return plan;
  };
  return {
    stateOf: (cage) => stateOf(planOf(cage).places.look(), scope),
    look: (cage) => planOf(cage).places.look(),
    async argvFor(cage, signal) {
      const plan = planOf(cage);
      const seen = plan.places.look();
      const state = stateOf(seen, scope);
      if (plan.built?.state === state) return plan.built.argv;
      checkShown(cage, seen, surroundings);
      for (const note of seen.notes) options.log.warn(note);
      const { shown } = seen;
      const limits = limitsFor(cage, { kernel: release(), memoryBytes: totalmem() });
      const bare = await wrap({
        clock: options.clock,
        profile: profileOf(shown, { ...surroundings, system: seen.system }, seen),
        asked: {
          bwrap: surroundings.tools.bwrap,
          writable: shown.writable,
          unreadable: seen.unreadable,
          readOnly: seen.readOnly,
        },
        scratch: { home: options.home, closed: seen.unreadable, ...scratchFor(totalmem()) },
        inside: firstStage({
          variables: cageVariables(options.environment, shown, options.home),
          limits,
        }),
        signal,
      });
      const argv =
        scope === null ? bare : inScope(bare, scope, scopeLimits(totalmem(), limits.processes));
      plan.built = { state, argv };
      return argv;
    },
    withoutScope() {
      const had = scope !== null;
      scope = null;
      return had;
    },
  };
}

function stateOf(seen: Seen, scope: ScopeTools | null): string {
  return JSON.stringify([namesIn("/"), seen.state, scope !== null]);
}

/** The user's manager, where one runs and listens to this user. */
function findScope(): ScopeTools | null {
  const userId = effectiveUserId();
  const [systemdRun, env] = [findTool("systemd-run"), findTool("env")];
  if (systemdRun === null || env === null || !isOwnSocket(managerSocket(userId), userId)) {
    return null;
  }
  return { systemdRun, env, userId };
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

/** What is shown must be itself and not a link, and must not show what is hidden. */
function checkShown(cage: Cage, { shown }: Seen, { home, hidden }: Surroundings): void {
  if (cage.roots.length === 0) {
    throw new CageUnavailable("The policy names no root", "Run: openclaw-worker policy init");
  }
  // A root that is not there is left out: tasks in other roots go on, and one that would begin in
  // it is told. Without any root there is nothing to do in the cage.
  const missing = cage.roots.filter((root) => kindOf(root) !== "folder");
  if (missing.length === cage.roots.length) {
    const [root = ""] = missing;
    throw new CageUnavailable(`The root ${root} does not exist`, `Make it: mkdir -p '${root}'`);
  }
  for (const path of [...shown.writable, ...shown.readable]) {
    const real = realPathOf(path);
    if (real !== null && real !== path) {
      throw new CageUnavailable(`${path} is a link to ${real}`, `Name ${real} in the policy`);
    }
  }
  for (const path of shown.writable) {
    const shows = [realPathOf(home) ?? home, ...hidden].find((secret) => isWithin(secret, path));
    if (shows !== undefined) {
      throw new CageUnavailable(
        `${path} holds ${shows}, which no task may see`,
        "Name a folder of its own, such as ~/openclaw",
      );
    }
    const around = hidden.find((secret) => isWithin(path, secret));
    if (around !== undefined) {
      throw new CageUnavailable(
        `${path} lies in ${around}, which no task may see`,
        "Name a folder outside of the worker's own, such as ~/openclaw",
      );
    }
  }
}
