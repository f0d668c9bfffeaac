// A command outside of the cage: only one that the policy's host rules name comes here. It has what
// a caged command has by way of environment, folder, limits and report, and none of the walls.

import type { Clock } from "@openclaw-worker/base";
import type { Socket } from "node:net";
import type { LiveCage } from "../sandbox/cage.ts";
import { spawnOutside } from "../sandbox/outside.ts";
import { messageOf } from "../sandbox/script.ts";
import { shownIn } from "../sandbox/shown.ts";
import type { CagedProcess } from "../sandbox/spawn.ts";
import type { StreamFolder } from "../sandbox/streams.ts";
import { cageVariables, type CageEnvironment } from "../sandbox/variables.ts";
import type { Cages } from "./tools.ts";

export interface HostOptions {
  readonly clock: Clock;
  readonly streams: StreamFolder;
  readonly environment: CageEnvironment;
  /** Home of the user: absolute, without symbolic links. */
  readonly home: string;
}

/** A supply of "cages" that are none: a shell that waits for its task, on the host. */
export function openHost({ streams, environment, home }: HostOptions): Cages {
  return {
    async take(cage, signal) {
      signal.throwIfAborted();
      const opened = await streams.open();
      const child = spawnOutside({
        argv: ["/bin/bash", "--noprofile", "--norc", "-c", waiting],
        // The PATH has no folder that a task can write, and nothing is of the worker's environment.
        env: { ...cageVariables(environment, shownIn(cage), home), TMPDIR: "/tmp" },
        streams: opened,
      });
      return liveHost(child);
    },
    refill: () => {},
  };
}

// The task may be longer than an argument can be, so it comes through the channel, as in a cage.
const waiting = [
  "ulimit -c 0; unset OLDPWD _",
  "IFS= read -r -d '' -u 3 s || exit 125",
  'eval "$s"',
].join("\n");

function liveHost(child: CagedProcess): LiveCage {
  const { stdout, stderr, exited, kill } = child;
  return {
    stdout,
    stderr,
    exited,
    kill,
    async handOver(script, stdin) {
      if (stdin === undefined) child.input.close();
      else await child.input.give(stdin);
      const word = firstWord(child.control);
      child.control.end(messageOf(script));
      const said = await word;
      if (said === "s") return "started";
      return said === "c" ? "no-folder" : "broken";
    },
  };
}

/** The first byte that the shell says, or null when it has ended without one. */
function firstWord(control: Socket): Promise<string | null> {
  return new Promise((resolve) => {
    control.once("data", (chunk: Buffer) => resolve(chunk.toString("latin1").slice(0, 1)));
    control.once("end", () => resolve(null));
    control.once("close", () => resolve(null));
  });
}
