// What this worker holds right now, and how much more it may take. A task that waits for a person
// is held, and sits in no slot; when it may run it gets the next one, before anything that is new.

import type { Held, TaskId } from "@openclaw-worker/protocol";

/** One task in hand. Disposing it frees the slot. */
export interface Slot extends Disposable {
  readonly taskId: TaskId;
  /** The attempt whose number the result will carry. */
  readonly fence: number;
  /** Monotonic time since when it is to begin, in milliseconds: that of the claim, or of a late seat. */
  readonly claimedAt: number;
  /** Whether it counts as one of the slots; else it waits. */
  readonly seated: boolean;
  /** Whether the server has confirmed `started`. */
  readonly confirmed: boolean;
  /** Aborted with a sentence when the task shall end. */
  readonly signal: AbortSignal;
  /** Aborted when a newer attempt has taken this one's place; another signal is here then. */
  readonly renumbered: AbortSignal;
  confirm(): void;
  cancel(why: string): void;
  /** The same task was handed out again while it runs: the newest number counts. */
  renumber(fence: number): void;
}

export interface Slots {
  readonly count: number;
  take(task: Held, claimedAt: number): Slot;
  /** Holds a task that waits for a person. */
  hold(task: Held, claimedAt: number): Slot;
  /**
   * Resolves when a held task has a slot, in the order of asking; or when its signal is aborted,
   * without one.
   */
  seat(slot: Slot, now: () => number): Promise<void>;
  /** Gives the slot back, and holds the task as one that waits. */
  stand(slot: Slot): void;
  find(taskId: TaskId): Slot | undefined;
  all(): readonly Slot[];
  held(): readonly Held[];
  /** Those of them that wait for a person. */
  asking(): readonly Held[];
  free(): number;
  /** The free slots to tell the server, with the number that orders such messages. */
  tell(): { readonly capacity: number; readonly order: number };
  /** A closed set of slots has none free; the reasons are counted by name. */
  close(reason: string): void;
  open(reason: string): void;
}

interface Seat {
  readonly slot: OwnSlot;
  readonly now: () => number;
  readonly done: () => void;
}

export function createSlots(count: number): Slots {
  const taken = new Map<TaskId, OwnSlot>();
  const closed = new Set<string>();
  let queue: readonly Seat[] = [];
  let order = 0;
  const own = (): readonly OwnSlot[] => [...taken.values()];
  const seated = (): number => own().filter((slot) => slot.seated).length;
  const empty = (): number => (closed.size > 0 ? 0 : Math.max(0, count - seated()));
  const free = (): number => Math.max(0, empty() - queue.length);

  const serve = (): void => {
    for (let [next] = queue; next !== undefined && empty() > 0; [next] = queue) {
      queue = queue.slice(1);
      next.slot.sit(next.now());
      next.done();
    }
  };
  const release = (slot: OwnSlot): void => {
    if (taken.get(slot.taskId) === slot) taken.delete(slot.taskId);
    serve();
  };
  const add = (slot: OwnSlot): OwnSlot => {
    taken.set(slot.taskId, slot);
    return slot;
  };
  const heldOf = ({ taskId, fence }: Slot): Held => ({ taskId, fence });

  return {
    count,
    take: (task, claimedAt) => add(createSlot(task, { claimedAt, seated: true, release })),
    hold: (task, claimedAt) => add(createSlot(task, { claimedAt, seated: false, release })),
    seat(held, now) {
      const slot = taken.get(held.taskId);
      if (slot === undefined || slot.seated || slot.signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const leave = (): void => {
          queue = queue.filter((seat) => seat !== mine);
          resolve();
        };
        const done = (): void => {
          slot.signal.removeEventListener("abort", leave);
          resolve();
        };
        const mine: Seat = { slot, now, done };
        queue = [...queue, mine];
        slot.signal.addEventListener("abort", leave, { once: true });
        serve();
      });
    },
    stand(slot) {
      taken.get(slot.taskId)?.stand();
      serve();
    },
    find: (taskId) => taken.get(taskId),
    all: own,
    held: () => own().map(heldOf),
    asking: () =>
      own()
        .filter((slot) => !slot.seated)
        .map(heldOf),
    free,
    tell: () => ({ capacity: free(), order: (order += 1) }),
    close: (reason) => void closed.add(reason),
    open(reason) {
      closed.delete(reason);
      serve();
    },
  };
}

interface OwnSlot extends Slot {
  sit(now: number): void;
  stand(): void;
}

interface SlotStart {
  readonly claimedAt: number;
  readonly seated: boolean;
  readonly release: (slot: OwnSlot) => void;
}

function createSlot(task: Held, start: SlotStart): OwnSlot {
  const controller = new AbortController();
  let renumbering = new AbortController();
  let { claimedAt, seated } = start;
  let fence = task.fence;
  let confirmed = false;
  const slot: OwnSlot = {
    taskId: task.taskId,
    signal: controller.signal,
    get claimedAt() {
      return claimedAt;
    },
    get seated() {
      return seated;
    },
    get fence() {
      return fence;
    },
    get confirmed() {
      return confirmed;
    },
    get renumbered() {
      return renumbering.signal;
    },
    sit(now) {
      [seated, claimedAt] = [true, now];
    },
    stand: () => void (seated = false),
    confirm: () => void (confirmed = true),
    cancel: (why) => controller.abort(why),
    renumber(next) {
      if (next <= fence) return;
      fence = next;
      const before = renumbering;
      renumbering = new AbortController();
      before.abort("a newer attempt was handed out");
    },
    [Symbol.dispose]: () => start.release(slot),
  };
  return slot;
}
