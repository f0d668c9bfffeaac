// The real server with its real queue and store, a worker of the test's own that answers what the
// test says, and the command as a real process.

import { spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { silentLog, systemClock } from "@openclaw-worker/base";
import { limits, pollAnswerSchema, type Spec } from "@openclaw-worker/protocol";
import { createApp, createGuard, openQueue, openSqliteStore } from "@openclaw-worker/server";

export const token = "a-token-of-the-test-0123456789";
export const launcher = path.resolve(import.meta.dirname, "../bin/openclaw-worker.cjs");

export interface Ran {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Buffer;
  readonly onStart?: (child: ChildProcess) => void;
}

export interface Stage extends AsyncDisposable {
  readonly url: string;
  readonly folder: string;
  /** Runs `openclaw-worker` with the stage's address and token. */
  cli(args: readonly string[], options?: RunOptions): Promise<Ran>;
}

/** What the test's worker answers; `cancelled` aborts when the task's end is asked for. */
export type Answering = (spec: Spec, cancelled: AbortSignal) => Promise<object> | object;

export async function openStage(answer: Answering | null): Promise<Stage> {
  const stack = new AsyncDisposableStack();
  const folder = await temporaryFolder(stack);
  const clock = systemClock();
  const log = silentLog;
  const store = openSqliteStore(path.join(folder, "tasks.db"));
  const { leaseMs, retentionMs, queuedTasksMax, parkedRequestsMax } = limits;
  const kept = { leaseMs, retentionMs, queuedTasksMax, parkedRequestsMax };
  const queue = await openQueue({ store, clock, log, ...kept });
  stack.use(queue);
  const chat = { baseUrl: "http://127.0.0.1:1", token: null };
  const app = await createApp({ queue, store, clock, log, guard: createGuard(token), chat });
  const url = await app.listen({ port: 0, host: "127.0.0.1" });
  stack.defer(async () => {
    queue.stop();
    app.server.closeAllConnections();
    await app.close();
  });
  if (answer !== null) await startWorker(url, answer, stack);
  return {
    url,
    folder,
    cli: (args, options = {}) =>
      runLauncher(args, {
        ...options,
        env: {
          WORKER_URL: url,
          WORKER_TOKEN: token,
          OPENCLAW_WORKER_HOME: path.join(folder, "home"),
          ...options.env,
        },
      }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** The command as a process of its own, with this environment and no other. */
export function runLauncher(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return runProgram(process.execPath, [launcher, ...args], options);
}

export function runProgram(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const env = { PATH: "/usr/bin:/bin", HOME: os.tmpdir(), ...options.env };
    const child = spawn(file, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.stdin.on("error", () => {});
    child.on("error", reject);
    child.on("close", (code) => {
      const stdout = Buffer.concat(out);
      resolve({ code, stdout, out: stdout.toString(), err: Buffer.concat(err).toString() });
    });
    child.stdin.end(options.stdin ?? "");
    options.onStart?.(child);
  });
}

export async function temporaryFolder(stack: AsyncDisposableStack): Promise<string> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "openclaw-cli-"));
  stack.defer(() => fs.rm(folder, { recursive: true, force: true }));
  return folder;
}

async function startWorker(
  url: string,
  answer: Answering,
  stack: AsyncDisposableStack,
): Promise<void> {
  const stop = new AbortController();
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const instance = "instance-of-the-test";
  const running = new Map<string, AbortController>();
  let order = 0;
  const live = async (task: { id: string; fence: number; spec: Spec }): Promise<void> => {
    const cancelled = new AbortController();
    running.set(task.id, cancelled);
    const held = { taskId: task.id, fence: task.fence };
    const started = { ...held, worker: "home", instance, startedAt: Date.now() };
    await fetch(`${url}/worker/started`, {
      method: "POST",
      headers,
      body: JSON.stringify(started),
    });
    const report = await answer(task.spec, cancelled.signal);
    running.delete(task.id);
    const body = {
      taskId: task.id,
      fence: task.fence,
      instance,
      stdout: "",
      exitCode: 0,
      ...report,
    };
    const request = { method: "POST", headers, body: JSON.stringify(body) };
    await fetch(`${url}/worker/result`, request);
  };
  const poll = async (capacity: number, wait: number): Promise<void> => {
    order += 1;
    const query = `capacity=${capacity}&wait=${wait}&workerId=home&instance=${instance}&order=${order}`;
    const reply = await fetch(`${url}/worker/poll?${query}`, { headers, signal: stop.signal });
    const { tasks, cancel } = pollAnswerSchema.parse(await reply.json());
    for (const held of cancel) running.get(held.taskId)?.abort();
    for (const task of tasks) void live(task).catch(() => {});
  };
  // The server knows this worker before the test begins.
  const introduction = { name: "home", instance, labels: [], version: "0", platform: "test" };
  const beat = { worker: { ...introduction, slots: 4, policyDigest: "none" }, held: [] };
  await fetch(`${url}/worker/beat`, { method: "POST", headers, body: JSON.stringify(beat) });
  await poll(4, 0);
  const loop = (async () => {
    while (!stop.signal.aborted) await poll(4, 20_000);
  })().catch(() => {});
  stack.defer(async () => {
    stop.abort();
    await loop;
  });
}
