// How much waits for the server: the sizes of the results that it has not confirmed.

import type { TaskId } from "@openclaw-worker/protocol";

export interface Backlog {
  /** What the result of this task is, in bytes; 0: nobody waits for it any more. */
  readonly set: (taskId: TaskId, bytes: number) => void;
  /** Tells the sum at once, and after every change. */
  readonly watch: (tell: (bytes: number) => void) => Disposable;
}

export function openBacklog(): Backlog {
  const sizes = new Map<TaskId, number>();
  const watchers = new Set<(bytes: number) => void>();
  let total = 0;
  return {
    set(taskId, bytes) {
      total += bytes - (sizes.get(taskId) ?? 0);
      if (bytes === 0) sizes.delete(taskId);
      else sizes.set(taskId, bytes);
      for (const tell of watchers) tell(total);
    },
    watch(tell) {
      watchers.add(tell);
      tell(total);
      return { [Symbol.dispose]: () => void watchers.delete(tell) };
    },
  };
}
