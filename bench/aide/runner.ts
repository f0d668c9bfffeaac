// The worker's runner without a worker around it: from the hand-over of a job to its report.

import { mkdirSync } from "node:fs";
import path from "node:path";
import { silentLog, systemClock } from "@openclaw-worker/base";
import { createRedactor, openRunner, resolveLoginEnvironment } from "@openclaw-worker/worker";
import type { Fields } from "../fields.ts";
import { inLanes } from "./lanes.ts";
import { serve } from "./serve.ts";

type Runner = Awaited<ReturnType<typeof openRunner>>;

interface Opened {
  readonly runner: Runner;
  readonly root: string;
  /** The one that is kept warm. */
  readonly cage: Parameters<typeof openRunner>[0]["cage"];
}

const timeoutMs = 600_000;
let opened: Opened | null = null;
let count = 0;

serve({
  /** Proves the cage and keeps `warm` of them ready. */
  async open(params) {
    const folder = params.text("folder");
    const [home, root, empty] = ["home", "root", "empty"].map((name) => path.join(folder, name));
    for (const one of [home, root, empty]) mkdirSync(one ?? "", { recursive: true, mode: 0o700 });
    // The sandbox library searches the folder that it works in, to its last file.
    process.chdir(empty ?? "/");
    opened = await open({
      folder,
      root: root ?? "",
      home: home ?? "",
      warm: params.number("warm"),
    });
  },
  /** One job to its end: milliseconds. */
  one: (params) => run(params),
  /** Many of them, some at a time: the whole time, and each one's. */
  many: (params) => inLanes(params, run),
  async close() {
    await opened?.runner[Symbol.asyncDispose]();
    opened = null;
  },
});

interface Wish {
  readonly folder: string;
  readonly root: string;
  readonly home: string;
  readonly warm: number;
}

async function open({ folder, root, home, warm }: Wish): Promise<Opened> {
  const clock = systemClock();
  const { signal } = new AbortController();
  const shell = process.env["SHELL"] ?? "/bin/sh";
  const environment = await resolveLoginEnvironment({
    clock,
    shell,
    home,
    base: process.env,
    signal,
  });
  const stateDir = path.join(folder, "state");
  mkdirSync(stateDir, { mode: 0o700 });
  const cage = { roots: [root], readable: environment.readable };
  const runner = await openRunner({
    clock,
    log: silentLog,
    environment,
    home,
    stateDir,
    hidden: [],
    cage,
    warm,
    redactor: createRedactor([]),
  });
  return { runner, root, cage };
}

async function run(params: Fields): Promise<number> {
  if (opened === null) throw new Error("no runner is open");
  const { runner, root, cage } = opened;
  count += 1;
  const job = {
    taskId: `bench-${count}`,
    placed: { kind: "command", command: params.text("command") },
    cwd: root,
    timeoutMs,
    cage,
    signal: new AbortController().signal,
  } as const;
  const from = performance.now();
  const report = await runner.run(job);
  const ms = performance.now() - from;
  if (report.exitCode !== 0 || report.stdout !== "hi\n") {
    throw new Error(`a job ended with ${report.exitCode}: ${report.error ?? report.stderr}`);
  }
  return ms;
}
