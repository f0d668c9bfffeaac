// The policy and the cage, looked at by the user that the worker runs as, in a process of its own:
// as root that is another user, and the worker's code is much to load.

import { spawn } from "node:child_process";
import fs from "node:fs";
import { Failure } from "../failure.ts";
import type { Host, Program } from "../host.ts";
import { definedOf, prepareRole } from "../launch.ts";
import type { Place } from "../place.ts";
import { descend } from "../root/descend.ts";
import { fail, parseRows, warn, type Row } from "./row.ts";

const longestMs = 60_000;

export async function cageRows(host: Host, place: Place): Promise<readonly Row[]> {
  // As root, looking must not set anything up.
  if (host.uid === 0 && !fs.existsSync(place.worker)) {
    return [
      warn("cage", "not looked at", {
        why: "the worker has not been set up yet",
        do: "openclaw-worker up --with-deps",
      }),
    ];
  }
  let program: Program;
  try {
    program = selfTest(host, place);
  } catch (thrown) {
    if (!(thrown instanceof Failure)) throw thrown;
    const { why, remedy } = thrown;
    return [warn("cage", `not looked at: ${thrown.message}`, { why, do: remedy })];
  }
  const said = await outputOf(program, host);
  return (
    parseRows(said) ?? [
      fail("cage", "the self-test gave no answer", {
        why: "without a cage that was proved the worker takes no task",
        do: "Run `openclaw-worker self-test` and read what it says.",
      }),
    ]
  );
}

function selfTest(host: Host, place: Place): Program {
  const { installDir, launcher, nodePath } = host;
  const env = { ...host.env, OPENCLAW_WORKER_HOME: place.home };
  if (host.uid !== 0) {
    return { file: nodePath, args: [launcher, "self-test"], env: definedOf(env) };
  }
  const account = prepareRole("worker", { host, place, make: false, env: {}, tied: true });
  return descend({ account, installDir, launcher, nodePath, args: ["self-test"], env, tied: true });
}

function outputOf(program: Program, host: Host): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(program.file, program.args, {
      env: program.env,
      stdio: ["ignore", "pipe", "ignore"],
      signal: AbortSignal.any([host.signal, host.hurry]),
    });
    const late = host.clock.after(longestMs, () => child.kill("SIGKILL"));
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    const end = (): void => {
      late.cancel();
      resolve(Buffer.concat(chunks).toString("utf8"));
    };
    child.on("error", end);
    child.on("close", end);
  });
}
