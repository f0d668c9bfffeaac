// A program that a test starts, watches and ends: always by its own pid.

import { spawn } from "node:child_process";
import { once } from "node:events";

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Program {
  readonly pid: number;
  /** Everything it printed so far on both streams, a line each. */
  readonly lines: readonly string[];
  /** Resolves when it has ended and its output was read. */
  readonly ended: Promise<Ending>;
  readonly isOver: boolean;
  /**
   * Resolves with the first line, printed already or later, that fits.
   * @throws Error with what was printed when it ends before
   */
  said(pattern: RegExp): Promise<RegExpExecArray>;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<Ending>;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<Ending>;
  signal(name: NodeJS.Signals): void;
}

export interface ProgramOptions {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

// The kernel ends the program when this process dies, however it dies: nothing is left behind.
const tie = ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--"] as const;

export function startProgram(options: ProgramOptions): Program {
  const [file, ...args] = [...tie, ...options.argv];
  const child = spawn(file, args, {
    env: { ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  const look = (): void => {
    for (const watcher of watchers) watcher();
  };
  let isOver = false;
  for (const stream of [child.stdout, child.stderr]) {
    readLines(stream, (line) => {
      lines.push(line);
      look();
    });
  }
  const ended = once(child, "close").then(() => {
    isOver = true;
    look();
    return { code: child.exitCode, signal: child.signalCode };
  });
  const end = (name: NodeJS.Signals): Promise<Ending> => {
    if (!isOver) child.kill(name);
    return ended;
  };

  return {
    pid: child.pid ?? -1,
    lines,
    ended,
    get isOver() {
      return isOver;
    },
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const watcher = (): void => {
          const found = lines.map((line) => pattern.exec(line)).find((match) => match !== null);
          if (found === undefined && !isOver) return;
          watchers.delete(watcher);
          if (found !== undefined) resolve(found);
          else reject(new Error(`it ended before it said ${pattern}:\n${lines.join("\n")}`));
        };
        watchers.add(watcher);
        watcher();
      }),
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
    signal: (name) => void child.kill(name),
  };
}

function readLines(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) take(part);
  });
  stream.on("end", () => {
    if (rest !== "") take(rest);
  });
}
