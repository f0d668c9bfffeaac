// What is kept of a task's output: all of it while it fits; else the head and the tail of each
// stream, with true counts. Memory stays bounded however much flows through. Secrets are taken out
// before anything is cut, so that no cut hides half of one.

import type { Truncated } from "@openclaw-worker/protocol";
import { ByteQueue } from "./bytes.ts";
import { encodeStream, type EncodedStream, type StreamParts } from "./encode.ts";
import type { Redactor } from "./redact.ts";

export type StreamName = "stdout" | "stderr";

export interface CaptureLimits {
  /** Head and tail of both streams together, in bytes. */
  readonly keptBytes: number;
  /** More than this from both streams together is a flood. */
  readonly killBytes: number;
}

export interface Captured {
  readonly stdout: EncodedStream;
  readonly stderr: EncodedStream;
  /** Only when something was left out. */
  readonly truncated?: Truncated;
}

export class Capture {
  readonly #limits: CaptureLimits;
  readonly #streams: Readonly<Record<StreamName, Kept>>;

  /** @param redactor takes secrets out; without one, all is kept as it comes */
  constructor(limits: CaptureLimits, redactor?: Redactor) {
    this.#limits = limits;
    // A quarter each: two heads and two tails share what may be kept. A stream whose neighbor is
    // quiet has the neighbor's share for its tail as well.
    const headMax = Math.floor(limits.keptBytes / 4);
    const sieve = (): Sieve => redactor?.stream() ?? openMesh;
    this.#streams = { stdout: new Kept(headMax, sieve()), stderr: new Kept(headMax, sieve()) };
  }

  /** Takes what a stream printed. Answers false once the task printed more than it may. */
  push(name: StreamName, chunk: Uint8Array): boolean {
    const { stdout, stderr } = this.#streams;
    this.#streams[name].push(chunk);
    this.#trim();
    return stdout.totalBytes + stderr.totalBytes <= this.#limits.killBytes;
  }

  /**
   * What was kept, encoded, and kept no longer. `cutShort`: the program was ended from outside, so half a character
   * at the very end is no sign of binary output.
   */
  finish(cutShort: boolean): Captured {
    const { stdout, stderr } = this.#streams;
    stdout.end();
    stderr.end();
    this.#trim();
    const out = encodeStream(stdout.parts(), cutShort);
    const err = encodeStream(stderr.parts(), cutShort);
    stdout.clear();
    stderr.clear();
    if (out.leftOutBytes + err.leftOutBytes === 0) return { stdout: out, stderr: err };
    const truncated = {
      stdoutBytes: stdout.totalBytes,
      stderrBytes: stderr.totalBytes,
      stdoutLeftOut: out.leftOutBytes,
      stderrLeftOut: err.leftOutBytes,
    };
    return { stdout: out, stderr: err, truncated };
  }

  #trim(): void {
    const { stdout, stderr } = this.#streams;
    const over = stdout.keptBytes + stderr.keptBytes - this.#limits.keptBytes;
    if (over > 0) trim(stdout, stderr, over);
  }
}

type Sieve = ReturnType<Redactor["stream"]>;

/** Lets everything through. */
const openMesh: Sieve = { push: (chunk) => chunk, end: () => new Uint8Array(0) };

/** Drops `over` bytes from the front of the tails: from the longer one until both are equal. */
function trim(stdout: Kept, stderr: Kept, over: number): void {
  const [longer, shorter] =
    stdout.tailBytes >= stderr.tailBytes ? [stdout, stderr] : [stderr, stdout];
  const share = Math.floor((longer.tailBytes + shorter.tailBytes - over) / 2);
  const fromShorter = Math.max(0, shorter.tailBytes - share);
  shorter.dropTail(fromShorter);
  longer.dropTail(over - fromShorter);
}

class Kept {
  readonly #headMax: number;
  readonly #sieve: Sieve;
  readonly #head = new ByteQueue();
  readonly #tail = new ByteQueue();
  /** What the program printed. */
  totalBytes = 0;
  /** The same less its secrets: what head and tail are taken from. */
  #shownBytes = 0;

  constructor(headMax: number, sieve: Sieve) {
    this.#headMax = headMax;
    this.#sieve = sieve;
  }

  get tailBytes(): number {
    return this.#tail.length;
  }

  get keptBytes(): number {
    return this.#head.length + this.#tail.length;
  }

  /** Copies what it keeps: the caller may use the chunk's memory again. */
  push(chunk: Uint8Array): void {
    this.totalBytes += chunk.length;
    this.#keep(this.#sieve.push(chunk));
  }

  /** Nothing comes any more. */
  end(): void {
    this.#keep(this.#sieve.end());
  }

  dropTail(count: number): void {
    this.#tail.dropFront(count);
  }

  #keep(bytes: Uint8Array): void {
    this.#shownBytes += bytes.length;
    const toHead = Math.min(bytes.length, this.#headMax - this.#head.length);
    if (toHead > 0) this.#head.push(bytes.subarray(0, toHead));
    if (toHead < bytes.length) this.#tail.push(bytes.subarray(toHead));
  }

  parts(): StreamParts {
    const leftOutBytes = this.#shownBytes - this.keptBytes;
    return { head: this.#head.whole(), tail: this.#tail.whole(), leftOutBytes };
  }

  clear(): void {
    this.#head.clear();
    this.#tail.clear();
  }
}
