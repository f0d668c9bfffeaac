// One task from a call to its answer: submitted, waited for with progress, cancelled with the call.

import type { Clock } from "@openclaw-worker/base";
import type { Client, TaskRequest, TaskView } from "@openclaw-worker/client";
import { exitSentence, type Result } from "@openclaw-worker/protocol";
import { waitMsMax, type TaskOutput } from "./words.ts";

/** What a tool knows of the call that it answers. */
export interface Call {
  readonly signal: AbortSignal;
  /** Tells the client that it still goes on; a no-op when it did not ask. */
  readonly progress: (elapsedMs: number, message: string) => void;
}

export interface Desk {
  readonly client: Client;
  readonly clock: Clock;
}

const progressMs = 3_000;
const farewellMs = 5_000;

/** Submits, and waits at most `waitMs`. A call that is given up cancels its task. */
export async function deliver(
  desk: Desk,
  request: TaskRequest,
  call: Call & { readonly waitMs: number | undefined },
): Promise<TaskOutput> {
  const { taskId, online } = await desk.client.submit(request, call.signal);
  try {
    const view = await look(desk, taskId, { ...call, waitMs: call.waitMs ?? waitMsMax });
    if (view.state === "finished") return outputOf(view.result);
    return waiting(taskId, view, online);
  } catch (thrown) {
    if (call.signal.aborted) await cancelled(desk, taskId);
    throw thrown;
  }
}

/** The task now, or after at most `waitMs`. */
export async function look(
  { client, clock }: Desk,
  taskId: string,
  call: Call & { readonly waitMs: number },
): Promise<TaskView> {
  const begin = clock.monotonic();
  const elapsed = (): number => clock.monotonic() - begin;
  using _progress = clock.every(progressMs, () =>
    call.progress(elapsed(), `waiting for task ${taskId}`),
  );
  return await client.get(taskId, call.waitMs, call.signal);
}

async function cancelled({ client, clock }: Desk, taskId: string): Promise<void> {
  const limit = new AbortController();
  using _limit = clock.after(farewellMs, () => limit.abort());
  await client.cancel(taskId, limit.signal).catch(() => {});
}

export function waiting(
  taskId: string,
  view: Extract<TaskView, { readonly state: "waiting" }>,
  online: boolean,
): TaskOutput {
  const { status, phase } = view;
  const why = online
    ? "It has not ended yet"
    : "No computer for it is connected: it waits in the queue";
  return { taskId, status, phase, message: `${why}. Ask again with the tool task.` };
}

export function outputOf(result: Result): TaskOutput {
  const { taskId, status, outcome, worker, exitCode, stdout, stderr, error, hint } = result;
  const encoding = result.stdoutEncoding ?? result.encoding;
  return {
    taskId,
    status,
    outcome,
    worker,
    exitCode,
    stdout,
    stderr,
    error,
    ...(encoding === undefined ? {} : { stdoutEncoding: encoding }),
    ...(hint === undefined ? {} : { hint }),
  };
}

/** The same for a model that reads text only. */
export function textOf(output: TaskOutput): string {
  const { outcome, stdout = "", stderr = "", error, hint, message, worker, exitCode } = output;
  if (outcome === undefined)
    return `Task ${output.taskId} is ${output.status}. ${message ?? ""}`.trim();
  const lines = [
    ...(stdout === "" ? [] : [stdout.replace(/\n$/, "")]),
    ...(stderr === "" ? [] : [`stderr:\n${stderr.replace(/\n$/, "")}`]),
    ...(error === null || error === undefined ? [] : [`error: ${error}`]),
    ...(hint === undefined || error?.includes(hint) === true ? [] : [`hint: ${hint}`]),
    `(${outcome}${exitCode === undefined || exitSentence(exitCode) === null ? "" : `, exit code ${exitCode}`} on ${worker ?? "no computer"})`,
  ];
  return lines.join("\n");
}
