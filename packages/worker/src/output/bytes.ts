// Bytes in the order in which they came, in one block that grows: a program that prints one byte
// at a time costs one byte here, not one object.

import { release } from "./release.ts";

const firstCapacityBytes = 4_096;

/** A queue of bytes: appended at the end, dropped from the front. */
export class ByteQueue {
  #block = new Uint8Array(0);
  #start = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Copies `chunk` to the end; the caller may reuse its memory. */
  push(chunk: Uint8Array): void {
    this.#reserve(this.#length + chunk.length);
    const end = (this.#start + this.#length) % this.#block.length;
    const untilWrap = Math.min(chunk.length, this.#block.length - end);
    this.#block.set(chunk.subarray(0, untilWrap), end);
    this.#block.set(chunk.subarray(untilWrap), 0);
    this.#length += chunk.length;
  }

  /** Forgets the oldest `count` bytes. */
  dropFront(count: number): void {
    const dropped = Math.min(count, this.#length);
    this.#length -= dropped;
    this.#start = this.#length === 0 ? 0 : (this.#start + dropped) % this.#block.length;
  }

  /** All bytes, copied, oldest first. */
  toBuffer(): Buffer {
    return Buffer.from(this.whole());
  }

  /** All bytes, oldest first; for as long as nothing changes. */
  whole(): Uint8Array {
    const end = this.#start + this.#length;
    if (end > this.#block.length) this.#move(this.#block.length);
    return this.#block.subarray(this.#start, this.#start + this.#length);
  }

  /** Forgets everything, and gives the memory back. */
  clear(): void {
    release(this.#block);
    this.#block = new Uint8Array(0);
    this.#start = 0;
    this.#length = 0;
  }

  #reserve(wanted: number): void {
    if (wanted <= this.#block.length && this.#block.length > 0) return;
    let capacity = Math.max(firstCapacityBytes, this.#block.length);
    while (capacity < wanted) capacity *= 2;
    this.#move(capacity);
  }

  /** Into another block, from its beginning. */
  #move(capacity: number): void {
    const block = new Uint8Array(capacity);
    const first = this.#block.subarray(this.#start, this.#start + this.#length);
    block.set(first);
    block.set(this.#block.subarray(0, this.#length - first.length), first.length);
    release(this.#block);
    this.#block = block;
    this.#start = 0;
  }
}
