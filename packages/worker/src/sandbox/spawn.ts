// The one file that starts processes, and so the one that knows process groups and raw descriptors.
// A task is given FIFOs and a file, not the socket pairs that Node makes: a socket cannot be opened
// again through /dev/stdout, /dev/stderr or /dev/stdin, which scripts do.

import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { Socket } from "node:net";
import { geteuid, kill } from "node:process";
import type { Readable } from "node:stream";
import type { Clock } from "@openclaw-worker/base";
import type { TaskInput, TaskStreams } from "./streams.ts";

export interface CagedProcess {
  readonly input: TaskInput;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** File descriptor 3 of the child, both ways. */
  readonly control: Socket;
  /** Exit code; 128+n when a signal ended it; 127 when it could not be started. */
  readonly exited: Promise<number>;
  /**
   * Ends what still waits, gently: a cage that reads the end of its control channel exits. While
   * bubblewrap is still building, this is the only way that leaves nothing: killed in the moment
   * between its clone and its uid map, its inner half would wait for ever.
   */
  readonly hangUp: () => void;
  /** SIGKILL, for a cage that is built: everything in it dies. Output stays readable. */
  readonly kill: () => void;
}

export interface CagedStart {
  readonly argv: readonly string[];
  /** The whole environment of what builds the cage. */
  readonly env: Readonly<Record<string, string>>;
  readonly streams: TaskStreams;
  /** The filter of system calls, open at its beginning: the child's descriptor 4. */
  readonly filterFd: number;
}

/** Starts a cage. Takes over the descriptors of `streams`; `filterFd` stays the caller's. */
export function spawnCaged({ argv, env, streams, filterFd }: CagedStart): CagedProcess {
  const [program = "", ...args] = argv;
  const { input, stdout, stderr } = streams;
  const child = spawn(program, args, {
    cwd: "/",
    env: { ...env },
    // A session of its own: Ctrl-C at the worker's terminal is the worker's to handle.
    detached: true,
    stdio: [input.childFd, stdout.childFd, stderr.childFd, "pipe", filterFd],
  });
  return attached(child, streams, () => void child.kill("SIGKILL"));
}

/** A started child with its streams and its control channel; `end` kills all that it started. */
export function attached(child: ChildProcess, streams: TaskStreams, end: () => void): CagedProcess {
  streams.closeChildSide();
  const exited = exitOf(child);
  const control = child.stdio[3];
  if (!(control instanceof Socket)) throw new Error("a spawned child has no control channel");
  control.on("error", ignore);
  const { input, stdout, stderr } = streams;
  const hangUp = (): void => {
    control.destroy();
    input.close();
  };
  return {
    input,
    stdout: openReader(stdout.ownFd),
    stderr: openReader(stderr.ownFd),
    control,
    exited,
    hangUp,
    kill() {
      end();
      hangUp();
    },
  };
}

/** Kills processes that an earlier worker left; those that have ended meanwhile do not matter. */
export function killAll(pids: readonly number[]): void {
  for (const pid of pids) trySignal(pid);
}

export interface OnceOptions {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** More output than this ends the program. */
  readonly outputBytesMax: number;
  readonly signal?: AbortSignal;
}

export interface OnceResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly timedOut: boolean;
}

/**
 * Runs a small program on the host to its end, with no input; its whole process group is killed
 * after `timeoutMs` or on abort. For the worker's own tools only, never for a task.
 */
export async function runOnce(options: OnceOptions): Promise<OnceResult> {
  const [program = "", ...args] = options.argv;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...options.env },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = exitOf(child);
  let timedOut = false;
  const stop = (): void => killGroup(child);
  using _limit = options.clock.after(options.timeoutMs, () => {
    timedOut = true;
    stop();
  });
  options.signal?.addEventListener("abort", stop, { once: true });
  if (options.signal?.aborted) stop();
  const stdout = collect(child.stdout, options.outputBytesMax, stop);
  const stderr = collect(child.stderr, options.outputBytesMax, stop);
  const exitCode = await exited;
  options.signal?.removeEventListener("abort", stop);
  // What the program left running may hold the pipes: wait only for what is already there.
  await Promise.race([Promise.all([stdout.ended, stderr.ended]), options.clock.sleep(100)]);
  child.stdout.destroy();
  child.stderr.destroy();
  return { exitCode, stdout: stdout.bytes(), stderr: stderr.bytes(), timedOut };
}

/** The user that this process runs as, or -1 where the system has no such number. */
export function effectiveUserId(): number {
  return geteuid?.() ?? -1;
}

/** Exit code; 128+n when a signal ended it; 127 when it could not be started. */
export function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once("error", () => resolve(127));
    child.once("exit", (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/**
 * Reads a pipe into one block of memory that is used again and again: a task that prints a gigabyte
 * would else leave as much behind for the collector. So what a listener of `data` is given is its own
 * only until it returns. Reading begins with the first listener.
 */
function openReader(fd: number): Readable {
  const buffer = Buffer.allocUnsafeSlow(readBytes);
  const reader: Socket = new Socket({
    fd,
    readable: true,
    writable: false,
    onread: {
      buffer,
      callback: (count) => {
        reader.emit("data", buffer.subarray(0, count));
        return true;
      },
    },
  });
  reader.pause();
  reader.on("newListener", (event) => {
    if (event === "data") reader.resume();
  });
  reader.on("error", ignore);
  return reader;
}

/** What a pipe holds (pipe(7)). */
const readBytes = 65_536;

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  trySignal(-child.pid);
}

function trySignal(pid: number): void {
  try {
    kill(pid, "SIGKILL");
  } catch {
    // It has ended between the look and the signal.
  }
}

function collect(stream: Readable, bytesMax: number, overflow: () => void) {
  const chunks: Buffer[] = [];
  let length = 0;
  const ended = new Promise<void>((resolve) => {
    stream.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > bytesMax) return overflow();
      chunks.push(chunk);
    });
    stream.once("close", resolve);
    stream.on("error", ignore);
  });
  return { ended, bytes: () => Buffer.concat(chunks) };
}

function ignore(): void {}
