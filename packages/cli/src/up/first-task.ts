// The first task: through the queue, into the cage and back, so that a person sees it work.

import type { Client } from "@openclaw-worker/client";
import { durationText } from "../duration.ts";
import type { Host } from "../host.ts";
import { paintOf } from "../paint.ts";
import { printResult } from "../show.ts";

const command = 'echo "Hello from your own computer, caged"';
// A policy that asks a person first would keep it waiting: then it is taken back.
const patienceMs = 30_000;

/**
 * Runs it and shows it with its time. A refusal is shown too: it ends nothing. Where every worker is
 * stopped there is none: it would only wait.
 */
export async function runFirstTask(host: Host, client: Client): Promise<void> {
  const paint = paintOf(host, host.stdout);
  if (await areStopped(client, host.signal)) {
    host.stdout.write(
      `\n${paint.yellow("The worker is stopped:")} it takes no task until  openclaw-worker resume\n`,
    );
    return;
  }
  const late = new AbortController();
  using _ = host.clock.after(patienceMs, () => late.abort(new Error("no result in time")));
  const startedAt = host.clock.monotonic();
  const accepted = await client.submit(
    { kind: "command", command, ttlMs: patienceMs },
    host.signal,
  );
  host.stdout.write(`\nA first task:\n${paint.cyan(`$ ${command}`)}\n`);
  try {
    const result = await client.wait(accepted.taskId, {
      signal: AbortSignal.any([host.signal, late.signal]),
    });
    printResult(host, result);
    const took = durationText(host.clock.monotonic() - startedAt);
    host.stdout.write(paint.dim(`(${result.outcome}, ${took} there and back)\n`));
  } catch (thrown) {
    if (!late.signal.aborted || host.signal.aborted) throw thrown;
    await client.cancel(accepted.taskId, host.signal);
    host.stdout.write(`It has no result after ${durationText(patienceMs)}: cancelled.\n`);
  }
}

async function areStopped(client: Client, signal: AbortSignal): Promise<boolean> {
  const workers = await client.workers(signal);
  const here = workers.filter(({ state }) => state !== "away");
  return here.length > 0 && here.every(({ state }) => state === "stopped");
}
