// Puts the worker together and runs it until its signal is aborted.
//
// Exit codes: 0 stopped as asked; 1 it cannot work on this computer now (no cage, a damaged
// journal, another worker runs); 2 a setting or the policy must be changed first: starting it
// again does not help.

import { randomUUID } from "node:crypto";
import os from "node:os";
import path from "node:path";
import { createLog, messageOf, systemClock, type Clock, type Log } from "@openclaw-worker/base";
import { version, type Introduction } from "@openclaw-worker/protocol";
import { runParts } from "./assemble.ts";
import { isToken, readConfig, tokenProblem, type WorkerConfig } from "./config.ts";
import { resolveLoginEnvironment } from "./environment.ts";
import { openJournal, type Journal } from "./journal.ts";
import { openLink, pollWaitMs } from "./link.ts";
import type { TaskRunner } from "./loop.ts";
import { cageOf } from "./policy/book.ts";
import { loadPolicy, watchPolicyFile, type Policy, type PolicyLoad } from "./policy/load.ts";
import { keepPolicy } from "./policy/reload.ts";
import { surroundingsOf, type Surroundings } from "./policy/roots.ts";
import { openRunner } from "./run/runner.ts";
import { CageUnavailable } from "./sandbox/unavailable.ts";
import { lockFolder, prepareParentFolder, preparePrivateFolder, readSecret } from "./state.ts";

/** What the program that starts the worker hands in: the worker itself looks at no global. */
export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Takes one line, without its end. */
  stdout(line: string): void;
  stderr(line: string): void;
  /** Aborted: stop taking tasks, end what runs, deliver, close. */
  readonly signal: AbortSignal;
  readonly uid: number;
  /** Absolute home folder of the user. */
  readonly home: string;
  readonly hostname: string;
  /** The user's login shell. */
  readonly shell: string;
  /** Folder of the program: no root may touch it. */
  readonly installDir: string;
}

export type OpenRunner = (needs: RunnerNeeds) => Promise<OpenedRunner>;

export interface OpenedRunner extends AsyncDisposable {
  readonly runner: TaskRunner;
  /** Absolute real paths that tasks may read besides the roots. */
  readonly readable: readonly string[];
}

export interface RunnerNeeds {
  readonly host: Host;
  /** Real path of the user's home. */
  readonly home: string;
  readonly config: WorkerConfig;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly log: Log;
}

/** Ends a start with a code and what to tell the person. */
class Refusal extends Error {
  readonly code: 1 | 2;
  readonly lines: readonly string[];

  constructor(code: 1 | 2, lines: readonly string[]) {
    super(lines.join("\n"));
    this.name = "Refusal";
    this.code = code;
    this.lines = lines;
  }
}

/**
 * Runs a worker until `host.signal` is aborted.
 * @param open how tasks are run; the cage unless a test says otherwise
 * @returns the exit code, as described above; never throws for what a person can mend
 */
export async function runWorker(host: Host, open: OpenRunner = openCagedRunner): Promise<number> {
  try {
    await work(host, open);
    return 0;
  } catch (thrown) {
    if (host.signal.aborted && thrown === host.signal.reason) return 0;
    const refusal = asRefusal(thrown);
    for (const line of refusal.lines) host.stderr(line);
    return refusal.code;
  }
}

function asRefusal(thrown: unknown): Refusal {
  if (thrown instanceof Refusal) return thrown;
  if (thrown instanceof CageUnavailable) {
    return new Refusal(1, [
      `The cage is not available, so no task is taken: ${thrown.message}`,
      thrown.remedy,
    ]);
  }
  return new Refusal(1, [`The worker cannot start: ${messageOf(thrown)}`]);
}

async function work(host: Host, open: OpenRunner): Promise<void> {
  const clock = systemClock();
  const config = configure(host);
  const log = createLog({
    clock,
    level: "info",
    format: config.logFormat,
    write: (line) => host.stderr(line.trimEnd()),
  });
  const around = surroundingsOf({
    home: host.home,
    stateHome: config.workerHome,
    installDir: host.installDir,
  });
  const policy = readPolicy(config, { host, around, log });
  const token = readToken(config, host);
  banner(config, policy, host);

  await using stack = new AsyncDisposableStack();
  stack.use(lock(config));
  const journal = stack.use(openOwnJournal(config, clock));
  const { runner, readable } = stack.use(
    await open({ host, home: around.home, config, policy, clock, log }),
  );
  const link = stack.use(openLink({ clock, log, url: config.url, token }));
  const { policyFile: file, roots } = config;
  const load = (): PolicyLoad => loadPolicy({ path: file, roots, uid: host.uid, around });
  const watch = (changed: () => void): Disposable => watchPolicyFile(file, changed);
  const keeper = stack.use(keepPolicy({ clock, log, file, policy, load, watch }));
  const introduction: Introduction = {
    name: config.name,
    instance: randomUUID(),
    labels: [...config.labels],
    version,
    platform: `${os.platform()}-${os.arch()}`,
    slots: config.slots,
    policyDigest: policy.digest,
  };
  await runParts(
    {
      clock,
      log,
      random: Math.random,
      link,
      journal,
      runner,
      policy: keeper.current,
      readable,
      introduction,
      home: host.home,
      pollMs: pollWaitMs(config.pollWaitMs),
      onReady: () => host.stdout("Ready"),
    },
    host.signal,
  );
}

