import { isUtf8 } from "node:buffer";
import { limits } from "@openclaw-worker/protocol";
import { release } from "./release.ts";

export interface StreamParts {
  readonly head: Uint8Array;
  readonly tail: Uint8Array;
  /** Bytes that came between head and tail and were not kept. */
  readonly leftOutBytes: number;
}

export interface EncodedStream {
  readonly text: string;
  readonly encoding: "utf8" | "base64";
  /** With the bytes of characters that were cut in two. */
  readonly leftOutBytes: number;
}

/** In what is smaller nobody counts: a NUL in a short answer stays a NUL in a text. */
const countedBytesMin = 65_536;
/** JSON this many times as long as the bytes is no text that anybody reads. */
const swellMax = 2;
/** Room for the rest of a report beside its longest text. */
const jsonBytesMax = limits.bodyBytes - 1_048_576;

/**
 * The text of a stream: UTF-8 when its bytes are valid UTF-8, else base64 of head and tail; base64
 * also when JSON would make the text much longer. Where bytes were left out, UTF-8 text has a line
 * that says how many; base64 has none, because it would be taken for output.
 */
export function encodeStream(parts: StreamParts, cutShort: boolean): EncodedStream {
  const text = parts.leftOutBytes === 0 ? wholeText(parts, cutShort) : cutText(parts, cutShort);
  if (text !== null) return text;
  return {
    text: joined([parts.head, parts.tail], "base64"),
    encoding: "base64",
    leftOutBytes: parts.leftOutBytes,
  };
}

/** Bytes of a file or another complete value: text, or base64 for the same reasons. */
export function encodeBytes(bytes: Buffer): { text: string; encoding: "utf8" | "base64" } {
  if (isText([bytes])) return { text: bytes.toString("utf8"), encoding: "utf8" };
  return { text: bytes.toString("base64"), encoding: "base64" };
}

function wholeText(parts: StreamParts, cutShort: boolean): EncodedStream | null {
  const bytes = Buffer.concat([parts.head, parts.tail]);
  const { length } = cutShort ? withoutSplitEnd(bytes) : bytes;
  const text = isText([bytes.subarray(0, length)]) ? bytes.toString("utf8", 0, length) : null;
  const leftOutBytes = bytes.length - length;
  release(bytes);
  return text === null ? null : { text, encoding: "utf8", leftOutBytes };
}

function cutText(parts: StreamParts, cutShort: boolean): EncodedStream | null {
  const head = withoutSplitEnd(parts.head);
  const started = withoutSplitStart(parts.tail);
  const tail = cutShort ? withoutSplitEnd(started) : started;
  if (!isText([head, tail])) return null;
  const split = parts.head.length - head.length + (parts.tail.length - tail.length);
  const leftOutBytes = parts.leftOutBytes + split;
  const marker = `\n[... ${leftOutBytes} bytes left out ...]\n`;
  return {
    text: joined([head, Buffer.from(marker), tail], "utf8"),
    encoding: "utf8",
    leftOutBytes,
  };
}

/** One text of all of them: pieces of text that are joined later are in memory twice. */
function joined(pieces: readonly Uint8Array[], encoding: "utf8" | "base64"): string {
  const bytes = Buffer.concat(pieces);
  const text = bytes.toString(encoding);
  release(bytes);
  return text;
}

function isText(pieces: readonly Uint8Array[]): boolean {
  return pieces.every((piece) => isUtf8(piece)) && !swells(pieces);
}

/** Whether JSON (RFC 8259, section 7) would make much more of these bytes than base64 does. */
function swells(pieces: readonly Uint8Array[]): boolean {
  const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
  if (bytes < countedBytesMin) return false;
  let more = 0;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += 1) more += extraOf[piece[at] ?? 0] ?? 0;
  }
  return bytes + more > Math.min(swellMax * bytes, jsonBytesMax);
}

/** How many more bytes than itself JSON makes of a byte: `\n` for a line feed, `\u0000` for a NUL. */
const extraOf = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return byte < 0x80 ? JSON.stringify(character).length - 3 : 0;
});

/** Without the beginning of a character whose end is missing (at most 3 bytes). */
function withoutSplitEnd(bytes: Uint8Array): Uint8Array {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (isContinuation(byte)) continue;
    return back < characterBytes(byte) ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

/** Without the end of a character whose beginning is missing (at most 3 bytes). */
function withoutSplitStart(bytes: Uint8Array): Uint8Array {
  let skip = 0;
  while (skip < Math.min(3, bytes.length) && isContinuation(bytes[skip] ?? 0)) skip += 1;
  return bytes.subarray(skip);
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

/** Bytes of the character that begins with `byte` (RFC 3629, section 3). */
function characterBytes(byte: number): number {
  if (byte >= 0xf0) return 4;
  if (byte >= 0xe0) return 3;
  return byte >= 0xc0 ? 2 : 1;
}
