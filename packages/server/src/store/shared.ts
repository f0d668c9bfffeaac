// What a store that several processes work on can do beside the verbs: tell them of each other.

import type { Held, TaskId } from "@openclaw-worker/protocol";
import type { HaltRecord, Letter } from "./approval.ts";
import type { WorkerRecord } from "./worker.ts";

/**
 * The seam between processes on one store. Words reach every other process, not the one that spoke:
 * it has done already what they ask for. They are sent when the change is on disk.
 */
export interface Shared {
  /** Calls `listen` with what other processes did; never before the next turn of the event loop. */
  subscribe(listen: (news: News) => void): Disposable;
  /** Selectors that have a task ready, at most a few hundred: a net under lost words. */
  ready(): Promise<readonly string[]>;
  /** Tells which workers this process sees. Need not be durable when it resolves. */
  announce(seen: readonly Sighting[]): Promise<void>;
  /** Tells that this worker process has free slots, where its poll may wait. */
  freed(freed: Freed): Promise<void>;
  /** Whom the other processes see. */
  sightings(): Promise<readonly ProcessSighting[]>;
}

export type News =
  /** Tasks with these selectors became ready, one for each mention. */
  | { readonly kind: "ready"; readonly selectors: readonly string[] }
  | { readonly kind: "ended"; readonly taskIds: readonly TaskId[] }
  /** The worker process `instance` shall end this task. */
  | { readonly kind: "cancel"; readonly instance: string; readonly held: Held }
  | { readonly kind: "freed"; readonly freed: Freed }
  /** Approvals of these tasks changed. */
  | { readonly kind: "asked"; readonly taskIds: readonly string[] }
  | { readonly kind: "letter"; readonly letter: Letter }
  /** Nothing about this is on its way any more. */
  | { readonly kind: "forget"; readonly about: string }
  | { readonly kind: "halt"; readonly record: HaltRecord }
  | { readonly kind: "worker"; readonly record: WorkerRecord }
  | { readonly kind: "seen"; readonly sighting: ProcessSighting }
  /** Words may have been missed, because the connection was away: look at everything again. */
  | { readonly kind: "again" };

/** Free slots of a worker, and the order of the message that said so: the newest counts. */
export interface Freed {
  readonly instance: string;
  readonly capacity: number;
  readonly order: number;
}

export interface Sighting {
  readonly name: string;
  readonly leased: boolean;
  /** It promises its next message within this time; 0: it said that it leaves. */
  readonly forMs: number;
  readonly seenAt: number;
}

export interface ProcessSighting extends Sighting {
  /** Which process sees it. */
  readonly process: string;
}
