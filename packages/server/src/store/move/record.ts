// What a store holds, in records that no engine owns. Both engines write and read them, so that a
// store can be moved from one to the other and compared with what it came from.

import type { ActionEntry } from "../../audit/chain.ts";
import type { SessionRecord } from "../store.ts";
import type { WorkerRecord } from "../worker.ts";

/** JSON values as they were parsed; null where there is none. */
export interface TaskFacts {
  readonly seq: number;
  readonly id: string;
  readonly taskKind: string;
  readonly status: string;
  readonly state: string;
  readonly selector: string;
  readonly priority: number;
  readonly session: string | null;
  readonly timeoutMs: number;
  readonly createdAt: number;
  readonly deliverBy: number;
  readonly fence: number;
  readonly worker: string | null;
  readonly instance: string | null;
  readonly leased: boolean;
  readonly startedAt: number | null;
  readonly completedAt: number | null;
  readonly cancelAt: number | null;
  readonly readAt: number | null;
  readonly outcome: string | null;
  readonly exitCode: number | null;
  readonly key: string | null;
  readonly digest: string | null;
  readonly approval: string | null;
  readonly summary: string;
  readonly spec: unknown;
  readonly metadata: unknown;
  readonly reason: string | null;
  readonly proof: unknown;
  readonly result: unknown;
}

export interface ApprovalFacts {
  readonly id: string;
  readonly change: number;
  readonly taskId: string;
  readonly worker: string;
  readonly fence: number;
  readonly state: string;
  readonly digest: string;
  readonly request: unknown;
  readonly levels: string;
  readonly reason: string | null;
  readonly decidedBy: string | null;
  readonly updatedAt: number;
  readonly expiresAt: number;
}

export type MoveRecord =
  /** The last change of an approval: cursors of readers go on from there. */
  | { readonly kind: "changes"; readonly last: number }
  | { readonly kind: "worker"; readonly worker: WorkerRecord }
  | { readonly kind: "session"; readonly session: Omit<SessionRecord, "unfinished"> }
  | { readonly kind: "task"; readonly task: TaskFacts }
  | {
      readonly kind: "event";
      readonly id: number;
      readonly type: string;
      readonly at: number;
      readonly taskId: string | null;
      readonly details: unknown;
    }
  | { readonly kind: "approval"; readonly approval: ApprovalFacts }
  | {
      readonly kind: "letter";
      readonly id: number;
      readonly worker: string;
      readonly about: string;
      readonly envelope: unknown;
      readonly expiresAt: number;
    }
  | {
      readonly kind: "halt";
      readonly worker: string;
      readonly ordered: unknown;
      readonly stopped: unknown;
    }
  | {
      readonly kind: "witness";
      readonly worker: string;
      readonly version: number;
      readonly known: string | null;
      readonly alarm: string | null;
      readonly alarmAt: number | null;
      readonly evidence: string | null;
    }
  | {
      readonly kind: "audit-entry";
      readonly worker: string;
      readonly seq: number;
      readonly entry: string;
    }
  /** `hash` in hex. */
  | {
      readonly kind: "audit-node";
      readonly worker: string;
      readonly place: number;
      readonly hash: string;
    }
  | { readonly kind: "action"; readonly entry: ActionEntry };

/** A store that nobody serves from, opened to be copied. */
export interface Vault extends AsyncDisposable {
  /** Everything, kind by kind in the order above, each by its number or name. */
  records(): AsyncIterable<MoveRecord>;
  /** A copy into it was begun and not finished. */
  isHalf(): Promise<boolean>;
  /** Empties it, and marks it as half until `finish`: no server opens it meanwhile. */
  begin(): Promise<void>;
  put(records: readonly MoveRecord[]): Promise<void>;
  finish(): Promise<void>;
}
