import type { Clock } from "@openclaw-worker/base";
import type { Redactor } from "../output/redact.ts";
import type { Network } from "../sandbox/network/network.ts";
import type { Pool } from "../sandbox/pool.ts";
import type { Files } from "./files.ts";

export interface RunLimits {
  /** Head and tail of both output streams that are kept, together. */
  readonly outputKeptBytes: number;
  /** A task that prints more is ended. */
  readonly outputKillBytes: number;
  /** Largest file that a file task reads or writes. */
  readonly fileBytes: number;
}

/** Where the place that a command runs in comes from. */
export type Cages = Pick<Pool, "take" | "refill"> & Partial<Pool>;

/** What a job needs to run. */
export interface Tools {
  readonly clock: Clock;
  readonly limits: RunLimits;
  readonly pool: Cages;
  readonly files: Files;
  /** Takes secrets out of what commands print. Absent: only what leaves the worker is looked at. */
  readonly redactor?: Redactor;
  /** Cages that reach some domains. Absent: a task that has domains is not run. */
  readonly network?: Network;
  /** Outside of the cage. Absent: nothing runs there. */
  readonly host?: Cages;
  /** The policy file's path, for hints. */
  readonly policyFile?: string;
}
