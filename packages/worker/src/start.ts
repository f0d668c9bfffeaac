// What a worker needs before it can work: its settings, its policy, and what it keeps on this computer.
// Each of these functions gives it, or ends the start with what a person is to do.

import path from "node:path";
import { messageOf, type Clock, type Log } from "@openclaw-worker/base";
import type { PrivateKey } from "@openclaw-worker/protocol";
import { openAudit, type Audit } from "./audit/log.ts";
import { openAuthority, type Authority, type AuthorityParts } from "./authority.ts";
import { isToken, readConfig, tokenProblem, type WorkerConfig } from "./config.ts";
import { openIdentity } from "./identity.ts";
import { openJournal, type Journal } from "./journal.ts";
import { loadPolicy, type Policy } from "./policy/load.ts";
import type { Surroundings } from "./policy/roots.ts";
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

/** Ends a start with a code and what to tell the person. */
export class Refusal extends Error {
  readonly code: 1 | 2;
  readonly lines: readonly string[];

  constructor(code: 1 | 2, lines: readonly string[]) {
    super(lines.join("\n"));
    this.name = "Refusal";
    this.code = code;
    this.lines = lines;
  }
}

export function configure(host: Host): WorkerConfig {
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

export function readToken(config: WorkerConfig, host: Host): string {
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

export function readPolicy(config: WorkerConfig, { host, around, log }: PolicyReader): Policy {
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

export function lock(config: WorkerConfig): Disposable {
  const held = lockFolder(path.join(config.stateDir, "lock"));
  if (held === null)
    throw new Refusal(1, [
      `Another worker already runs with ${config.stateDir}: stop it first, or give this one its own OPENCLAW_WORKER_HOME`,
    ]);
  return held;
}

export function openOwnJournal(config: WorkerConfig, clock: Clock): Journal {
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

/** The worker's own key; made at the first start. */
export function readIdentity(config: WorkerConfig, host: Host): PrivateKey {
  const read = openIdentity(config.stateDir, host.uid);
  if (read.kind === "refused") throw new Refusal(2, [read.because]);
  return read.key;
}

export interface AuditWish {
  readonly clock: Clock;
  readonly log: Log;
  readonly key: PrivateKey;
  readonly redact: (text: string) => string;
}

/** The audit log; one that somebody changed ends the start. */
export async function openOwnAudit(config: WorkerConfig, wish: AuditWish): Promise<Audit> {
  const { stateDir: folder, name: worker } = config;
  const opened = await openAudit({ folder, worker, ...wish }).catch((thrown: unknown) => {
    throw new Refusal(1, [
      `The audit log in ${folder} cannot be used (${messageOf(thrown)}), so nothing could be proved later.`,
      "Make room on the disk, or look at the folder's owner and mode.",
    ]);
  });
  if (opened.kind === "open") return opened.audit;
  throw new Refusal(1, [
    `The worker does not start: ${opened.because}`,
    "Look at it: openclaw-worker audit verify. To begin a new log, move audit.* in the state folder away and keep them.",
  ]);
}

export function openOwnAuthority(parts: AuthorityParts): Authority & Disposable {
  const opened = openAuthority(parts);
  if (opened.kind === "refused") throw new Refusal(2, [opened.because]);
  return opened.authority;
}
