// A worker of the old protocol: polls for one task, runs it, posts `stdout` and `exitCode`. It knows
// no lease, no fence and no journal. Unlike most of its kind it tries again until it is answered.

import { setTimeout as pause } from "node:timers/promises";
import type { Wire } from "./wire.ts";

export interface OldTask {
  readonly id: string;
  readonly type: string;
  /** Empty for other kinds. */
  readonly command: string;
  readonly prompt: string;
}

export interface OldWorkerParts {
  readonly wire: Wire;
  readonly name: string;
  readonly pollMs?: number;
  readonly signal: AbortSignal;
  /** Runs the task; what it returns is its output. */
  readonly run: (task: OldTask) => Promise<string> | string;
  /** Told when the server has confirmed the result. */
  readonly confirmed?: (task: OldTask, stdout: string) => void;
}

/** Works until the signal is aborted; a task in hand is finished and its result delivered first. */
export async function runOldWorker(parts: OldWorkerParts): Promise<void> {
  const { wire, name, signal } = parts;
  while (!signal.aborted) {
    const path = `/worker/poll?wait=${parts.pollMs ?? 20_000}&workerId=${name}`;
    const polled = await wire.ask({ path, signal }).catch(() => null);
    if (polled === null) {
      await pause(10);
      continue;
    }
    if (polled.status !== 200)
      throw new Error(`a poll was answered ${polled.status}: ${polled.text}`);
    const task = oldTaskOf(polled.json());
    if (task === null) continue;
    const stdout = await parts.run(task);
    await deliver(parts, task, stdout);
  }
}

async function deliver({ wire, confirmed, signal }: OldWorkerParts, task: OldTask, stdout: string) {
  const body = { taskId: task.id, stdout, stderr: "", exitCode: 0, error: null };
  for (;;) {
    const answer = await wire
      .ask({ method: "POST", path: "/worker/result", body })
      .catch(() => null);
    if (answer?.status === 200) return confirmed?.(task, stdout);
    // Nobody will start this server again.
    if (signal.aborted) return;
    await pause(10);
  }
}

/** One task object, or null for JSON null. @throws Error for anything else: old workers crash on it */
export function oldTaskOf(value: unknown): OldTask | null {
  if (value === null) return null;
  if (typeof value === "object" && "id" in value && "type" in value) {
    const { id, type } = value;
    const command = "command" in value ? String(value.command) : "";
    const prompt = "prompt" in value ? String(value.prompt) : "";
    if (typeof id === "string" && typeof type === "string") return { id, type, command, prompt };
  }
  throw new Error(`a poll was answered with no task: ${JSON.stringify(value)}`);
}