function configure(host: Host): WorkerConfig {
  if (host.uid === 0) {
    throw new Refusal(2, [
      "The worker never runs as root: a task would be root too. Start it as your own user.",
    ]);
  }
  const read = readConfig(host);
  if (read.kind === "invalid") throw new Refusal(2, read.errors);
  for (const note of read.notes) host.stderr(note);
  const problem =
    prepareParentFolder(read.config.workerHome, host.uid) ??
    preparePrivateFolder(read.config.stateDir, host.uid);
  if (problem !== null) throw new Refusal(2, [problem]);
  return read.config;
}

function readToken(config: WorkerConfig, host: Host): string {
  if (config.token !== null) return config.token;
  const read = readSecret(config.tokenFile, host.uid);
  if (read.kind === "refused") throw new Refusal(2, [read.because]);
  if (read.kind === "missing") {
    throw new Refusal(2, [
      `WORKER_TOKEN is not set and ${config.tokenFile} is not there: give the token that the server printed at its first start`,
    ]);
  }
  if (!isToken(read.text)) throw new Refusal(2, [tokenProblem(config.tokenFile)]);
  return read.text;
}

interface PolicyReader {
  readonly host: Host;
  readonly around: Surroundings;
  readonly log: Log;
}

function readPolicy(config: WorkerConfig, { host, around, log }: PolicyReader): Policy {
  const load = loadPolicy({ path: config.policyFile, roots: config.roots, uid: host.uid, around });
  switch (load.kind) {
    case "missing":
      throw new Refusal(2, [
        `There is no policy yet: ${config.policyFile} says which folders tasks may use. Make one with`,
        "openclaw-worker policy init ~/openclaw",
      ]);
    case "refused":
      throw new Refusal(2, load.because);
    case "policy":
      for (const note of load.notes) log.warn(note);
      return load.policy;
  }
}

function banner(config: WorkerConfig, policy: Policy, host: Host): void {
  const interval =
    config.pollIntervalMs === null
      ? "none (long poll; tasks arrive at once)"
      : `${config.pollIntervalMs}ms (accepted, not needed: tasks arrive at once)`;
  host.stdout(`OpenClaw Worker v${version}`);
  host.stdout(`Server: ${config.url.href.replace(/\/$/, "")}`);
  host.stdout(`Poll interval: ${interval}`);
  host.stdout(
    `Worker: ${config.name}${config.labels.length === 0 ? "" : ` (${config.labels.join(", ")})`}`,
  );
  host.stdout(`Roots: ${policy.roots.map((root) => root.path).join(", ")}`);
  host.stdout(`Slots: ${config.slots}`);
}

function lock(config: WorkerConfig): Disposable {
  const held = lockFolder(path.join(config.stateDir, "lock"));
  if (held === null)
    throw new Refusal(1, [
      `Another worker already runs with ${config.stateDir}: stop it first, or give this one its own OPENCLAW_WORKER_HOME`,
    ]);
  return held;
}

function openOwnJournal(config: WorkerConfig, clock: Clock): Journal {
  const file = path.join(config.stateDir, "journal.sqlite");
  try {
    return openJournal({ file, clock });
  } catch (thrown) {
    throw new Refusal(1, [
      `The journal ${file} cannot be used (${messageOf(thrown)}), so it is not known which tasks have begun.`,
      "Make room on the disk; if it is damaged, move it away: tasks that were running then may be reported as lost by the server.",
    ]);
  }
}

async function openCagedRunner({
  host,
  home,
  config,
  policy,
  clock,
  log,
}: RunnerNeeds): Promise<OpenedRunner> {
  const { env: base, shell, signal } = host;
  const environment = await resolveLoginEnvironment({ clock, shell, home, base, signal });
  if (environment.warning !== null) log.warn(environment.warning);
  const { readable } = environment;
  const runner = await openRunner({
    clock,
    log,
    environment,
    home,
    stateDir: config.stateDir,
    hidden: [config.workerHome],
    cage: cageOf(policy, readable),
    warm: config.slots,
  });
  return { runner, readable, [Symbol.asyncDispose]: () => runner[Symbol.asyncDispose]() };
}
