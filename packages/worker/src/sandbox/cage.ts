// One cage, used once:
//
//   waiting ──handOver──▶ running ──▶ exited
//      └────────kill─────────┴──────────▲
//
// It waits inside with everything mounted; the hand-over costs it a read. On file descriptor 3 it
// says `r` when it waits, and after the hand-over `s` when the task begins or `c` when the folder
// to begin in is not there. What is said later is not heard: a task cannot speak for the cage.

import type { Readable } from "node:stream";
import type { Clock } from "@openclaw-worker/base";
import type { StreamFolder } from "./streams.ts";
import { buildMs, launcherEnv } from "./launcher.ts";
import { messageOf } from "./script.ts";
import { spawnCaged, type CagedProcess } from "./spawn.ts";
import { CageUnavailable, remedyFor } from "./unavailable.ts";

export interface LiveCage {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Exit code of the task, 128+n for a signal. Everything in the cage is then dead or dying. */
  readonly exited: Promise<number>;
  /**
   * Gives the task to the waiting cage, once. Answers `started`, `no-folder`, or `broken` when the
   * cage ended before the task began.
   */
  handOver(script: string, stdin: string | undefined): Promise<"started" | "no-folder" | "broken">;
  /** Ends every process in the cage at once. */
  readonly kill: () => void;
}

export interface CageStart {
  readonly clock: Clock;
  readonly streams: StreamFolder;
  /** From `wrap`. */
  readonly argv: readonly string[];
  readonly signal: AbortSignal;
}

/** Builds a cage and waits until it waits. Throws CageUnavailable, or the signal's reason. */
export async function startCage(start: CageStart): Promise<LiveCage> {
  start.signal.throwIfAborted();
  const child = await spawn(start);
  const words = listen(child);
  const limit = start.clock.after(buildMs, child.kill);
  void child.exited.then(() => limit.cancel());
  const stop = (): void => child.hangUp();
  start.signal.addEventListener("abort", stop, { once: true });
  if (start.signal.aborted) stop();
  const ready = await words.next();
  start.signal.removeEventListener("abort", stop);
  if (ready === "r" && !start.signal.aborted) {
    limit.cancel();
    return liveCage(child, words);
  }
  child.hangUp();
  await child.exited;
  if (start.signal.aborted) {
    discard(child);
    throw start.signal.reason;
  }
  const printed = (await textOf(child.stderr)).trim();
  discard(child);
  throw new CageUnavailable(
    `A cage could not be built: ${printed === "" ? "it ended or took too long" : printed}`,
    remedyFor(printed),
  );
}

async function spawn({ argv, streams: folder }: CageStart): Promise<CagedProcess> {
  const streams = await folder.open();
  using filter = folder.openFilter();
  return spawnCaged({ argv, env: launcherEnv, streams, filterFd: filter.fd });
}

function liveCage(child: CagedProcess, words: Words): LiveCage {
  return {
    stdout: child.stdout,
    stderr: child.stderr,
    exited: child.exited,
    async handOver(script, stdin) {
      if (stdin === undefined) child.input.close();
      else await child.input.give(stdin);
      child.control.end(messageOf(script));
      const word = await words.next();
      if (word === "s") return "started";
      return word === "c" ? "no-folder" : "broken";
    },
    kill: child.kill,
  };
}

interface Words {
  /** The next byte that the cage says, or null once it has ended. */
  next(): Promise<string | null>;
}

function listen(child: CagedProcess): Words {
  let heard = "";
  let ended = false;
  let waiting: ((word: string | null) => void) | null = null;
  const serve = (): void => {
    if (waiting === null || (heard === "" && !ended)) return;
    const answer = waiting;
    waiting = null;
    const word = heard === "" ? null : heard.slice(0, 1);
    heard = heard.slice(1);
    answer(word);
  };
  child.control.on("data", (chunk: Buffer) => {
    // Two bytes are all that a cage has to say.
    if (heard.length < 2) heard += chunk.subarray(0, 2).toString("latin1");
    serve();
  });
  const end = (): void => {
    ended = true;
    serve();
  };
  // Not the exit: a task may have ended before its first word was read.
  child.control.once("end", end);
  child.control.once("close", end);
  return {
    next: () =>
      new Promise((resolve) => {
        waiting = resolve;
        serve();
      }),
  };
}

/** Ends a cage that nobody will use, and lets go of its output. */
export function discard(cage: Pick<LiveCage, "kill" | "stdout" | "stderr">): void {
  cage.kill();
  cage.stdout.destroy();
  cage.stderr.destroy();
}

/** The first of what a cage that has ended said. */
function textOf(stream: Readable): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      if (text.length > 4_096) stream.destroy();
    });
    stream.once("close", () => resolve(text));
  });
}
