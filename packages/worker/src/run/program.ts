// A command or a program, in a cage, to its end.
//
// The end is the exit of the task's own process, not the close of its output: a daemon that it
// left behind holds the output open, and dies with the cage. What is already printed is read for a
// moment longer.

import type { Readable } from "node:stream";
import type { Clock } from "@openclaw-worker/base";
import { exitSentence, reportOf, type Report } from "@openclaw-worker/protocol";
import type { Job } from "../job.ts";
import { Capture, type CaptureLimits, type StreamName } from "../output/capture.ts";
import { discard, type LiveCage } from "../sandbox/cage.ts";
import { settleMs } from "../sandbox/launcher.ts";
import { secondStage, type ProcessTask } from "../sandbox/script.ts";
import { CageUnavailable } from "../sandbox/unavailable.ts";
import { cutReport, smaller, type RunLimit } from "./limit.ts";
import type { Tools } from "./tools.ts";

export interface ProcessRun {
  readonly job: Job;
  readonly task: ProcessTask;
  readonly limit: RunLimit;
}

/** Runs `task` in a cage of its own. Rejects only when the worker itself is at fault. */
export async function runProcess(tools: Tools, run: ProcessRun): Promise<Report> {
  const { job, task, limit } = run;
  const stage = secondStage(task, job.cwd);
  if ("impossible" in stage) return reportOf("failed", stage.impossible);
  const taken = await takeCage(tools, run);
  if ("report" in taken) return taken.report;
  const { cage } = taken;
  const limits = limitsOf(tools, job);
  const capture = new Capture(limits, tools.redactor);
  const closed = Promise.all([
    listen(cage.stdout, "stdout", { capture, limit }),
    listen(cage.stderr, "stderr", { capture, limit }),
  ]);
  limit.signal.addEventListener("abort", cage.kill, { once: true });
  if (limit.signal.aborted) cage.kill();
  try {
    const began = await cage.handOver(stage.script, task.stdin);
    const exitCode = await cage.exited;
    await settled(tools.clock, closed);
    return reportFor({ run, capture, began, exitCode, killBytes: limits.killBytes });
  } finally {
    limit.signal.removeEventListener("abort", cage.kill);
    discard(cage);
    tools.pool.refill();
  }
}

/** The smaller of the worker's own limits and the policy's. */
function limitsOf({ limits }: Tools, { limits: policys = {} }: Job): CaptureLimits {
  return {
    keptBytes: smaller(limits.outputKeptBytes, policys.outputKeptBytes),
    killBytes: smaller(limits.outputKillBytes, policys.outputKillBytes),
  };
}

async function takeCage(
  tools: Tools,
  { job, limit }: ProcessRun,
): Promise<{ readonly cage: LiveCage } | { readonly report: Report }> {
  try {
    return { cage: await tools.pool.take(job.cage, limit.signal) };
  } catch (error) {
    const { cut } = limit;
    if (cut !== null) return { report: cutReport(cut, limit.timeoutMs, 0) };
    if (!(error instanceof CageUnavailable)) throw error;
    return { report: { ...reportOf("failed", error.message), hint: error.remedy } };
  }
}

interface Listener {
  readonly capture: Capture;
  readonly limit: RunLimit;
}

/** Reads a stream as fast as it comes, whatever is kept of it. Resolves when it has closed. */
function listen(stream: Readable, name: StreamName, { capture, limit }: Listener): Promise<void> {
  stream.on("data", (chunk: Buffer) => {
    if (!capture.push(name, chunk)) limit.end("flood");
  });
  return new Promise((resolve) => stream.once("close", resolve));
}

function settled(clock: Clock, closed: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.after(settleMs, resolve);
    void closed.then(() => {
      timer.cancel();
      resolve();
    });
  });
}

interface Ending {
  readonly run: ProcessRun;
  readonly capture: Capture;
  readonly began: "started" | "no-folder" | "broken";
  readonly exitCode: number;
  readonly killBytes: number;
}

function reportFor({ run, capture, began, exitCode, killBytes }: Ending): Report {
  const { limit, job } = run;
  const { stdout, stderr, truncated } = capture.finish(limit.cut !== null);
  const output = {
    stdout: stdout.text,
    stderr: stderr.text,
    ...(stdout.encoding === "base64" ? { stdoutEncoding: stdout.encoding } : {}),
    ...(stderr.encoding === "base64" ? { stderrEncoding: stderr.encoding } : {}),
    ...(truncated === undefined ? {} : { truncated }),
  };
  if (limit.cut !== null) {
    return { ...cutReport(limit.cut, limit.timeoutMs, killBytes), ...output };
  }
  if (began === "no-folder") {
    return reportOf("failed", `The folder ${job.cwd} does not exist, or the cage does not show it`);
  }
  if (began === "broken") {
    return { ...reportOf("failed", "The cage ended before the task began"), ...output };
  }
  return { ...output, exitCode, error: exitSentence(exitCode), outcome: "done" };
}
