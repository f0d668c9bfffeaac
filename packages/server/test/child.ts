// A server in a process of its own, as it is run for real.

import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "./folder.ts";

export const childToken = "a-token-for-a-child-process";

export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Child extends AsyncDisposable {
  readonly process: ChildProcess;
  /** The address that it printed. Rejects when it ends before. */
  readonly url: Promise<string>;
  readonly ending: Promise<Ending>;
}

export interface ChildOptions {
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Program and arguments that run the server, as strace and prlimit do. */
  readonly under?: readonly string[];
}

// The server never runs as root: where the tests do, their servers run as nobody.
const isRoot = process.getuid?.() === 0;
export const serverUid = isRoot ? 65_534 : undefined;

/** A home folder that the child's user owns. */
export const childHome = () => temporaryFolder(serverUid);

export function startServer({ home, env = {}, under = [] }: ChildOptions): Child {
  const program = [
    process.execPath,
    "--conditions=source",
    fileURLToPath(new URL("fixtures/server.ts", import.meta.url)),
  ];
  const [command = "", ...args] = [...under, ...program];
  const child = spawn(command, args, {
    cwd: "/",
    env: {
      PATH: process.env["PATH"],
      HOME: home,
      WORKER_PORT: "0",
      WORKER_TOKEN: childToken,
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
    ...(serverUid === undefined ? {} : { uid: serverUid, gid: serverUid }),
  });
  const url = Promise.withResolvers<string>();
  const ending = Promise.withResolvers<Ending>();
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    const found = /^Listening on (\S+)$/m.exec(stdout)?.[1];
    if (found !== undefined) url.resolve(found);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.once("error", (error) => url.reject(error));
  child.once("close", (code, signal) => {
    url.reject(new Error(`the server ended: ${code ?? signal} ${stderr}`));
    ending.resolve({ code, signal, stdout, stderr });
  });
  url.promise.catch(() => {});
  return {
    process: child,
    url: url.promise,
    ending: ending.promise,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ending.promise;
    },
  };
}
