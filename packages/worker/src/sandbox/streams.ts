// What a task has as standard input, output and error.

/** The two ends of one stream: ours and the child's. */
export interface StreamEnds {
  readonly ownFd: number;
  readonly childFd: number;
}

/** What a task has as input and output. */
export interface TaskStreams {
  readonly input: TaskInput;
  readonly stdout: StreamEnds;
  readonly stderr: StreamEnds;
  /** Once the child has been started, its ends are its own. */
  closeChildSide(): void;
}

/**
 * Standard input is a file without a name, filled before the task begins: a FIFO that nobody
 * writes any more would block whoever opens /dev/stdin, and a socket cannot be opened again.
 */
export interface TaskInput {
  readonly childFd: number;
  /** Writes the whole input, once. */
  give(text: string): Promise<void>;
  close(): void;
}

/** A private folder in the worker's state, for streams whose names are unlinked at once. */
export interface StreamFolder extends Disposable {
  readonly path: string;
  /** New streams for one task. Makes FIFOs in batches, because each batch costs a process. */
  open(): Promise<TaskStreams>;
  /**
   * The filter of system calls, at its beginning: whoever reads a descriptor moves it for all who
   * share it, so each cage has one of its own. Throws when the file is gone.
   */
  openFilter(): OpenFile;
}

/** A file for a child; disposing of it closes our side. */
export interface OpenFile extends Disposable {
  readonly fd: number;
}
