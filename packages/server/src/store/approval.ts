// What the store keeps of approvals: the latest state of each, and what is on its way to workers.

import type {
  Approval,
  ApprovalState,
  Ask,
  Envelope,
  Stopped,
  StopOrder,
} from "@openclaw-worker/protocol";
import type { NewAction } from "./action.ts";

export interface AskRequest {
  readonly ask: Ask;
  readonly at: number;
  /** Approvals of one task, and those of one worker that wait. */
  readonly perTaskMax: number;
  readonly waitingMax: number;
}

/** `noted`: kept, and new when `changed`. `stale`: not that worker's task, attempt or approval. */
export type Asked =
  | { readonly kind: "noted"; readonly changed: boolean }
  | { readonly kind: "unknown" | "stale" }
  | { readonly kind: "full"; readonly line: string };

export interface ApprovalFilter {
  readonly state?: ApprovalState | undefined;
  /** Only what changed after this; without it the latest. */
  readonly after?: number | undefined;
  readonly max: number;
}

export interface ApprovalPage {
  /** In the order of their latest changes. */
  readonly approvals: readonly Approval[];
  /** Hand it in as `after` to see only what changes from here on. */
  readonly cursor: number;
}

/** An envelope that waits for its worker. */
export interface Letter {
  readonly id: number;
  readonly worker: string;
  /** The approval or the stop that it is about: with its end the letter is gone. */
  readonly about: string;
  readonly envelope: Envelope;
  readonly expiresAt: number;
}

export interface DecideRequest {
  /** Of an approval. Its worker gets the envelope. */
  readonly id: string;
  readonly envelope: Envelope;
  readonly expiresAt: number;
  readonly at: number;
  readonly max: number;
  readonly action?: NewAction | undefined;
}

export type Decided =
  | { readonly kind: "sent"; readonly letter: Letter; readonly isNew: boolean }
  | { readonly kind: "over"; readonly approval: Approval }
  | { readonly kind: "unknown" | "full" };

export interface ResumeRequest {
  readonly worker: string;
  readonly stopId: string;
  readonly envelope: Envelope;
  readonly expiresAt: number;
  readonly at: number;
  readonly max: number;
  readonly action?: NewAction | undefined;
}

/** A worker that is stopped, or shall be. */
export interface HaltRecord {
  readonly worker: string;
  /** What was ordered and is not confirmed yet. */
  readonly order: StopOrder | null;
  /** What the worker says itself. */
  readonly stopped: Stopped | null;
}

export interface SaveStopped {
  readonly worker: string;
  /** Null: it works. */
  readonly stopped: Stopped | null;
  /** The newest order that it says it carried out. */
  readonly seen: string | null;
  readonly at: number;
}

export interface OrderStop {
  readonly worker: string;
  readonly order: StopOrder;
  readonly action?: NewAction | undefined;
}
