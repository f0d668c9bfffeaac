// Starts bare programs from a small Node process, and says how long they took.

import { spawn } from "node:child_process";
import type { Fields } from "../fields.ts";
import { inLanes } from "./lanes.ts";
import { serve } from "./serve.ts";

serve({
  /** One program to its end, its output read: milliseconds. */
  one: (params) => run(params),
  /** Many of them, some at a time: the whole time, and each one's. */
  many: (params) => inLanes(params, run),
});

function run(params: Fields): Promise<number> {
  const [file = "", ...args] = params.texts("argv");
  const env = params.texts("env").map((pair) => pair.split(/=(.*)/s, 2));
  return new Promise((resolve, reject) => {
    const from = performance.now();
    const child = spawn(file, args, {
      stdio: ["ignore", "pipe", "inherit"],
      env: env.length === 0 ? process.env : Object.fromEntries(env),
    });
    let bytes = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    child.once("error", reject);
    child.once("close", (code, signal) => {
      const ms = performance.now() - from;
      if (code === 0 && bytes >= params.number("bytesMin")) resolve(ms);
      else
        reject(new Error(`${file} ${args.join(" ")} ended with ${code ?? signal}, ${bytes} bytes`));
    });
  });
}
