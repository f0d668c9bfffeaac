// What a command may know of the process that it runs in. main.ts makes the only real one.

import type { Clock } from "@openclaw-worker/base";

export interface Host {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /** -1 where the system has no user ids. */
  readonly uid: number;
  readonly home: string;
  readonly hostname: string;
  /** The user's login shell. */
  readonly shell: string;
  readonly cwd: string;
  readonly platform: string;
  readonly nodeVersion: string;
  /** Absolute path of the running Node. */
  readonly nodePath: string;
  /** Absolute path of the folder that holds this installation (its node_modules too). */
  readonly installDir: string;
  /** Absolute path of the file that starts this command. */
  readonly launcher: string;
  readonly clock: Clock;
  /** Aborted by the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** Aborted by the second; the process ends right after its listeners ran. */
  readonly hurry: AbortSignal;
  /**
   * Makes this folder (0700) and works in it. It stays empty: the sandbox library searches the
   * folder it works in, to its last file, and leaves marks there.
   */
  workIn(folder: string): void;
  /** Replaces this process by another program, under the same pid; does not come back. */
  become(program: Program): never;
}

/** A program to start: absolute path, arguments without the name, the whole environment. */
export interface Program {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface Input {
  readonly isTerminal: boolean;
  /** All bytes until the end. */
  readAll(): Promise<Buffer>;
}

export interface Output {
  readonly isTerminal: boolean;
  /** Terminal width in columns; 80 when it is none. */
  readonly columns: number;
  write(data: string | Uint8Array): void;
}
