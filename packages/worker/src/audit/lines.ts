// Lines of a growing file, block by block.

import { auditEntryBytesMax } from "@openclaw-worker/protocol";
import type { Strip } from "./strip.ts";

export interface Block {
  /** Whole lines, without their newlines. */
  readonly lines: readonly Buffer[];
  /** Where the last of them ends in the file, after its newline. */
  readonly end: number;
}

const blockBytes = 1_048_576;
const lineBytesMax = auditEntryBytesMax + 1;

/** All whole lines from `start` to `stop`; ends early at a line that is too long to be an entry. */
export async function* linesOf(strip: Strip, start: number, stop: number): AsyncGenerator<Block> {
  let position = start;
  while (position < stop) {
    const block = await strip.read(position, Math.min(blockBytes, stop - position));
    const lines = splitLines(block);
    if (lines.length === 0) return;
    position += lines.reduce((bytes, line) => bytes + line.length + 1, 0);
    yield { lines, end: position };
  }
}

export interface Wanted {
  /** Number of the first entry. */
  readonly from: number;
  readonly entriesMax: number;
  readonly bytesMax: number;
}

export interface Page {
  readonly lines: readonly Buffer[];
  /** Where the entry after them begins. */
  readonly end: number;
}

/** Entries from number `from` on; `known` is a place where an entry begins, to go on from. */
export async function readPage(
  strip: Strip,
  wanted: Wanted,
  known: { readonly seq: number; readonly position: number } | null,
): Promise<Page> {
  const start = known?.seq === wanted.from ? known.position : await positionOf(strip, wanted.from);
  const lines: Buffer[] = [];
  let [end, bytes] = [start, 0];
  for await (const block of linesOf(strip, start, strip.size)) {
    for (const line of block.lines) {
      bytes += line.length;
      if (lines.length >= wanted.entriesMax || (bytes > wanted.bytesMax && lines.length > 0)) {
        return { lines, end };
      }
      lines.push(line);
      end += line.length + 1;
    }
  }
  return { lines, end };
}

/** Where the entry begins: entries say their numbers, so the file is halved until it is found. */
async function positionOf(strip: Strip, seq: number): Promise<number> {
  if (seq === 0) return 0;
  // Before `low` begins an entry with a smaller number; from `high` on, none of them.
  let [low, high] = [0, strip.size];
  while (high - low > 2 * lineBytesMax) {
    const middle = Math.floor((low + high) / 2);
    const found = await firstFrom(strip, middle);
    if (found === null || found.seq >= seq) high = middle;
    else low = found.position;
  }
  let position = low;
  for await (const { lines } of linesOf(strip, low, strip.size)) {
    for (const line of lines) {
      if (seqOf(line) === seq) return position;
      position += line.length + 1;
    }
  }
  return position;
}

/** The first entry that begins after this place. */
async function firstFrom(
  strip: Strip,
  place: number,
): Promise<{ readonly seq: number; readonly position: number } | null> {
  const bytes = await strip.read(place, 2 * lineBytesMax);
  const newline = bytes.indexOf(10);
  const end = newline < 0 ? -1 : bytes.indexOf(10, newline + 1);
  if (end < 0) return null;
  return { seq: seqOf(bytes.subarray(newline + 1, end)), position: place + newline + 1 };
}

function seqOf(line: Buffer): number {
  const parsed: unknown = JSON.parse(line.toString());
  const has = typeof parsed === "object" && parsed !== null && "seq" in parsed;
  return has && typeof parsed.seq === "number" ? parsed.seq : -1;
}

function splitLines(block: Buffer): readonly Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = block.indexOf(10); end >= 0; end = block.indexOf(10, start)) {
    lines.push(block.subarray(start, end));
    start = end + 1;
  }
  return lines;
}
