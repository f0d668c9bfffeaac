// A task from the command line and back: submit, wait, print what the program printed, end as it did.

import { createClient, type Client, type TaskRequest } from "@openclaw-worker/client";
import { limits, type Result } from "@openclaw-worker/protocol";
import { findConnection, type ConnectionFlags } from "./connection.ts";
import { durationText } from "./duration.ts";
import { exitCodes, usageFailure } from "./failure.ts";
import type { Host } from "./host.ts";
import { keyFileOf, readKey } from "./key/own.ts";
import { paintOf } from "./paint.ts";
import { exitCodeOfResult, printResult } from "./show.ts";
import type { TaskFlags } from "./task-flags.ts";

// A person waits: a server that is not there is told soon, one that restarts is forgiven.
const patienceMs = 2_000;
// How long a cancelled task may take to tell its end before we leave.
const farewellMs = 3_000;

export function connect(host: Host, flags: ConnectionFlags): Client {
  return createClient({ ...findConnection(host, flags), clock: host.clock, patienceMs });
}

/** Submits the task, waits for it and prints it. The exit code is the result's. */
export async function deliver(host: Host, flags: TaskFlags, request: TaskRequest): Promise<number> {
  const { timeout } = request;
  if (timeout !== undefined && timeout !== 0) checkTimeout(timeout);
  using client = connect(host, flags);
  // Whoever has a key signs: a worker that wants no signature minds none.
  const sign = readKey(host, keyFileOf(host));
  const signed = sign === null ? request : { ...request, sign };
  const accepted = await client.submit(signed, host.signal);
  const { taskId, online } = accepted;
  if (flags.detach === true) {
    host.stdout.write(flags.json === true ? `${JSON.stringify(accepted)}\n` : `${taskId}\n`);
    return exitCodes.ok;
  }
  if (!online) {
    const paint = paintOf(host, host.stderr);
    host.stderr.write(
      `${paint.dim(`No worker for this is online: task ${taskId} waits in the queue (Ctrl-C cancels it)`)}\n`,
    );
  }
  const result = await waitOrCancel(host, client, taskId);
  if (result === null) return exitCodes.cancelled;
  if (flags.json === true) host.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else printResult(host, result);
  return host.signal.aborted ? exitCodes.cancelled : exitCodeOfResult(result);
}

/** The result; after Ctrl-C the task is cancelled first, and null says that its end was not seen. */
async function waitOrCancel(host: Host, client: Client, taskId: string): Promise<Result | null> {
  try {
    return await client.wait(taskId, { signal: host.signal });
  } catch (thrown) {
    if (!host.signal.aborted) throw thrown;
  }
  const stop = new AbortController();
  using _ = host.clock.after(farewellMs, () => stop.abort(new Error("no answer in time")));
  try {
    await client.cancel(taskId, stop.signal);
    return await client.wait(taskId, { signal: stop.signal });
  } catch {
    host.stderr.write(
      `Asked to cancel task ${taskId}; its end was not seen. ` +
        `Look again: openclaw-worker task ${taskId}\n`,
    );
    return null;
  }
}

function checkTimeout(timeoutMs: number): void {
  const { timeoutMsMin, timeoutMsMax } = limits;
  if (timeoutMs >= timeoutMsMin && timeoutMs <= timeoutMsMax) return;
  throw usageFailure(
    `--timeout ${durationText(timeoutMs)} is out of range`,
    `a task may run from ${durationText(timeoutMsMin)} to ${durationText(timeoutMsMax)}`,
    "Give a time in that range, or leave --timeout away for the usual one.",
  );
}
