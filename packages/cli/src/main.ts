// The process: the only file of this package that knows `process`. It makes the Host, turns signals
// into AbortSignals, and ends with the exit code that the command gave.

import { on } from "node:events";
import { mkdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { systemClock } from "@openclaw-worker/base";
import type { Host, Output } from "./host.ts";
import { runCli } from "./program.ts";

// One Ctrl-C often arrives twice: from the terminal, and again from npm, which passes it on.
const sameInterruptMs = 500;
const interruptedExit = 130;
// Say who and how, and cannot make a program run another. OpenSSL reads its two when the first
// connection is opened; all else that Node obeys it has read at its start.
const lastingNames = /^(HOME|LANG|LC_[A-Z]+|TZ|SSL_CERT_(FILE|DIR))$/;

const clock = systemClock();
const first = new AbortController();
const second = new AbortController();
let interruptedAt: number | null = null;

for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    if (interruptedAt === null) {
      interruptedAt = clock.monotonic();
      first.abort(new Error(`stopped by ${name}`));
    } else if (name === "SIGINT" && clock.monotonic() - interruptedAt > sameInterruptMs) {
      // Only a person is impatient; a supervisor that is sends SIGKILL.
      second.abort(new Error("stopped by a second Ctrl-C"));
      process.exit(interruptedExit);
    }
  });
}

for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // The reader (`head`, say) has seen enough.
    process.exit(error.code === "EPIPE" ? 0 : 1);
  });
}

const code = await runCli(hostOf());
await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
process.exit(code);

function hostOf(): Host {
  const user = os.userInfo();
  const installDir = path.resolve(import.meta.dirname, "../../..");
  return {
    args: process.argv.slice(2),
    env: Object.freeze({ ...process.env }),
    stdin: { isTerminal: process.stdin.isTTY, readAll, chunks, keys, readLine },
    pipes: () => ({ input: process.stdin, output: process.stdout }),
    stdout: output(process.stdout),
    stderr: output(process.stderr),
    uid: process.geteuid?.() ?? -1,
    home: os.homedir(),
    hostname: os.hostname(),
    shell: user.shell ?? "",
    cwd: workingFolder(),
    platform: process.platform,
    nodeVersion: process.versions.node,
    nodePath: process.execPath,
    installDir,
    launcher: path.resolve(import.meta.dirname, "../bin/openclaw-worker.cjs"),
    clock,
    signal: first.signal,
    hurry: second.signal,
    settleIn(folder) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      process.chdir(folder);
      for (const name of Object.keys(process.env)) {
        if (!lastingNames.test(name)) delete process.env[name];
      }
      process.env["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin";
    },
    become({ file, args, env }) {
      if (process.execve === undefined) throw new Error("this system cannot replace a process");
      return process.execve(file, [file, ...args], { ...env });
    },
  };
}

async function readAll(): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(chunks()));
}

async function* chunks(): AsyncIterable<Buffer> {
  for await (const chunk of process.stdin) yield Buffer.from(chunk);
}

async function* keys(signal: AbortSignal): AsyncIterable<string> {
  const { stdin } = process;
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  try {
    for await (const [text] of on(stdin, "data", { signal }))
      if (typeof text === "string") yield text;
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
  }
}

async function readLine(signal: AbortSignal): Promise<string | null> {
  const lines = createInterface({ input: process.stdin, signal });
  try {
    for await (const line of lines) return line;
    return null;
  } finally {
    lines.close();
  }
}

function output(stream: NodeJS.WriteStream): Output {
  return {
    isTerminal: stream.isTTY,
    get columns() {
      return stream.columns ?? 80;
    },
    get rows() {
      return stream.rows ?? 24;
    },
    write: (data) => {
      stream.write(data);
    },
    drained: () => (stream.writableNeedDrain ? flushed(stream) : Promise.resolve()),
  };
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write("", () => resolve()));
}

// The folder may have been removed, or be closed to this user.
function workingFolder(): string {
  try {
    return process.cwd();
  } catch {
    return "/";
  }
}
