// Lines of a file, block by block, as bytes: what is checked is what lies on the disk.

import fs from "node:fs";

export interface OpenFile extends Disposable {
  /** Its size when it was opened; what is appended later is not read. */
  readonly size: number;
  /** At most `length` bytes; less only at the end. */
  read(position: number, length: number): Buffer;
}

const blockBytes = 131_072;
// No entry is as long; a file without newlines must not fill the memory.
const lineBytesMax = 4_194_304;

/** Null when it does not exist. */
export function openFile(file: string): OpenFile | null {
  let opened: number;
  try {
    opened = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null;
    throw thrown;
  }
  const { size } = fs.fstatSync(opened);
  return {
    size,
    read(position, length) {
      const buffer = Buffer.alloc(Math.max(0, Math.min(length, size - position)));
      let done = 0;
      while (done < buffer.length) {
        const got = fs.readSync(opened, buffer, done, buffer.length - done, position + done);
        if (got === 0) break;
        done += got;
      }
      return buffer.subarray(0, done);
    },
    [Symbol.dispose]: () => fs.closeSync(opened),
  };
}

/** Whole lines without their newlines, many at a time; returns what comes after the last newline. */
export function* linesOf(file: OpenFile): Generator<readonly Buffer[], Buffer> {
  let position = 0;
  let length = blockBytes;
  for (;;) {
    const block = file.read(position, length);
    const end = block.lastIndexOf(10) + 1;
    if (end === 0) {
      if (block.length < length || length >= lineBytesMax) return block;
      length *= 2;
      continue;
    }
    yield split(block.subarray(0, end));
    position += end;
    length = blockBytes;
  }
}

function split(block: Buffer): readonly Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = block.indexOf(10); end >= 0; end = block.indexOf(10, start)) {
    lines.push(block.subarray(start, end));
    start = end + 1;
  }
  return lines;
}
