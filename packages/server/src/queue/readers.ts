// Readers that wait for a task's result. A reader who hangs up takes nothing with them.

import type { Result, TaskId } from "@openclaw-worker/protocol";

export interface Readers {
  /** Calls `tell` when the task ends, or with null when the server stops. Call the returned function to stop waiting. */
  wait(id: TaskId, tell: (result: Result | null) => void): () => void;
  tell(id: string, result: Result): void;
  /** Sends everybody away without a result. */
  dismiss(): void;
  readonly size: number;
}

export function createReaders(): Readers {
  const waiting = new Map<string, Set<(result: Result | null) => void>>();
  let size = 0;
  return {
    wait(id, tell) {
      const crowd = waiting.get(id) ?? new Set();
      waiting.set(id, crowd.add(tell));
      size += 1;
      return () => {
        if (!crowd.delete(tell)) return;
        size -= 1;
        if (crowd.size === 0 && waiting.get(id) === crowd) waiting.delete(id);
      };
    },
    tell: end,
    dismiss() {
      for (const id of waiting.keys()) end(id, null);
    },
    get size() {
      return size;
    },
  };

  function end(id: string, result: Result | null): void {
    const crowd = waiting.get(id);
    if (crowd === undefined) return;
    waiting.delete(id);
    size -= crowd.size;
    const listeners = [...crowd];
    crowd.clear();
    for (const tell of listeners) tell(result);
  }
}
