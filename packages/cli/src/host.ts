// What a command may know of the process that it runs in. main.ts makes the only real one.

import type { Readable, Writable } from "node:stream";
import type { Clock } from "@openclaw-worker/base";

export interface Host {
  readonly args: readonly string[];
  /** The variables that the process was started with. They stay what they were. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Input;
  /** Standard input and output as streams: for a protocol that is spoken over them. */
  pipes(): { readonly input: Readable; readonly output: Writable };
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
   * For what builds cages, before it opens a runner. From then on the process itself owes nothing to
   * where it was started: it works in this folder (made, 0700), and its own environment is a constant
   * PATH of the system's folders and what names the home, language, time zone and certificates. The
   * sandbox library starts programs by that PATH, with that environment, and searches the folder it
   * works in, to its last file, and leaves marks there: it must be empty, and no task's.
   */
  settleIn(folder: string): void;
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
  /** The bytes as they come. */
  chunks(): AsyncIterable<Buffer>;
  /**
   * Keys of a terminal, as they are pressed and unechoed, until the signal is aborted: one text a
   * key (`\u001B[A` is the up arrow), or more when text was pasted. Ctrl-C comes as `\u0003`.
   */
  keys(signal: AbortSignal): AsyncIterable<string>;
  /** One line of a terminal, or null at its end. */
  readLine(signal: AbortSignal): Promise<string | null>;
}

export interface Output {
  readonly isTerminal: boolean;
  /** Terminal width in columns; 80 when it is none. */
  readonly columns: number;
  /** Terminal height in lines; 24 when it is none. */
  readonly rows: number;
  write(data: string | Uint8Array): void;
  /** Resolves when the reader has taken what was written: for those who write much. */
  drained(): Promise<void>;
}
