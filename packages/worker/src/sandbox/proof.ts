// What is known of the cage being in force:
//
//   proved ──doubt──▶ doubted ──the self-test passes──▶ proved
//                        └──it fails──▶ failing ──it passes again──▶ proved
//
// While it is failing no task is run, and the self-test is repeated by itself, ever more rarely.
// Places that tasks may write are proved before a task uses them for the first time: a root that
// cannot be used costs only the tasks in it, and the others do without it.

import { createBackoff, messageOf, type Clock, type Log } from "@openclaw-worker/base";
import type { Cage } from "../job.ts";
import { isWithin } from "./path.ts";
import { CageUnavailable } from "./unavailable.ts";

/** Tells whether tasks can be run. */
export interface CageWatch {
  /**
   * Calls `listener` with a sentence when no task can be run any more, and with null when they can
   * be again; at once with the sentence when it is so already.
   */
  watch(listener: (because: string | null) => void): Disposable;
}

export interface ProofOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Runs the self-test in such a cage. Rejects with CageUnavailable. */
  readonly test: (cage: Cage) => Promise<void>;
  /** The policy's own cage: already proved. */
  readonly cage: Cage;
}

export interface Proof extends CageWatch, Disposable {
  /** The policy's own cage is this one now. */
  follow(cage: Cage): void;
  /** The cage failed somewhere: it is proved again before the next task. */
  doubt(): void;
  /**
   * The cage in which a task that begins in `cwd` may run: as asked for, or without roots that
   * cannot be used. Rejects with CageUnavailable.
   */
  ready(cage: Cage, cwd: string): Promise<Cage>;
}

const firstRetryMs = 1_000;
const longestRetryMs = 60_000;

export function openProof(options: ProofOptions): Proof {
  return new Prover(options);
}

class Prover implements Proof {
  readonly #options: ProofOptions;
  readonly #closing = new AbortController();
  readonly #listeners = new Set<(because: string | null) => void>();
  readonly #proved = new Set<string>();
  /** Roots that cannot be used, and why. */
  readonly #unusable = new Map<string, CageUnavailable>();
  readonly #testing = new Map<string, Promise<void>>();
  #cage: Cage;
  #doubted = false;
  #failing: CageUnavailable | null = null;

  constructor(options: ProofOptions) {
    this.#options = options;
    this.#cage = options.cage;
    this.#note(options.cage);
  }

