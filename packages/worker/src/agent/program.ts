// An agent's process as its driver sees it. Who starts it, and in which cage, is handed in.

/** A program that speaks in lines over its standard streams. */
export interface AgentProcess {
  /** Writes `line` and a newline. After the end of the input or the process it does nothing. */
  write(line: string): void;
  /** Ends its standard input. */
  endInput(): void;
  /** Its standard output, line by line, until it closes. Read once. */
  readonly lines: AsyncIterable<string>;
  /** The end of what it has written to standard error so far, at most a few KiB. */
  stderr(): string;
  /** Its exit code; 128+n when a signal ended it; 127 when it could not be started. Never rejects. */
  readonly exited: Promise<number>;
  /** SIGTERM to it and what it started. */
  terminate(): void;
  /** SIGKILL to it and all of its descendants, also those in sessions of their own. */
  kill(): void;
}

/** Starts a program; rejects when it cannot. `argv[0]` is an absolute path; `env` is all it gets. */
export type StartAgent = (
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
) => Promise<AgentProcess>;

/** Cuts bytes into lines of UTF-8. A line longer than `lineBytesMax` is dropped whole. */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let length = 0;
  const take = (): string | null => {
    const line = length > lineBytesMax ? null : Buffer.concat(parts).toString("utf8");
    parts = [];
    length = 0;
    return line;
  };
  const keep = (piece: Uint8Array): void => {
    length += piece.length;
    if (length > lineBytesMax) parts = [];
    else parts.push(piece);
  };
  for await (const chunk of chunks) {
    let rest = chunk;
    for (let at = rest.indexOf(10); at !== -1; at = rest.indexOf(10)) {
      keep(rest.subarray(0, at));
      const line = take();
      if (line !== null) yield line;
      rest = rest.subarray(at + 1);
    }
    keep(rest);
  }
  if (length > 0) {
    const line = take();
    if (line !== null) yield line;
  }
}
