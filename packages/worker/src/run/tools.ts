import type { Clock } from "@openclaw-worker/base";
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

/** What a job needs to run. */
export interface Tools {
  readonly clock: Clock;
  readonly limits: RunLimits;
  readonly pool: Pool;
  readonly files: Files;
}
