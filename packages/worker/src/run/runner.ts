// The runner's door: it proves the cage, keeps some warm, and runs jobs to their end.

import type { Clock, Log } from "@openclaw-worker/base";
import { limits as shared, reportOf, type Report } from "@openclaw-worker/protocol";
import type { LoginEnvironment } from "../environment.ts";
import type { Cage, Job } from "../job.ts";
import type { Redactor } from "../output/redact.ts";
import { openBlueprints } from "../sandbox/blueprint.ts";
import type { LiveCage } from "../sandbox/cage.ts";
import { openStreamFolder } from "../sandbox/folders.ts";
import { offline, openNetwork } from "../sandbox/network/network.ts";
import { openPool, type Pool } from "../sandbox/pool.ts";
import { asUnavailable, openProof, type CageWatch, type Proof } from "../sandbox/proof.ts";
import { selfTest } from "../sandbox/selftest.ts";
import { CageUnavailable } from "../sandbox/unavailable.ts";
import { openFiles } from "./files.ts";
import { openHost } from "./host.ts";
import { runJob } from "./run.ts";
import type { RunLimits, Tools } from "./tools.ts";

export { CageUnavailable, type CageWatch, type RunLimits };

export interface Runner extends AsyncDisposable {
  /** Runs one job to its end. Never throws: every ending is a Report with `outcome`, `startedAt`, `durationMs`. */
  run(job: Job): Promise<Report>;
  /** The policy has changed: warm cages are kept of this one from now on. */
  follow(cage: Cage): void;
  /** Tells when no task can be run, and when they can again. */
  readonly health: CageWatch;
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
  /** The policy file's path, for hints. */
  readonly policyFile?: string;
  /** Takes what must not leave out of what tasks print, and refuses files that hold it. */
  readonly redactor: Redactor;
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
  const ground = { clock, log, blueprints, streams };
  const pool = opening.use(openPool({ ...ground, cage: offline(cage), warm: options.warm }));
  const take: Pool["take"] = (wanted, signal) => pool.take(wanted, signal);
  const network = opening.use(openNetwork({ ...ground, stateDir, hidden }));
  const test = async (wanted: Cage): Promise<void> => {
    const tested = offline(wanted);
    try {
      const seen = blueprints.look(tested);
      const places = { home, stateDir, secretFolder: streams.path };
      await selfTest({ clock, cage: tested, seen, take, ...places });
    } catch (error) {
      const because = asUnavailable(error);
      // A scope only adds to the limits inside the cage: without it the cage is as tight.
      if (!blueprints.withoutScope()) throw because;
      log.warn(`cages are built without a scope of systemd: ${because.message}`);
      await test(wanted);
    }
  };
  await test(cage);
  const proof = opening.use(openProof({ clock, log, test, cage }));
  await pool.filled();
  const limits = options.limits ?? shared;
  const { redactor } = options;
  const tools: Tools = {
    clock,
    limits,
    pool: doubting(pool, proof),
    files: openFiles(limits, { hidden, secretIn: (bytes) => redactor.secretIn(bytes) }),
    redactor,
    network,
    host: openHost({ clock, streams, environment, home }),
    ...(options.policyFile === undefined ? {} : { policyFile: options.policyFile }),
  };
  const owned = opening.move();
  return {
    run: (job) => runProved(tools, job, proof),
    follow(next) {
      proof.follow(next);
      pool.follow(offline(next));
    },
    health: proof,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Runs a job in a cage that is known to be in force; what needs no cage runs at once. */
async function runProved(tools: Tools, job: Job, proof: Proof): Promise<Report> {
  const { kind } = job.placed;
  if ((kind !== "command" && kind !== "exec") || job.outside === true || job.signal.aborted) {
    return await runJob(tools, job);
  }
  const startedAt = tools.clock.now();
  const begin = tools.clock.monotonic();
  try {
    const cage = await orAborted(proof.ready(job.cage, job.cwd), job.signal);
    // A task that was cancelled meanwhile is reported as any other is.
    return await runJob(tools, cage === null ? job : { ...job, cage });
  } catch (error) {
    const { message, remedy } = asUnavailable(error);
    const durationMs = Math.max(0, tools.clock.monotonic() - begin);
    return { ...reportOf("failed", message), hint: remedy, startedAt, durationMs };
  }
}

/** What is waited for, or null when the signal is aborted first. */
async function orAborted<T>(waiting: Promise<T>, signal: AbortSignal): Promise<T | null> {
  const { promise: aborted, resolve } = Promise.withResolvers<null>();
  const stop = (): void => resolve(null);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([waiting, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** The pool, with an eye on what fails in it: the cage is then proved again before the next task. */
function doubting(pool: Pool, proof: Proof): Tools["pool"] {
  const watched = (cage: LiveCage): LiveCage => ({
    ...cage,
    async handOver(script, stdin) {
      const word = await cage.handOver(script, stdin);
      if (word === "broken") proof.doubt();
      return word;
    },
  });
  return {
    async take(cage, signal) {
      try {
        return watched(await pool.take(cage, signal));
      } catch (error) {
        if (error instanceof CageUnavailable) proof.doubt();
        throw error;
      }
    },
    refill: () => pool.refill(),
  };
}
