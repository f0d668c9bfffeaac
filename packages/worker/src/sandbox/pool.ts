// All cages that wait: a shelf for the policy's own cage, and small ones for the cages that tasks
// have lately asked for more than once (a task can narrow its cage).

import type { Cage } from "../job.ts";
import type { LiveCage } from "./cage.ts";
import { Shelf, type ShelfOptions } from "./shelf.ts";

export type PoolOptions = ShelfOptions;

export interface Pool extends AsyncDisposable {
  /**
   * A cage that waits: a warm one when there is one that is still right, else a new one. Rejects
   * with CageUnavailable, or with the signal's reason.
   */
  take(cage: Cage, signal: AbortSignal): Promise<LiveCage>;
  /** A task has ended: soon is the time to fill up. */
  refill(): void;
  /** From now on warm ones are kept of this cage. Those of the old one go. */
  follow(cage: Cage): void;
  /** How many cages of the policy's own kind wait. */
  size(): number;
  /** Resolves when as many as wanted wait, or could not be built. */
  filled(): Promise<void>;
}

/** Kinds of cages, besides the policy's own, that one is kept ready of. */
const recentMax = 2;
/** Kinds that are remembered, to notice the second use. */
const rememberedMax = 16;

export function openPool(options: PoolOptions): Pool {
  return new Shelves(options);
}

class Shelves implements Pool {
  readonly #options: PoolOptions;
  /** By the cage, the least lately used first. */
  readonly #recent = new Map<string, Shelf>();
  /** Shelves that only serve those who wait already. */
  readonly #leaving = new Map<Shelf, Promise<void>>();
  #remembered: readonly string[] = [];
  #ownKey: string;
  #own: Shelf;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#ownKey = JSON.stringify(options.cage);
    this.#own = new Shelf(options);
  }

  take(cage: Cage, signal: AbortSignal): Promise<LiveCage> {
    const key = JSON.stringify(cage);
    if (key === this.#ownKey) return this.#own.take(signal);
    return this.#shelfFor(key, cage).take(signal);
  }

  refill(): void {
    for (const shelf of [this.#own, ...this.#recent.values()]) shelf.refill();
  }

  follow(cage: Cage): void {
    const key = JSON.stringify(cage);
    if (key === this.#ownKey) return;
    this.#retire(this.#own);
    this.#ownKey = key;
    this.#own = new Shelf({ ...this.#options, cage });
    this.#own.refill();
    // Cages that tasks narrowed from the old policy's are not asked for again.
    for (const shelf of this.#recent.values()) this.#retire(shelf);
    this.#recent.clear();
    this.#remembered = [];
  }

  size(): number {
    return this.#own.size();
  }

  filled(): Promise<void> {
    return this.#own.filled();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const shelves = [this.#own, ...this.#recent.values(), ...this.#leaving.keys()];
    await Promise.all(shelves.map((shelf) => shelf[Symbol.asyncDispose]()));
    await Promise.all(this.#leaving.values());
  }

  #shelfFor(key: string, cage: Cage): Shelf {
    const known = this.#recent.get(key);
    // Set again, it is the latest.
    this.#recent.delete(key);
    const again = this.#remembered.includes(key);
    this.#remembered = [key, ...this.#remembered.filter((other) => other !== key)].slice(
      0,
      rememberedMax,
    );
    const warm = again && this.#options.warm > 0 ? 1 : 0;
    const shelf = known ?? new Shelf({ ...this.#options, cage, warm });
    if (warm === 0) {
      // Nothing stays on it: it lives as long as its one taker waits.
      queueMicrotask(() => this.#retire(shelf));
      return shelf;
    }
    this.#recent.set(key, shelf);
    for (const [oldest, old] of [...this.#recent].slice(0, this.#recent.size - recentMax)) {
      this.#recent.delete(oldest);
      this.#retire(old);
    }
    return shelf;
  }

  #retire(shelf: Shelf): void {
    const leaving = shelf.retire().finally(() => this.#leaving.delete(shelf));
    this.#leaving.set(shelf, leaving);
  }
}
