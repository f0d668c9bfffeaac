// Cages that wait, so that a task pays for a hand-over and not for a cage. Each is used once. The
// pool fills up again a moment after a task has ended, or has run for a while: starting a process
// holds this one up for some milliseconds, and the task's report goes first.

import { messageOf, type Clock, type Log, type Timer } from "@openclaw-worker/base";
import type { Cage } from "../job.ts";
import type { Blueprints } from "./blueprint.ts";
import { discard, startCage, type LiveCage } from "./cage.ts";
import type { PipeFolder } from "./folders.ts";

export interface PoolOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly blueprints: Blueprints;
  readonly pipes: PipeFolder;
  /** The cage that warm ones are kept of. */
  readonly cage: Cage;
  /** How many; 0 keeps none. */
  readonly warm: number;
}

export interface Pool extends AsyncDisposable {
  /** A cage that waits: a warm one when there is one that is still right, else a new one. */
  take(cage: Cage, signal: AbortSignal): Promise<LiveCage>;
  /** A task has ended: soon is the time to fill up. */
  refill(): void;
  /** How many cages wait. */
  size(): number;
  /** Resolves when the pool is full, or could not be filled. */
  filled(): Promise<void>;
}

interface Waiting {
  readonly cage: LiveCage;
  readonly state: string;
}

/** A long task does not keep the pool empty… */
const refillMs = 50;
/** …and after a short one its report leaves first. */
const reportMs = 4;

export function openPool(options: PoolOptions): Pool {
  return new WarmPool(options);
}

class WarmPool implements Pool {
  readonly #options: PoolOptions;
  readonly #closing = new AbortController();
  readonly #key: string;
  #waiting: Waiting[] = [];
  #filling: Promise<void> | null = null;
  #later: Timer | null = null;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#key = JSON.stringify(options.cage);
  }

  async take(cage: Cage, signal: AbortSignal): Promise<LiveCage> {
    const warm = this.#takeWarm(cage);
    if (warm !== null) return warm;
    const either = AbortSignal.any([signal, this.#closing.signal]);
    const argv = await this.#options.blueprints.argvFor(cage, either);
    return await startCage({ ...this.#options, argv, signal: either });
  }

  refill(): void {
    this.#refillIn(reportMs);
  }

  size(): number {
    return this.#waiting.length;
  }

  async filled(): Promise<void> {
    this.#refillNow();
    await this.#filling;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("the pool is closed"));
    this.#later?.cancel();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { cage } of waiting) discard(cage);
    await this.#filling;
    await Promise.all(waiting.map(({ cage }) => cage.exited));
  }

  #takeWarm(cage: Cage): LiveCage | null {
    if (JSON.stringify(cage) !== this.#key) return null;
    const state = this.#options.blueprints.stateOf(cage);
    this.#refillIn(refillMs);
    for (;;) {
      const next = this.#waiting.shift();
      if (next === undefined) return null;
      if (next.state === state) return next.cage;
      // The disk has changed since: this cage shows or guards the wrong things.
      discard(next.cage);
    }
  }

  #refillIn(delayMs: number): void {
    this.#later?.cancel();
    this.#later = this.#options.clock.after(delayMs, () => this.#refillNow());
  }

  #refillNow(): void {
    this.#later?.cancel();
    this.#later = null;
    if (this.#closing.signal.aborted || this.#filling !== null) return;
    this.#filling = this.#fill().finally(() => {
      this.#filling = null;
    });
  }

  async #fill(): Promise<void> {
    const { blueprints, cage, log, warm } = this.#options;
    const { signal } = this.#closing;
    while (this.#waiting.length < warm && !signal.aborted) {
      try {
        const state = blueprints.stateOf(cage);
        const argv = await blueprints.argvFor(cage, signal);
        const live = await startCage({ ...this.#options, argv, signal });
        if (signal.aborted) return discard(live);
        const waiting = { cage: live, state };
        this.#waiting.push(waiting);
        void live.exited.then(() => {
          this.#waiting = this.#waiting.filter((other) => other !== waiting);
        });
      } catch (error) {
        // Not tried again until the next task, which builds its own cage and tells its reason.
        if (!signal.aborted) log.warn("no cage could be kept ready", { reason: messageOf(error) });
        return;
      }
    }
  }
}
