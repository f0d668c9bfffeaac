// Runs a job where it is to run: a file by the worker itself, a command in a cage without network, in
// one with, or outside of any.

import { messageOf, never } from "@openclaw-worker/base";
import { reportOf, type Report } from "@openclaw-worker/protocol";
import type { Job } from "../job.ts";
import { startLimit, type RunLimit } from "./limit.ts";
import { offline } from "../sandbox/network/network.ts";
import { hintFor } from "./hint.ts";
import { runProcess, type ProcessRun } from "./program.ts";
import type { Tools } from "./tools.ts";

/** Runs a job of any kind to its end. Never throws. */
export async function runJob(tools: Tools, job: Job): Promise<Report> {
  const startedAt = tools.clock.now();
  const begin = tools.clock.monotonic();
  using limit = startLimit(tools.clock, job.timeoutMs, job.signal);
  const report = await runKind(tools, job, limit).catch((error: unknown) =>
    reportOf("failed", `The worker could not run the task: ${messageOf(error)}`),
  );
  return { ...report, startedAt, durationMs: Math.max(0, tools.clock.monotonic() - begin) };
}

async function runKind(tools: Tools, job: Job, limit: RunLimit): Promise<Report> {
  const { placed } = job;
  switch (placed.kind) {
    case "command":
    case "exec":
      return await runSomewhere(tools, { job, task: placed, limit });
    case "file-read":
      return await tools.files.read(placed, { cage: job.cage, limit, limits: job.limits });
    case "file-write":
      return await tools.files.write(placed, { cage: job.cage, limit, limits: job.limits });
    case "file-edit":
      return await tools.files.edit(placed, { cage: job.cage, limit, limits: job.limits });
    case "file-list":
      return await tools.files.list(placed, { cage: job.cage, limit, limits: job.limits });
    default:
      return never(placed);
  }
}

/** Outside of the cage, in one with network, or in one of the pool: as the job says. */
async function runSomewhere(tools: Tools, run: ProcessRun): Promise<Report> {
  const { job } = run;
  if (job.outside === true) {
    if (tools.host === undefined) return cannot("run anything outside of its cage");
    return await runProcess({ ...tools, pool: tools.host }, run);
  }
  const domains = job.cage.domains ?? [];
  if (domains.length === 0) {
    const caged = { ...job, cage: offline(job.cage) };
    return hinted(await runProcess(tools, { ...run, job: caged }), { tools, run, refused: [] });
  }
  if (tools.network === undefined) return cannot("give a task network");
  const network = tools.network.forTask();
  const report = await runProcess({ ...tools, pool: network }, run);
  return hinted(report, { tools, run, refused: network.refused().map(({ host }) => host) });
}

function cannot(what: string): Report {
  return reportOf("failed", `This worker cannot ${what}`);
}

interface Hinting {
  readonly tools: Tools;
  readonly run: ProcessRun;
  readonly refused: readonly string[];
}

/** A command that the cage stopped is told what would open it. */
function hinted(report: Report, { tools, run, refused }: Hinting): Report {
  if (report.outcome !== "done" || report.exitCode === 0 || report.hint !== undefined)
    return report;
  const { task, job } = run;
  const { policyFile = "the policy file" } = tools;
  const hint = hintFor({ task, cwd: job.cwd, cage: job.cage, refused, report, policyFile });
  return hint === null ? report : { ...report, hint };
}
