// How a claude process is ended, so that its session stays usable and nothing stays behind.

import type { Clock } from "@openclaw-worker/base";
import type { AgentProcess } from "../program.ts";

// After its result it writes its session down and exits by itself in some 30 ms.
const goodbyeMs = 2_000;
const patienceMs = 5_000;

/**
 * Ends a process: SIGTERM, 5 s, SIGKILL, 5 s; resolves at the latest then. One that has said its
 * result (`gently`) may first leave by itself.
 */
export async function dismiss(
  child: AgentProcess,
  clock: Clock,
  { gently }: { readonly gently: boolean },
): Promise<void> {
  child.endInput();
  const left = await endsWithin(child.exited, clock, gently ? goodbyeMs : 0);
  if (!left) {
    child.terminate();
    await endsWithin(child.exited, clock, patienceMs);
  }
  // What it has left running goes with it.
  child.kill();
  await endsWithin(child.exited, clock, patienceMs);
}

/** Waits at most 5 s for `work`, which an interrupt should have ended. */
export async function endsSoon(work: Promise<unknown>, clock: Clock): Promise<boolean> {
  return await endsWithin(work, clock, patienceMs);
}

/** Waits for `work` at most `waitMs`: did it end? */
export function endsWithin(work: Promise<unknown>, clock: Clock, waitMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.after(waitMs, () => resolve(false));
    const ended = (): void => {
      timer.cancel();
      resolve(true);
    };
    void work.then(ended, ended);
  });
}
