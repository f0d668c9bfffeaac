// Polls that wait for work. A task that becomes ready wakes exactly one of them.

import {
  satisfies,
  workerOf,
  type Claimant,
  type Held,
  type Task,
} from "@openclaw-worker/protocol";

/** A poll that waits. It is in the lot until it is answered; `busy` while a claim runs for it. */
export interface Parked {
  readonly claimant: Claimant;
  readonly instance: string;
  capacity: number;
  /** The newest message that told the capacity. */
  order: number;
  busy: boolean;
  /** Its time is over: it is answered as soon as its claim came back. */
  over: boolean;
  readonly answer: (tasks: readonly Task[], cancel: readonly Held[]) => void;
}

export interface Lot {
  add(poll: Parked): void;
  remove(poll: Parked): void;
  /** The poll that has waited longest among those that may take a task with this selector. */
  pick(selector: string): Parked | null;
  of(instance: string): Parked | null;
  /** All polls of the workers with this name. */
  named(name: string): readonly Parked[];
  has(poll: Parked): boolean;
  all(): readonly Parked[];
  readonly size: number;
}

/** `isHalted`: polls of such a worker wait on, but are handed no task. */
export function createLot(isHalted: (name: string) => boolean): Lot {
  // A Set keeps the order of arrival. Named selectors are looked up by the worker's name, so that
  // ten thousand parked workers cost a task for one of them nothing.
  const everyone = new Set<Parked>();
  const byName = new Map<string, Set<Parked>>();
  const byInstance = new Map<string, Parked>();

  const crowdFor = (selector: string): Iterable<Parked> => {
    const named = workerOf(selector);
    return named === null ? everyone : (byName.get(named) ?? []);
  };

  return {
    add(poll) {
      everyone.add(poll);
      byInstance.set(poll.instance, poll);
      const crowd = byName.get(poll.claimant.name) ?? new Set();
      byName.set(poll.claimant.name, crowd.add(poll));
    },
    remove(poll) {
      everyone.delete(poll);
      if (byInstance.get(poll.instance) === poll) byInstance.delete(poll.instance);
      const crowd = byName.get(poll.claimant.name);
      crowd?.delete(poll);
      if (crowd?.size === 0) byName.delete(poll.claimant.name);
    },
    pick(selector) {
      for (const poll of crowdFor(selector)) {
        const isFree = !poll.busy && poll.capacity > 0 && !isHalted(poll.claimant.name);
        if (isFree && satisfies(poll.claimant, selector)) return poll;
      }
      return null;
    },
    of: (instance) => byInstance.get(instance) ?? null,
    named: (name) => [...(byName.get(name) ?? [])],
    has: (poll) => everyone.has(poll),
    all: () => [...everyone],
    get size() {
      return everyone.size;
    },
  };
}
