// Starts what runs outside of a cage, and nothing else does: a command that the policy's host rules
// name, and the worker's own network gateway. Neither is given anything of the worker's environment.

import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { kill } from "node:process";
import type { Readable, Writable } from "node:stream";
import { descendantsOf, processesWith } from "./processes.ts";
import { attached, exitOf, type CagedProcess } from "./spawn.ts";
import type { TaskStreams } from "./streams.ts";

export interface OutsideStart {
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly streams: TaskStreams;
}

/**
 * Starts a command of a task, in a session and process group of its own. Takes over the descriptors
 * of `streams`. `kill` ends its whole tree, as long as it has not ended by itself: what a host
 * command leaves running on purpose, such as an application that it opened, stays.
 */
export function spawnOutside({ argv, env, streams }: OutsideStart): CagedProcess {
  const [program = "", ...args] = argv;
  const mark = randomUUID();
  const child = spawn(program, args, {
    cwd: "/",
    env: { ...env, [markName]: mark },
    detached: true,
    stdio: [streams.input.childFd, streams.stdout.childFd, streams.stderr.childFd, "pipe"],
  });
  return attached(child, streams, () => killTree(child, `${markName}=${mark}`));
}

export interface Gateway {
  readonly input: Writable;
  readonly output: Readable;
  readonly errors: Readable;
  /** Exit code; 128+n when a signal ended it; 127 when it could not be started. */
  readonly exited: Promise<number>;
  readonly kill: () => void;
}

/** Starts the network gateway: a program of the worker's own, given its work on standard input. */
export function spawnGateway(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Gateway {
  const [program = "", ...args] = argv;
  const stdio = ["pipe", "pipe", "pipe"] as const;
  const child = spawn(program, args, {
    cwd: "/",
    env: { ...env },
    detached: true,
    stdio: [...stdio],
  });
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) {
    throw new Error("a spawned child has no standard streams");
  }
  for (const stream of [stdin, stdout, stderr]) stream.on("error", ignore);
  return {
    input: stdin,
    output: stdout,
    errors: stderr,
    exited: exitOf(child),
    kill: () => void child.kill("SIGKILL"),
  };
}

/** Every process of a command carries it: a daemon has left its parents, its group and its session. */
const markName = "OPENCLAW_WORKER_RUN";

/**
 * The process group, then what has left it. Everything is stopped before anything is killed: a
 * process whose parent has died cannot be found by its parents any more, and one that runs could
 * start another meanwhile.
 */
function killTree(child: ChildProcess, mark: string): void {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const stopped = new Set([pid]);
  trySignal(-pid, "SIGSTOP");
  for (let rounds = 0; rounds < 16; rounds += 1) {
    const fresh = [...descendantsOf(pid), ...processesWith(mark)].filter(
      (one) => !stopped.has(one),
    );
    if (fresh.length === 0) break;
    for (const one of fresh) {
      stopped.add(one);
      trySignal(one, "SIGSTOP");
    }
  }
  for (const one of stopped) trySignal(one, "SIGKILL");
  trySignal(-pid, "SIGKILL");
}

function trySignal(pid: number, signal: "SIGSTOP" | "SIGKILL"): void {
  try {
    kill(pid, signal);
  } catch {
    // It has ended between the look and the signal, or is another user's.
  }
}

function ignore(): void {}
