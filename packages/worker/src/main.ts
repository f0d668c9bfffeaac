// Puts the worker together and runs it until its signal is aborted.
//
// Exit codes: 0 stopped as asked; 1 it cannot work on this computer now (no cage, a damaged
// journal, another worker runs); 2 a setting or the policy must be changed first: starting it
// again does not help.

import { randomUUID } from "node:crypto";
import os from "node:os";
import { createLog, messageOf, systemClock } from "@openclaw-worker/base";
import { version, type Introduction, type Stopped } from "@openclaw-worker/protocol";
import { runParts } from "./assemble.ts";
import { openCagedRunner, type OpenRunner } from "./caged.ts";
import type { WorkerConfig } from "./config.ts";
import { openLink, pollWaitMs } from "./link.ts";
import { findNotify } from "./notify.ts";
import { createRedactor } from "./output/redact.ts";
import { secretsOf } from "./output/secret.ts";
import { loadPolicy, watchPolicyFile, type Policy, type PolicyLoad } from "./policy/load.ts";
import { keepPolicy } from "./policy/reload.ts";
import { surroundingsOf } from "./policy/roots.ts";
import { CageUnavailable } from "./sandbox/unavailable.ts";
import {
  configure,
  lock,
  openOwnAudit,
  openOwnAuthority,
  openOwnJournal,
  readIdentity,
  readPolicy,
  readToken,
  Refusal,
  type Host,
} from "./start.ts";

export type { Host } from "./start.ts";
export type { OpenedRunner, OpenRunner, RunnerNeeds } from "./caged.ts";

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
  // Nothing that the worker knows and others shall not is printed, from the first line on.
  let redactor = createRedactor(secretsOf(host.env, config.token ?? ""));
  const redact = (text: string): string => redactor.text(text);
  const log = createLog({
    clock,
    level: "info",
    format: config.logFormat,
    write: (line) => host.stderr(redact(line.trimEnd())),
  });
  const around = surroundingsOf({
    home: host.home,
    stateHome: config.workerHome,
    installDir: host.installDir,
  });
  const policy = readPolicy(config, { host, around, log });
  const token = readToken(config, host);
  redactor = createRedactor(secretsOf(host.env, token));
  banner(config, policy, host);

  await using stack = new AsyncDisposableStack();
  stack.use(lock(config));
  const journal = stack.use(openOwnJournal(config, clock));
  const identity = readIdentity(config, host);
  const audit = stack.use(await openOwnAudit(config, { clock, log, key: identity, redact }));
  const { workerHome, stateDir, name: worker } = config;
  const authority = stack.use(
    openOwnAuthority({
      clock,
      log,
      notes: audit,
      worker,
      uid: host.uid,
      workerHome,
      stateDir,
      identity,
      watch: watchPolicyFile,
    }),
  );
  const runnerNeeds = { host, around, config, policy, clock, log, redactor };
  const opened = stack.use(await open(runnerNeeds));
  const { runner, readable, health } = opened;
  const link = stack.use(openLink({ clock, log, url: config.url, token }));
  const { policyFile: file, roots } = config;
  const load = (): PolicyLoad => loadPolicy({ path: file, roots, uid: host.uid, around });
  const watch = (changed: () => void): Disposable => watchPolicyFile(file, changed);
  const onChange = (next: Policy): void => {
    audit.note("policy", { source: next.source, digest: next.digest });
    opened.follow?.(next);
  };
  const keeper = stack.use(keepPolicy({ clock, log, file, policy, load, watch, onChange }));
  const introduction: Introduction = {
    name: config.name,
    instance: randomUUID(),
    labels: [...config.labels],
    version,
    platform: `${os.platform()}-${os.arch()}`,
    slots: config.slots,
    policyDigest: policy.digest,
    publicKey: identity.public.text,
  };
  const { instance } = introduction;
  const notify = findNotify({ clock, env: host.env, platform: os.platform(), signal: host.signal });
  audit.note("start", { version, instance, policy: policy.digest, source: policy.source });
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
      around,
      redactor,
      audit,
      authority,
      introduction,
      home: host.home,
      pollMs: pollWaitMs(config.pollWaitMs),
      onReady: () => host.stdout(readyLine(authority.stops.current())),
      ...(health === undefined ? {} : { health }),
      ...(notify === null ? {} : { notify }),
    },
    host.signal,
  );
  audit.note("end", { instance });
}

/** Whoever starts the worker shall see that it does nothing, and how that ends. */
function readyLine(stopped: Stopped | null): string {
  if (stopped === null) return "Ready";
  // A reason may come from anybody who may stop the worker: no escape codes, no new lines.
  const reason = stopped.reason.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\u{fffd}");
  return `Ready, but stopped (${reason}): openclaw-worker resume`;
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
