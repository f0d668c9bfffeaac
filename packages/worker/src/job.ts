// What the loop hands to the runner: a task that was verified, placed and allowed.

import type { Spec } from "@openclaw-worker/protocol";

/** What a task may touch. Compiled from the worker's policy; a task can only narrow it. */
export interface Cage {
  /** Absolute real paths that the task may read and write. */
  readonly roots: readonly string[];
  /** Absolute real paths that it may read besides (tool folders of the login PATH). */
  readonly readable: readonly string[];
  /**
   * What the policy's rules close inside of these: absolute patterns as in gitignore (`*`, `?` in a
   * name, `**` across folders; a folder stands for everything below it). Absent: nothing.
   */
  readonly denyRead?: readonly string[];
  readonly denyWrite?: readonly string[];
}

/** The kinds that this worker runs itself. */
export type RunnableKind =
  | "command"
  | "exec"
  | "file-read"
  | "file-write"
  | "file-edit"
  | "file-list";

/** A spec of a runnable kind. `~/` is expanded; `path` and `cwd` are absolute. */
export type Placed = Extract<Spec, { readonly kind: RunnableKind }>;

export interface Job {
  readonly taskId: string;
  readonly placed: Placed;
  /** Folder in which a process starts: absolute. File kinds ignore it. */
  readonly cwd: string;
  readonly timeoutMs: number;
  readonly cage: Cage;
  /** Aborted: end the whole process tree at once; the report's outcome is then `cancelled`. */
  readonly signal: AbortSignal;
}
