// A worker without its cage, on a temporary folder, beside a real control plane.

import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createLog, systemClock, type Clock } from "@openclaw-worker/base";
import { type Report, type Spec } from "@openclaw-worker/protocol";
import { runParts } from "../src/assemble.ts";
import type { Job } from "../src/job.ts";
import { openJournal } from "../src/journal.ts";
import { openLink } from "../src/link.ts";
import type { Policy } from "../src/policy/load.ts";
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
}

export interface Stage extends AsyncDisposable {
  readonly plane: Plane;
  readonly runner: NotedRunner;
  readonly folder: string;
  readonly root: string;
  readonly journalFile: string;
  readonly logged: readonly string[];
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
  let running: Running | null = null;

  const start = (wish: WorkerWish = {}): Running => {
    const clock = wish.clock ?? systemClock();
    const log = createLog({
      clock,
      level: "info",
      format: "text",
      write: (line) => void logged.push(line),
    });
    const policy: Policy = {
      roots: [{ named: root, path: root }],
      default: wish.default ?? "cage",
      source: "policy.json",
      digest: "d",
    };
    const journal = openJournal({ file: journalFile, clock });
    const link = openLink({ clock, log, url: plane.url, token: plane.token });
    const ready = Promise.withResolvers<void>();
    const stopping = new AbortController();
    const introduction = {
      name: "desk",
      instance: randomUUID(),
      labels: [],
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
      policy: () => policy,
      readable: [],
      home: folder,
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
