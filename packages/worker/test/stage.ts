// A worker without its cage, on a temporary folder, beside a real control plane.

import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createLog, systemClock, type Clock } from "@openclaw-worker/base";
import { newPrivateKey, type AuditType, type Report, type Spec } from "@openclaw-worker/protocol";
import { runParts } from "../src/assemble.ts";
import { openAuthority } from "../src/authority.ts";
import type { Job } from "../src/job.ts";
import { openJournal } from "../src/journal.ts";
import { openLink } from "../src/link.ts";
import { createRedactor } from "../src/output/redact.ts";
import { policyOf, watchPolicyFile, type Policy } from "../src/policy/load.ts";
import { parsePolicy } from "../src/policy/parse.ts";
import { surroundingsOf } from "../src/policy/roots.ts";
import type { PolicyFile } from "../src/policy/schema.ts";
import { openPlane, type Plane } from "./plane.ts";

/** A runner that runs nothing: it notes its jobs and ends them as it is told. */
export class NotedRunner {
  readonly jobs: Job[] = [];
  end: (job: Job) => Promise<Report> = async () => doneReport("ok");
  readonly #watchers = new Set<() => void>();

  run(job: Job): Promise<Report> {
    this.jobs.push(job);
    for (const look of this.#watchers) look();
    return this.end(job);
  }

  /** Resolves with the first job of this task. */
  job(taskId: string): Promise<Job> {
    return new Promise((resolve) => {
      const look = (): void => {
        const job = this.jobs.find((candidate) => candidate.taskId === taskId);
        if (job === undefined) return;
        this.#watchers.delete(look);
        resolve(job);
      };
      this.#watchers.add(look);
      look();
    });
  }
}

export function doneReport(stdout: string): Report {
  return { stdout, stderr: "", exitCode: 0, error: null, outcome: "done" };
}

/** Ends a job only when it is cancelled. */
export function untilCancelled(job: Job): Promise<Report> {
  return new Promise((resolve) => {
    const ended: Report = {
      stdout: "",
      stderr: "",
      exitCode: 130,
      error: "Cancelled",
      outcome: "cancelled",
    };
    job.signal.addEventListener("abort", () => resolve(ended), { once: true });
  });
}

export const hello: Spec = { kind: "command", command: "echo hello" };

export interface Running {
  readonly ready: Promise<void>;
  stop(): Promise<void>;
}

export interface WorkerWish {
  readonly slots?: number;
  readonly clock?: Clock;
  readonly default?: Policy["default"];
  readonly pollMs?: number;
  /** There are people who may say yes; the policy's file but its roots. */
  readonly people?: Omit<PolicyFile, "roots">;
  readonly labels?: readonly string[];
  /** Why the disk does not take the audit log. */
  readonly unnoted?: string;
  /** Waited for before an outcome is on the disk of the audit log. */
  readonly sealing?: () => Promise<void>;
  /** Told how many approvals wait. */
  readonly notify?: (waiting: number) => void;
}

export interface Noted {
  readonly type: AuditType;
  readonly data: Readonly<Record<string, unknown>>;
  readonly taskId: string | undefined;
}

export interface Stage extends AsyncDisposable {
  readonly plane: Plane;
  readonly runner: NotedRunner;
  readonly folder: string;
  readonly root: string;
  readonly journalFile: string;
  readonly logged: readonly string[];
  /** What went into the audit log. */
  readonly noted: readonly Noted[];
  /** The worker's state folder, and the one beside the policy. */
  readonly stateDir: string;
  readonly workerHome: string;
  /** Replaces the policy in force while a worker runs. */
  setPolicy(file: Omit<PolicyFile, "roots">): void;
  /** Starts a worker on the stage's journal; one at a time. */
  start(wish?: WorkerWish): Running;
}

export async function openStage(): Promise<Stage> {
  const folder = temporaryFolder();
  const root = path.join(folder, "root");
  mkdirSync(root);
  const plane = await openPlane();
  const runner = new NotedRunner();
  const logged: string[] = [];
  const journalFile = path.join(folder, "journal.sqlite");
  const workerHome = path.join(folder, "home");
  const stateDir = path.join(workerHome, "worker");
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const noted: Noted[] = [];
  const identity = newPrivateKey();
  let running: Running | null = null;
  let policy: Policy | null = null;
  const fromFile = (file: Omit<PolicyFile, "roots">): Policy =>
    policyOf(parsePolicy(JSON.stringify({ ...file, roots: [root] })), {
      source: "policy.json",
      roots: [{ named: root, path: root }],
      homes: [folder],
    });

  const start = (wish: WorkerWish = {}): Running => {
    const clock = wish.clock ?? systemClock();
    const log = createLog({
      clock,
      level: "info",
      format: "text",
      write: (line) => void logged.push(line),
    });
    const bare: Policy = {
      roots: [{ named: root, path: root }],
      default: wish.default ?? "cage",
      source: "policy.json",
      digest: "d",
    };
    policy = wish.people === undefined ? bare : fromFile(wish.people);
    const notes = {
      note: (type: AuditType, data: Noted["data"], taskId?: string) =>
        void noted.push({ type, data, taskId }),
      async sealed(type: AuditType, data: Noted["data"], taskId?: string) {
        noted.push({ type, data, taskId });
        await wish.sealing?.();
        return null;
      },
      flushed: () => Promise.resolve(wish.unnoted ?? null),
    };
    const opened =
      wish.people === undefined
        ? null
        : openAuthority({
            clock,
            log,
            notes,
            worker: "desk",
            uid: process.getuid?.() ?? 0,
            workerHome,
            stateDir,
            identity,
            watch: watchPolicyFile,
          });
    if (opened?.kind === "refused") throw new Error(opened.because);
    const authority = opened?.authority;
    const journal = openJournal({ file: journalFile, clock });
    const link = openLink({ clock, log, url: plane.url, token: plane.token });
    const ready = Promise.withResolvers<void>();
    const stopping = new AbortController();
    const introduction = {
      name: "desk",
      instance: randomUUID(),
      labels: [...(wish.labels ?? [])],
      version: "0.1.0",
      platform: "test",
      slots: wish.slots ?? 3,
      policyDigest: "d",
    };
    const parts = {
      clock,
      log,
      random: () => 0.5,
      link,
      journal,
      runner,
      policy: () => policy ?? bare,
      readable: [],
      redactor: createRedactor([]),
      around: surroundingsOf({ home: folder, stateHome: workerHome, installDir: "/nowhere" }),
      home: folder,
      ...(authority === undefined ? {} : { authority }),
      ...(wish.notify === undefined ? {} : { notify: wish.notify }),
    };
    const ended = runParts(
      { ...parts, introduction, pollMs: wish.pollMs ?? 20_000, onReady: () => ready.resolve() },
      stopping.signal,
    );
    running = {
      ready: ready.promise,
      async stop() {
        stopping.abort();
        await ended;
        authority?.[Symbol.dispose]();
        link[Symbol.dispose]();
        journal[Symbol.dispose]();
        running = null;
      },
    };
    return running;
  };

  return {
    plane,
    runner,
    folder,
    root,
    journalFile,
    logged,
    noted,
    stateDir,
    workerHome,
    setPolicy: (file) => void (policy = fromFile(file)),
    start,
    async [Symbol.asyncDispose]() {
      await running?.stop();
      await plane.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

export function temporaryFolder(): string {
  return realpathSync(mkdtempSync(path.join(os.tmpdir(), "openclaw-worker-")));
}
