// What this worker holds right now, and how much more it may take.

import type { Held, TaskId } from "@openclaw-worker/protocol";

/** One task in hand. Disposing it frees the slot. */
export interface Slot extends Disposable {
  readonly taskId: TaskId;
  /** The attempt whose number the result will carry. */
  readonly fence: number;
  /** Monotonic time of the claim, in milliseconds. */
  readonly claimedAt: number;
  /** Whether the server has confirmed `started`. */
  readonly confirmed: boolean;
  /** Aborted with a sentence when the task shall end. */
  readonly signal: AbortSignal;
  confirm(): void;
  cancel(why: string): void;
  /** The same task was handed out again while it runs: the newest number counts. */
  renumber(fence: number): void;
}

export interface Slots {
  readonly count: number;
  take(task: Held, claimedAt: number): Slot;
  find(taskId: TaskId): Slot | undefined;
  all(): readonly Slot[];
  held(): readonly Held[];
  free(): number;
  /** The free slots to tell the server, with the number that orders such messages. */
  tell(): { readonly capacity: number; readonly order: number };
  /** A closed set of slots has none free; the reasons are counted by name. */
  close(reason: string): void;
  open(reason: string): void;
}

export function createSlots(count: number): Slots {
  const taken = new Map<TaskId, Slot>();
  const closed = new Set<string>();
  let order = 0;
  const free = (): number => (closed.size > 0 ? 0 : Math.max(0, count - taken.size));
  return {
    count,
    take(task, claimedAt) {
      const slot = createSlot(task, claimedAt, () => taken.delete(task.taskId));
      taken.set(task.taskId, slot);
      return slot;
    },
    find: (taskId) => taken.get(taskId),
    all: () => [...taken.values()],
    held: () => [...taken.values()].map(({ taskId, fence }) => ({ taskId, fence })),
    free,
    tell: () => ({ capacity: free(), order: (order += 1) }),
    close: (reason) => void closed.add(reason),
    open: (reason) => void closed.delete(reason),
  };
}

function createSlot(task: Held, claimedAt: number, release: () => void): Slot {
  const controller = new AbortController();
  let fence = task.fence;
  let confirmed = false;
  return {
    taskId: task.taskId,
    claimedAt,
    signal: controller.signal,
    get fence() {
      return fence;
    },
    get confirmed() {
      return confirmed;
    },
    confirm: () => void (confirmed = true),
    cancel: (why) => controller.abort(why),
    renumber: (next) => void (fence = Math.max(fence, next)),
    [Symbol.dispose]: release,
  };
}
