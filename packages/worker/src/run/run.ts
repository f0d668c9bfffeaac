import { messageOf, never } from "@openclaw-worker/base";
import { reportOf, type Report } from "@openclaw-worker/protocol";
import type { Job } from "../job.ts";
import { startLimit, type RunLimit } from "./limit.ts";
import { runProcess } from "./program.ts";
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
      return await runProcess(tools, { job, task: placed, limit });
    case "file-read":
      return await tools.files.read(placed, { cage: job.cage, limit });
    case "file-write":
      return await tools.files.write(placed, { cage: job.cage, limit });
    case "file-edit":
      return await tools.files.edit(placed, { cage: job.cage, limit });
    case "file-list":
      return await tools.files.list(placed, { cage: job.cage, limit });
    default:
      return never(placed);
  }
}
