// Cages of one kind that wait, so that a task pays for a hand-over and not for a cage. Each is used
// once.
//
// A task that finds no waiting cage waits in line for the next one that is built. The shelf fills
// up again a moment after a task has ended, or has run for a while: starting a process holds this
// one up for some milliseconds, and the task's report goes first. Only when the last waiting cage
// was taken is the next one begun at once, because then tasks come faster than that.

import { availableParallelism } from "node:os";
import { messageOf, type Clock, type Log, type Timer } from "@openclaw-worker/base";
import type { Cage } from "../job.ts";
import type { Blueprints } from "./blueprint.ts";
import { discard, startCage, type LiveCage } from "./cage.ts";
import type { StreamFolder } from "./streams.ts";
import { CageUnavailable } from "./unavailable.ts";

export interface ShelfOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly blueprints: Pick<Blueprints, "stateOf" | "argvFor">;
  readonly streams: StreamFolder;
  readonly cage: Cage;
  /** How many to keep; 0 keeps none. */
  readonly warm: number;
}

interface Waiting {
  readonly cage: LiveCage;
  readonly state: string;
}

interface Taker {
  readonly resolve: (cage: LiveCage) => void;
  readonly reject: (reason: unknown) => void;
}

/** A long task does not keep the shelf empty… */
const refillMs = 50;
/** …and after a short one its report leaves first. */
const reportMs = 4;

/** Cages of one kind. */
export class Shelf implements AsyncDisposable {
  readonly #options: ShelfOptions;
  readonly #closing = new AbortController();
  readonly #buildersMax = Math.max(2, availableParallelism());
  readonly #builders = new Set<Promise<void>>();
  #warm: number;
  #waiting: Waiting[] = [];
  #takers: Taker[] = [];
  #later: Timer | null = null;
  /** Cages in a row that were wrong by the time they were built. */
  #stale = 0;

  constructor(options: ShelfOptions) {
    this.#options = options;
    this.#warm = options.warm;
  }

  /** A cage that waits. Rejects with CageUnavailable, or with the signal's reason. */
  async take(signal: AbortSignal): Promise<LiveCage> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    either.throwIfAborted();
    const warm = this.#takeWarm();
    return warm ?? (await this.#takeNext(either));
  }

  /** A task has ended: soon is the time to fill up. */
  refill(): void {
    this.#fillIn(reportMs);
  }

  /** How many cages wait. */
  size(): number {
    return this.#waiting.length;
  }

  /** Resolves when the shelf is full, or could not be filled. */
  async filled(): Promise<void> {
    for (let before = -1; before < this.size() && this.size() < this.#warm;) {
      before = this.size();
      this.#fill();
      await Promise.all(this.#builders);
    }
  }

  /** Keeps no more cages. Resolves when those who wait for one have got it, and none is left. */
  async retire(): Promise<void> {
    this.#warm = 0;
    this.#later?.cancel();
    while (this.#builders.size > 0) await Promise.all(this.#builders);
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("the worker is ending"));
    this.#later?.cancel();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { cage } of waiting) discard(cage);
    await Promise.all(this.#builders);
    await Promise.all(waiting.map(({ cage }) => cage.exited));
  }

  #takeWarm(): LiveCage | null {
    if (this.#waiting.length === 0) return null;
    const state = this.#options.blueprints.stateOf(this.#options.cage);
    for (;;) {
      const next = this.#waiting.shift();
      if (next === undefined) return null;
      // The disk has changed since: that cage shows or guards the wrong things.
      if (next.state !== state) discard(next.cage);
      else {
        // With a pool of one every taken cage is the last; it says nothing of the pace.
        if (this.#waiting.length > 0 || this.#warm <= 1) this.#fillIn(refillMs);
        else this.#fill();
        return next.cage;
      }
    }
  }

  #takeNext(signal: AbortSignal): Promise<LiveCage> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        this.#takers = this.#takers.filter((other) => other !== taker);
        reject(signal.reason);
      };
      const leave = (): void => signal.removeEventListener("abort", stop);
      const taker: Taker = {
        resolve(cage) {
          leave();
          resolve(cage);
        },
        reject(reason) {
          leave();
          reject(reason);
        },
      };
      signal.addEventListener("abort", stop, { once: true });
      this.#takers.push(taker);
      this.#build(this.#takers.length);
    });
  }

  #fillIn(delayMs: number): void {
    if (this.#closing.signal.aborted) return;
    this.#later?.cancel();
    this.#later = this.#options.clock.after(delayMs, () => this.#fill());
  }

  #fill(): void {
    this.#later?.cancel();
    this.#later = null;
    this.#build(this.#takers.length + this.#warm - this.#waiting.length);
  }

  /** Sees to it that `wanted` cages are being built, as far as the machine has room. */
  #build(wanted: number): void {
    if (this.#closing.signal.aborted) return;
    while (this.#builders.size < Math.min(wanted, this.#buildersMax)) {
      const builder = this.#buildOne().then((built) => {
        this.#builders.delete(builder);
        // After a failure nothing is tried until the next task, which is told the reason.
        this.#build(this.#takers.length);
        if (built) this.#fillIn(reportMs);
      });
      this.#builders.add(builder);
    }
  }

  async #buildOne(): Promise<boolean> {
    const { blueprints, cage, log } = this.#options;
    const { signal } = this.#closing;
    let live: LiveCage | null = null;
    try {
      const state = blueprints.stateOf(cage);
      const argv = await blueprints.argvFor(cage, signal);
      live = await startCage({ ...this.#options, argv, signal });
      signal.throwIfAborted();
      if (blueprints.stateOf(cage) === state) {
        this.#stale = 0;
        this.#hand({ cage: live, state });
        return true;
      }
      this.#stale += 1;
      if (this.#stale >= staleMax) throw restless();
      discard(live);
      return true;
    } catch (error) {
      if (live !== null) discard(live);
      if (signal.aborted) return false;
      this.#stale = 0;
      const taker = this.#takers.shift();
      if (taker !== undefined) taker.reject(error);
      else log.warn("no cage could be kept ready", { reason: messageOf(error) });
      return false;
    }
  }

  #hand(built: Waiting): void {
    const taker = this.#takers.shift();
    if (taker !== undefined) return taker.resolve(built.cage);
    if (this.#waiting.length >= this.#warm) return discard(built.cage);
    this.#waiting.push(built);
    void built.cage.exited.then(() => {
      this.#waiting = this.#waiting.filter((other) => other !== built);
    });
  }
}

/** A folder that is changing all the time must not keep the machine busy with cages. */
const staleMax = 10;

function restless(): CageUnavailable {
  return new CageUnavailable(
    "The files that must be closed in the cage change faster than a cage is built",
    "Run the task again when what changes them has ended",
  );
}
