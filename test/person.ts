// A person at a computer: the real command, in a home of its own.

import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import type { Stage } from "./stage.ts";

export interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Person {
  readonly home: string;
  /** Runs `openclaw-worker` with these arguments to its end. */
  cli(...args: readonly string[]): Promise<Said>;
  /** The same; what it printed is JSON. Throws with what it said when it failed. */
  json(...args: readonly string[]): Promise<unknown>;
  /** Makes or shows this person's key. */
  key(verb: "new" | "show"): Promise<PublicHalf>;
}

export interface PublicHalf {
  readonly publicKey: string;
  readonly fingerprint: string;
}

export const launcher = path.resolve(import.meta.dirname, "../bin/openclaw-worker.cjs");

/** A person whose home is the folder `name` of the stage: `desk` is the first worker's user. */
export function openPerson(stage: Stage, name: string): Person {
  const home = path.join(stage.folder, name);
  mkdirSync(home, { recursive: true });
  const env = {
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    HOME: home,
    WORKER_URL: stage.url,
    WORKER_TOKEN: stage.token,
  };
  const cli = (...args: readonly string[]): Promise<Said> => run(args, env);
  const json = async (...args: readonly string[]): Promise<unknown> => {
    const { code, out, err } = await cli(...args, "--json");
    if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${err}`);
    return JSON.parse(out);
  };
  return {
    home,
    cli,
    json,
    async key(verb) {
      const text = JSON.stringify(await json("key", verb));
      const [, publicKey = ""] = /"publicKey":"([^"]+)"/.exec(text) ?? [];
      const [, fingerprint = ""] = /"fingerprint":"([^"]+)"/.exec(text) ?? [];
      return { publicKey, fingerprint };
    },
  };
}

function run(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Said> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [launcher, ...args], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
  });
}
