// Everything that a run starts. All of it is stopped by its pid, also when the run is interrupted,
// and dies with this process when this process is killed.

import { spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { fieldsOf } from "./fields.ts";

export interface Program {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface Running {
  readonly pid: number;
  /** The first line on stdout that matches. Rejects when the program ends before. */
  line(pattern: RegExp): Promise<string>;
  /** SIGTERM, and SIGKILL when that is not obeyed. */
  stop(): Promise<void>;
}

/** A small program of the bench that does one thing when it is asked. */
export interface Aide extends Running {
  ask(op: string, params?: Readonly<Record<string, unknown>>): Promise<unknown>;
  number(op: string, params?: Readonly<Record<string, unknown>>): Promise<number>;
}

export interface Crew extends AsyncDisposable {
  start(program: Program): Running;
  aide(name: AideName): Promise<Aide>;
  /** At once and without waiting: for the end of this process. */
  killAll(): void;
}

export interface CrewOptions {
  readonly node: string;
  readonly env: Readonly<Record<string, string>>;
}

interface Launched {
  readonly child: ChildProcess;
  readonly running: Running;
  readonly complaint: () => string;
}

/** Named one by one, so that a tool that looks for unused files sees that these are used. */
const aides = {
  answerer: import.meta.resolve("./aide/answerer.ts"),
  "bare-parking": import.meta.resolve("./aide/bare-parking.ts"),
  decider: import.meta.resolve("./aide/decider.ts"),
  filler: import.meta.resolve("./aide/filler.ts"),
  load: import.meta.resolve("./aide/load.ts"),
  parker: import.meta.resolve("./aide/parker.ts"),
  relay: import.meta.resolve("./aide/relay.ts"),
  runner: import.meta.resolve("./aide/runner.ts"),
  spawner: import.meta.resolve("./aide/spawner.ts"),
} as const;
type AideName = keyof typeof aides;

const obeyMs = 8_000;
const setpriv = "/usr/bin/setpriv";

export function createCrew({ node, env }: CrewOptions): Crew {
  const children = new Set<ChildProcess>();

  const launch = (program: Program, ipc: boolean): Launched => {
    const tied = fs.existsSync(setpriv) ? [setpriv, "--pdeathsig", "TERM", "--"] : [];
    const [file = "", ...args] = [...tied, ...program.argv];
    const child = spawn(file, args, {
      env: { ...program.env },
      stdio: ["ignore", "pipe", "pipe", ...(ipc ? (["ipc"] as const) : [])],
    });
    children.add(child);
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    exited.then(() => children.delete(child));
    const printed = listen(child);
    const running: Running = {
      pid: child.pid ?? -1,
      line: printed.line,
      async stop() {
        if (!children.has(child)) return;
        child.kill("SIGTERM");
        const hard = setTimeout(() => child.kill("SIGKILL"), obeyMs);
        await exited;
        clearTimeout(hard);
      },
    };
    return { child, running, complaint: printed.complaint };
  };

  return {
    start: (program) => launch(program, false).running,
    async aide(name) {
      const argv = [node, "--conditions=source", fileURLToPath(aides[name])];
      const { child, running, complaint } = launch({ argv, env }, true);
      const ask = askOf(child, complaint);
      await ask("ready", {});
      return {
        ...running,
        ask: (op, params = {}) => ask(op, params),
        async number(op, params = {}) {
          return fieldsOf({ value: await ask(op, params) }).number("value");
        },
      };
    },
    killAll() {
      for (const child of children) child.kill("SIGKILL");
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...children].map((child) => ended(child)));
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => child.once("exit", resolve));
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const hard = setTimeout(() => child.kill("SIGKILL"), obeyMs);
  await exited;
  clearTimeout(hard);
}

interface Printed extends Pick<Running, "line"> {
  /** The end of what it wrote to stderr. */
  readonly complaint: () => string;
}

function listen(child: ChildProcess): Printed {
  let text = "";
  let complaint = "";
  const watchers = new Set<() => void>();
  const look = (): void => {
    for (const watcher of watchers) watcher();
  };
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    // Only what is printed at the start is looked for: a log may grow for hours.
    if (text.length < 65_536) text += chunk;
    look();
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    complaint = `${complaint}${chunk}`.slice(-2_000);
  });
  child.once("exit", look);
  child.once("error", look);
  return {
    complaint: () => complaint.trim(),
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const watcher = (): void => {
          const found = text.split("\n").find((line) => pattern.test(line));
          const over =
            child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
          if (found === undefined && !over) return;
          watchers.delete(watcher);
          if (found !== undefined) resolve(found);
          else reject(new Error(`${child.spawnargs.join(" ")} ended: ${complaint.trim()}`));
        };
        watchers.add(watcher);
        watcher();
      }),
  };
}

function askOf(child: ChildProcess, complaint: () => string) {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let count = 0;
  child.on("message", (message) => {
    const fields = fieldsOf(message);
    const one = waiting.get(fields.number("id"));
    waiting.delete(fields.number("id"));
    if (typeof message === "object" && message !== null && "error" in message) {
      one?.reject(new Error(String(message.error)));
    } else if (typeof message === "object" && message !== null && "value" in message) {
      one?.resolve(message.value);
    } else one?.resolve(undefined);
  });
  child.once("close", (code, signal) => {
    const why = `${child.spawnargs.at(-1)} ended (${code ?? signal}): ${complaint()}`;
    for (const one of waiting.values()) one.reject(new Error(why));
  });
  return (op: string, params: Readonly<Record<string, unknown>>): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = (count += 1);
      waiting.set(id, { resolve, reject });
      child.send({ id, op, params }, (error) => {
        if (error !== null) reject(error);
      });
    });
}
