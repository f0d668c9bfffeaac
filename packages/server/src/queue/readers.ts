// Readers that wait for a task's result. A reader who hangs up takes nothing with them.

import type { Result, TaskId } from "@openclaw-worker/protocol";

export interface Readers {
  /** Calls `tell` when the task ends, or with null when the server stops. Call the returned function to stop waiting. */
  wait(id: TaskId, tell: (result: Result | null) => void): () => void;
  tell(id: string, result: Result): void;
  /** Sends everybody away without a result. */
  dismiss(): void;
  readonly size: number;
  /** Does somebody wait for this task? */
  has(id: string): boolean;
  ids(): readonly TaskId[];
}

export function createReaders(): Readers {
  const waiting = new Map<string, Crowd>();
  let size = 0;
  return {
    wait(id, tell) {
      const crowd = waiting.get(id) ?? { id, listeners: new Set() };
      waiting.set(id, crowd);
      crowd.listeners.add(tell);
      size += 1;
      return () => {
        if (!crowd.listeners.delete(tell)) return;
        size -= 1;
        if (crowd.listeners.size === 0 && waiting.get(id) === crowd) waiting.delete(id);
      };
    },
    has: (id) => waiting.has(id),
    ids: () => [...waiting.values()].map(({ id }) => id),
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
    size -= crowd.listeners.size;
    const listeners = [...crowd.listeners];
    crowd.listeners.clear();
    for (const tell of listeners) tell(result);
  }
}

interface Crowd {
  readonly id: TaskId;
  readonly listeners: Set<(result: Result | null) => void>;
}
