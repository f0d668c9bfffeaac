// How the worker's tasks are run: in cages that follow the policy.

import type { Clock, Log } from "@openclaw-worker/base";
import type { Cage } from "./job.ts";
import { policyFor } from "./approval/submitter.ts";
import type { WorkerConfig } from "./config.ts";
import { resolveLoginEnvironment } from "./environment.ts";
import type { TaskRunner } from "./loop.ts";
import type { Redactor } from "./output/redact.ts";
import type { Policy } from "./policy/load.ts";
import { cageWith, ownGrant } from "./policy/needs.ts";
import type { Surroundings } from "./policy/roots.ts";
import { openRunner, type CageWatch } from "./run/runner.ts";

export type OpenRunner = (needs: RunnerNeeds) => Promise<OpenedRunner>;

export interface OpenedRunner extends AsyncDisposable {
  readonly runner: TaskRunner;
  /** Absolute real paths that tasks may read besides the roots. */
  readonly readable: readonly string[];
  /** The policy has changed: the cages that wait are from now on of the new one. */
  readonly follow?: (policy: Policy) => void;
  /** Tells when no task can be run, and when they can again. */
  readonly health?: CageWatch;
}

export interface RunnerNeeds {
  readonly host: RunnerHost;
  readonly around: Surroundings;
  readonly config: WorkerConfig;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly log: Log;
  /** Takes what must not leave out of what tasks print. */
  readonly redactor: Redactor;
}

/** What is needed of the program that starts the worker. */
export interface RunnerHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The user's login shell. */
  readonly shell: string;
  readonly signal: AbortSignal;
}

/** Throws CageUnavailable when the cage is not in force. */
export async function openCagedRunner(needs: RunnerNeeds): Promise<OpenedRunner> {
  const { around, clock, config, host, log, policy, redactor } = needs;
  const { home } = around;
  const { env: base, shell, signal } = host;
  const environment = await resolveLoginEnvironment({ clock, shell, home, base, signal });
  if (environment.warning !== null) log.warn(environment.warning);
  const { readable } = environment;
  // Warm cages are for unsigned tasks; one that a rule gives more to, by its submitter, gets its own.
  const cageUnder = (whole: Policy): Cage => {
    const inForce = policyFor(whole, null);
    return cageWith(inForce, readable, ownGrant({ policy: inForce, around }));
  };
  const runner = await openRunner({
    clock,
    log,
    environment,
    home,
    stateDir: config.stateDir,
    hidden: [config.workerHome],
    cage: cageUnder(policy),
    warm: config.slots,
    policyFile: config.policyFile,
    redactor,
  });
  return {
    runner,
    readable,
    follow: (next) => runner.follow(cageUnder(next)),
    health: runner.health,
    [Symbol.asyncDispose]: () => runner[Symbol.asyncDispose](),
  };
}
