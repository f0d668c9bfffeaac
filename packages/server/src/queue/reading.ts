// A reader that waits for a task's result.

import { chainOf, type Clock, type Log } from "@openclaw-worker/base";
import { Problem, type Result, type TaskId } from "@openclaw-worker/protocol";
import type { Store, TaskRecord } from "../store/store.ts";
import type { Readers } from "./readers.ts";

export type Waited =
  | { readonly kind: "result"; readonly result: Result }
  | { readonly kind: "not-ready"; readonly task: TaskRecord }
  | { readonly kind: "unknown" };

export interface ReadingOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly readers: Readers;
  readonly parkedMax: number;
  readonly isStopped: () => boolean;
}

/** The task's result, waited for up to `waitMs`; it counts as read from then on. */
export type Read = (id: TaskId, waitMs: number, gone: AbortSignal) => Promise<Waited>;

export function createReading(options: ReadingOptions): Read {
  const { store, clock, log, readers } = options;
  return read;

  async function read(id: TaskId, waitMs: number, gone: AbortSignal): Promise<Waited> {
    const known = await store.result(id);
    if (known !== null) return markRead(id, known);
    const task = await store.get(id);
    if (task === null) return { kind: "unknown" };
    if (waitMs <= 0 || options.isStopped()) return { kind: "not-ready", task };
    if (readers.size >= options.parkedMax) throw new Problem("too-many-waiting");

    const { promise, resolve } = Promise.withResolvers<Result | null>();
    const leave = readers.wait(id, resolve);
    const giveUp = (): void => resolve(null);
    if (gone.aborted) giveUp();
    gone.addEventListener("abort", giveUp, { once: true });
    using _timer = clock.after(waitMs, giveUp);
    try {
      // It may have ended between the first look and the moment this reader waits.
      const result = (await store.result(id)) ?? (await promise);
      if (result !== null) return markRead(id, result);
      // Another process' word that it has ended may have been lost.
      const late = store.shared === null ? null : await store.result(id);
      if (late !== null) return markRead(id, late);
    } finally {
      leave();
      gone.removeEventListener("abort", giveUp);
    }
    const latest = await store.get(id);
    return latest === null ? { kind: "unknown" } : { kind: "not-ready", task: latest };
  }

  // The mark may be written after the answer: a crash in between leaves a result unread, no more.
  function markRead(id: TaskId, result: Result): Waited {
    store
      .markRead(id, clock.now())
      .catch((error: unknown) => log.warn("read mark was not written", { why: chainOf(error) }));
    return { kind: "result", result };
  }
}
