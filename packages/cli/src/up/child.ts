// One of the two programs as a child of `up`: its lines are shown as they come, some are waited for,
// and its end is told with its last words.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Clock } from "@openclaw-worker/base";
import { Failure } from "../failure.ts";
import type { Program } from "../host.ts";
import { oneLine } from "../table.ts";

export interface Child {
  readonly name: string;
  /** Resolves when the program has ended; `code` is null when a signal ended it. */
  readonly ended: Promise<Ending>;
  /** The first line of standard output that matches; fails when the program ends before. */
  line(pattern: RegExp, signal: AbortSignal): Promise<RegExpExecArray>;
  /** SIGTERM, and SIGKILL when it has not ended within `graceMs`. */
  stop(graceMs: number): Promise<void>;
  /** SIGKILL now. */
  kill(): void;
}

export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  readonly lastLines: readonly string[];
}

export interface ChildOptions {
  readonly name: string;
  readonly program: Program;
  readonly clock: Clock;
  readonly show: (line: string) => void;
  /** In a session of its own: the terminal's Ctrl-C reaches only us, who stop it in order. */
  readonly apart: boolean;
}

const lastLinesKept = 12;
// Only lines of the start are waited for; a program talks for months.
const firstLinesKept = 200;

export function startChild({ name, program, clock, show, apart }: ChildOptions): Child {
  const child = spawn(program.file, program.args, {
    env: program.env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: apart,
  });
  const said: string[] = [];
  const listeners = new Set<(line: string) => void>();
  const heard = (line: string): void => {
    show(oneLine(line));
    if (said.length < firstLinesKept) said.push(line);
  };
  const lastWords: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    heard(line);
    for (const listen of listeners) listen(line);
  });
  createInterface({ input: child.stderr }).on("line", (line) => {
    heard(line);
    lastWords.push(oneLine(line));
    if (lastWords.length > lastLinesKept) lastWords.shift();
  });
  const ended = new Promise<Ending>((resolve) => {
    child.on("error", (error) => {
      resolve({ code: 1, signal: null, lastLines: [error.message] });
    });
    child.on("close", (code, signal) => resolve({ code, signal, lastLines: lastWords }));
  });
  return {
    name,
    ended,
    line: (pattern, signal) => waitForLine({ pattern, signal, said, listeners, ended, name }),
    async stop(graceMs) {
      child.kill("SIGTERM");
      using _ = clock.after(graceMs, () => child.kill("SIGKILL"));
      await ended;
    },
    kill() {
      child.kill("SIGKILL");
    },
  };
}

/** A program that ended although nobody asked it to. */
export function endedFailure(name: string, ending: Ending): Failure {
  const how =
    ending.signal === null ? `ended with code ${ending.code}` : `was ended by ${ending.signal}`;
  const words = ending.lastLines.length === 0 ? "it said nothing" : ending.lastLines.join("\n");
  return new Failure(`The ${name} ${how}`, {
    why: words,
    remedy:
      "Mend what its last words name, then start again; `openclaw-worker doctor` may know more.",
    exitCode: ending.code === null || ending.code === 0 ? 1 : ending.code,
  });
}

interface LineWait {
  readonly name: string;
  readonly pattern: RegExp;
  readonly signal: AbortSignal;
  readonly said: readonly string[];
  readonly listeners: Set<(line: string) => void>;
  readonly ended: Promise<Ending>;
}

function waitForLine(wait: LineWait): Promise<RegExpExecArray> {
  const { name, pattern, signal, said, listeners, ended } = wait;
  return new Promise((resolve, reject) => {
    const listen = (line: string): void => {
      const match = pattern.exec(line);
      if (match !== null) finish(() => resolve(match));
    };
    const stop = (): void => finish(() => reject(signal.reason));
    const finish = (report: () => void): void => {
      listeners.delete(listen);
      signal.removeEventListener("abort", stop);
      report();
    };
    if (signal.aborted) return stop();
    listeners.add(listen);
    signal.addEventListener("abort", stop, { once: true });
    said.forEach(listen);
    void ended.then((ending) => finish(() => reject(endedFailure(name, ending))));
  });
}
