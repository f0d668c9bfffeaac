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
  /**
   * Absolute patterns of the policy's allow rules for Edit. Names that make programs run elsewhere
   * (`.git/hooks`, `.bashrc`, …) are written by file tasks only where one of these spells the name
   * out; `Edit(./**)` does not. Absent: nowhere.
   */
  readonly named?: readonly string[];
  /** Absolute real paths outside of the roots that it may read and write. Absent: none. */
  readonly writable?: readonly string[];
  /** Roots that it may only read (a task can ask for less than it could have). Absent: none. */
  readonly readOnly?: readonly string[];
  /** Domains that it may reach, `*.example.com` for all below one. Absent or empty: no network. */
  readonly domains?: readonly string[];
  /** Most processes at once in the cage. Absent: the sandbox's own limit. */
  readonly processes?: number;
  /** Largest file that a program in the cage may write, in bytes. Absent: no limit of ours. */
  readonly fileBytes?: number;
}

/** Limits of one run, from the policy. Absent: the worker's own. */
export interface JobLimits {
  /** Head and tail of both output streams that are kept, together. */
  readonly outputKeptBytes?: number | undefined;
  /** A task that prints more is ended. */
  readonly outputKillBytes?: number | undefined;
  /** Largest file that a file task reads or writes. */
  readonly fileBytes?: number | undefined;
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
  readonly limits?: JobLimits;
  /** True: outside of the cage, which only the policy's `host` rules can say. */
  readonly outside?: boolean;
  /** Aborted: end the whole process tree at once; the report's outcome is then `cancelled`. */
  readonly signal: AbortSignal;
}
