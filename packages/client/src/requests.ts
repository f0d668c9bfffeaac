// What a caller may ask for. The server parses all of it again: these types help, they do not guard.

import type {
  ApprovalState,
  Grant,
  Kind,
  PrivateKey,
  Spec,
  Status,
  Verdict,
} from "@openclaw-worker/protocol";

/** How a task is queued. Every field may be left out. */
export interface QueueOptions {
  /** Running time in milliseconds, 1,000 to 86,400,000; left out or 0: the kind's default. */
  readonly timeout?: number;
  /** Only this worker may take the task. */
  readonly worker?: string;
  /** Only a worker with all these labels may take it. */
  readonly labels?: readonly string[];
  /** -100 to 100; higher goes first. */
  readonly priority?: number;
  /** A task that nobody took within this many milliseconds expires. Default: 24 hours. */
  readonly ttlMs?: number;
  /** The same key with the same body is the same task. Left out: a new UUID for every submit. */
  readonly idempotencyKey?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Why, in the submitter's words: shown, as theirs, where a person is asked. */
  readonly reason?: string;
  /**
   * Signs the task with a submitter's key: for the worker and labels that it names, as long as its
   * `ttlMs` lasts. A worker that requires signatures takes no other.
   */
  readonly sign?: PrivateKey;
}

// Fields that have a default on the server may be left out.
type Optional<T, K extends string> = Omit<T, K> & Partial<Pick<T, Extract<K, keyof T>>>;
type Relaxed<S> = S extends { readonly kind: Kind }
  ? Optional<S, "encoding" | "replaceAll" | "params">
  : never;

/** One task of any kind (`POST /tasks` with `kind`): the fields of the kind beside the queue's. */
export type TaskRequest = Relaxed<Spec> & QueueOptions;

/** The guide's routes that submit a task, for callers that speak their exact bodies. */
export type OldRoute =
  | "/tasks"
  | "/files/read"
  | "/files/write"
  | "/files/edit"
  | "/claude"
  | "/codex"
  | "/gemini";

/** `GET /tasks`: newest first, a page at a time. */
export interface ListQuery {
  readonly status?: Status;
  readonly worker?: string;
  readonly kind?: Kind;
  /** From the answer before; left out: the first page. */
  readonly cursor?: string;
  /** 1 to 200. */
  readonly limit?: number;
}

/** `GET /approvals`. */
export interface ApprovalQuery {
  readonly state?: ApprovalState;
  /** From the answer before: only what changed since. */
  readonly after?: string;
  /** When there is nothing, wait for it this long: 0 to 600,000 milliseconds. */
  readonly waitMs?: number;
  /** 1 to 200. */
  readonly limit?: number;
}

export interface Choice {
  readonly verdict: Verdict;
  /** With the verdict `grant`: what is allowed from now on. */
  readonly grant?: Grant | undefined;
  /** An enrolled approver's key. Without one the decision is the token's word, and worth little. */
  readonly key?: PrivateKey | undefined;
}

export interface ResumeChoice {
  /** The stop that it ends: `stopped.id` of the worker. */
  readonly stopId: string;
  /** An enrolled approver's key. */
  readonly key: PrivateKey;
}

/** `GET /audit`: entries from `from` (default 0) on, 1 to 1,000 of them (default 100). */
export interface AuditQuery {
  readonly from?: number;
  readonly limit?: number;
}
