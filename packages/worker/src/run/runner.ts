// The runner's door: it proves the cage, keeps some warm, and runs jobs to their end.

import { messageOf, type Clock, type Log } from "@openclaw-worker/base";
import { limits as shared, type Report } from "@openclaw-worker/protocol";
import type { LoginEnvironment } from "../environment.ts";
import type { Cage, Job } from "../job.ts";
import { openBlueprints } from "../sandbox/blueprint.ts";
import { openStreamFolder } from "../sandbox/folders.ts";
import { openPool, type Pool } from "../sandbox/pool.ts";
import { selfTest } from "../sandbox/selftest.ts";
import { CageUnavailable } from "../sandbox/unavailable.ts";
import { openFiles } from "./files.ts";
import { runJob } from "./run.ts";
import type { RunLimits, Tools } from "./tools.ts";

export { CageUnavailable, type RunLimits };

export interface Runner extends AsyncDisposable {
  /** Runs one job to its end. Never throws: every ending is a Report with `outcome`, `startedAt`, `durationMs`. */
  run(job: Job): Promise<Report>;
}

export interface RunnerOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly environment: LoginEnvironment;
  /** Home of the user: absolute, without symbolic links. */
  readonly home: string;
  /** The worker's 0700 state folder: the cage never sees it. */
  readonly stateDir: string;
  /** More paths that are never visible: the policy file, a server's state, the install. */
  readonly hidden: readonly string[];
  /** The profile in use: it is self-tested, and warm cages are kept of it. */
  readonly cage: Cage;
  /** How many one-shot cages to keep ready; 0 keeps none. */
  readonly warm: number;
  /** The protocol's limits when not given. */
  readonly limits?: RunLimits;
}

/**
 * Self-tests the cage first. Throws CageUnavailable {message, remedy} when anything is not in
 * force (fail closed). Disposing of the runner ends the cages that wait; end the jobs before.
 */
export async function openRunner(options: RunnerOptions): Promise<Runner> {
  const { clock, log, environment, home, stateDir, cage } = options;
  const hidden = [stateDir, ...options.hidden];
  const blueprints = openBlueprints({ clock, log, environment, home, hidden });
  await using opening = new AsyncDisposableStack();
  const streams = opening.use(openStreamFolder(stateDir, clock));
  const pool = opening.use(openPool({ clock, log, blueprints, streams, cage, warm: options.warm }));
  const take: Pool["take"] = (wanted, signal) => pool.take(wanted, signal);
  await asUnavailable(selfTest({ clock, cage, home, stateDir, secretFolder: streams.path, take }));
  await pool.filled();
  const limits = options.limits ?? shared;
  const tools: Tools = { clock, limits, pool, files: openFiles(limits) };
  const owned = opening.move();
  return {
    run: (job) => runJob(tools, job),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Whatever goes wrong while the cage is proved, the answer is that there is no cage. */
async function asUnavailable(proof: Promise<void>): Promise<void> {
  try {
    await proof;
  } catch (error) {
    if (error instanceof CageUnavailable) throw error;
    throw new CageUnavailable(
      `The cage could not be tested: ${messageOf(error)}`,
      "Take no tasks. Run: openclaw-worker doctor",
      { cause: error },
    );
  }
}