  watch(listener: (because: string | null) => void): Disposable {
    this.#listeners.add(listener);
    if (this.#failing !== null) listener(this.#failing.message);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  follow(cage: Cage): void {
    this.#cage = cage;
    this.#unusable.clear();
  }

  doubt(): void {
    this.#doubted = true;
  }

  async ready(cage: Cage, cwd: string): Promise<Cage> {
    if (this.#doubted && this.#failing === null) await this.#testAgain();
    if (this.#failing !== null) throw this.#failing;
    await this.#mend(cage, cwd);
    if (!this.#isKnown(cage)) await this.#prove(cage);
    const lost = cage.roots.filter((root) => this.#unusable.has(root));
    if (lost.length === 0) return cage;
    const roots = cage.roots.filter((root) => !this.#unusable.has(root));
    const needed = lost.find((root) => isWithin(cwd, root)) ?? (roots.length === 0 ? lost[0] : "");
    const because = this.#unusable.get(needed ?? "");
    if (because !== undefined) throw because;
    return { ...cage, roots };
  }

  [Symbol.dispose](): void {
    this.#closing.abort(new Error("the worker is ending"));
    this.#listeners.clear();
  }

  #isKnown(cage: Cage): boolean {
    return placesOf(cage).every((path) => this.#proved.has(path) || this.#unusable.has(path));
  }

  #note(cage: Cage): void {
    for (const path of placesOf(cage)) this.#proved.add(path);
  }

  /** A root that was no use may have been mended by now: a task that begins in it makes it tried. */
  async #mend(cage: Cage, cwd: string): Promise<void> {
    for (const root of this.#unusable.keys()) {
      if (isWithin(cwd, root)) await this.#prove(only(root, cage));
    }
  }

  /** Proves a cage, if need be without some of its roots: those are noted. */
  async #prove(cage: Cage): Promise<void> {
    const { roots } = cage;
    try {
      await this.#test(cage);
      for (const root of roots) this.#unusable.delete(root);
      return;
    } catch (error) {
      const [root] = roots;
      if (root === undefined) throw error;
      if (roots.length === 1) return this.#blame(root, asUnavailable(error));
    }
    // One of them spoils it: each is tried by itself.
    for (const root of roots) await this.#prove(only(root, cage));
    const rest = roots.filter((root) => !this.#unusable.has(root));
    if (rest.length > 0) await this.#test({ ...cage, roots: rest });
  }

  #blame(root: string, because: CageUnavailable): void {
    const known = this.#unusable.get(root);
    this.#unusable.set(root, because);
    if (known?.message === because.message) return;
    this.#doubted = true;
    this.#options.log.error(`tasks do without the root ${root}: ${because.message}`);
  }

  /** Proves the policy's own cage; one root that can be used is enough to work. */
  async #proveOwn(): Promise<void> {
    const { roots } = this.#cage;
    await this.#prove(this.#cage);
    const [lost] = roots.map((root) => this.#unusable.get(root));
    if (lost !== undefined && roots.every((root) => this.#unusable.has(root))) throw lost;
  }

  /** One test at a time of one cage, however many tasks wait for it. */
  #test(cage: Cage): Promise<void> {
    const key = JSON.stringify(cage);
    const running = this.#testing.get(key);
    if (running !== undefined) return running;
    const test = this.#options
      .test(cage)
      .then(() => this.#note(cage))
      .finally(() => this.#testing.delete(key));
    this.#testing.set(key, test);
    return test;
  }

  async #testAgain(): Promise<void> {
    try {
      await this.#proveOwn();
      this.#doubted = false;
    } catch (error) {
      if (this.#failing === null && !this.#closing.signal.aborted) this.#fail(asUnavailable(error));
    }
  }

  #fail(because: CageUnavailable): void {
    this.#failing = because;
    this.#options.log.error(`no task is taken: ${because.message}`, { remedy: because.remedy });
    for (const listener of this.#listeners) listener(because.message);
    // Ends by itself when the worker does: its signal is the only thing that it waits for then.
    void this.#retry().catch(() => {});
  }

  async #retry(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#closing;
    // No jitter: nobody else waits for the same thing.
    const backoff = createBackoff({
      clock,
      firstMs: firstRetryMs,
      longestMs: longestRetryMs,
      random: () => 0,
    });
    for (;;) {
      await backoff.wait(signal);
      try {
        await this.#proveOwn();
        break;
      } catch (error) {
        this.#failing = asUnavailable(error);
      }
    }
    this.#failing = null;
    this.#doubted = false;
    log.info("the cage is in force again: tasks are taken");
    for (const listener of this.#listeners) listener(null);
  }
}

/** Nothing but one root of a cage. */
function only(root: string, { readOnly = [] }: Cage): Cage {
  return { roots: [root], readable: [], readOnly: readOnly.filter((path) => path === root) };
}

/** What a task may write: the places whose first use is proved. */
function placesOf({ roots, writable = [] }: Cage): readonly string[] {
  return [...roots, ...writable];
}

/** Whatever goes wrong while the cage is proved, the answer is that there is no cage. */
export function asUnavailable(error: unknown): CageUnavailable {
  if (error instanceof CageUnavailable) return error;
  return new CageUnavailable(
    `The cage could not be tested: ${messageOf(error)}`,
    "Take no tasks. Run: openclaw-worker doctor",
    { cause: error },
  );
}
