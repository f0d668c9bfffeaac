import { isUtf8 } from "node:buffer";

export interface StreamParts {
  readonly head: Buffer;
  readonly tail: Buffer;
  /** Bytes that came between head and tail and were not kept. */
  readonly leftOutBytes: number;
}

export interface EncodedStream {
  readonly text: string;
  readonly encoding: "utf8" | "base64";
  /** With the bytes of characters that were cut in two. */
  readonly leftOutBytes: number;
}

/**
 * The text of a stream: UTF-8 when its bytes are valid UTF-8, else base64 of head and tail. Where
 * bytes were left out, UTF-8 text has a line that says how many; base64 has none, because it would
 * be taken for output.
 */
export function encodeStream(parts: StreamParts, cutShort: boolean): EncodedStream {
  const text = parts.leftOutBytes === 0 ? wholeText(parts, cutShort) : cutText(parts, cutShort);
  if (text !== null) return text;
  const bytes = Buffer.concat([parts.head, parts.tail]);
  return {
    text: bytes.toString("base64"),
    encoding: "base64",
    leftOutBytes: parts.leftOutBytes,
  };
}

/** Bytes of a file or another complete value, as text if they are UTF-8, else base64. */
export function encodeBytes(bytes: Buffer): { text: string; encoding: "utf8" | "base64" } {
  if (isUtf8(bytes)) return { text: bytes.toString("utf8"), encoding: "utf8" };
  return { text: bytes.toString("base64"), encoding: "base64" };
}

function wholeText(parts: StreamParts, cutShort: boolean): EncodedStream | null {
  const bytes = Buffer.concat([parts.head, parts.tail]);
  const kept = cutShort ? withoutSplitEnd(bytes) : bytes;
  if (!isUtf8(kept)) return null;
  const leftOutBytes = bytes.length - kept.length;
  return { text: kept.toString("utf8"), encoding: "utf8", leftOutBytes };
}

function cutText(parts: StreamParts, cutShort: boolean): EncodedStream | null {
  const head = withoutSplitEnd(parts.head);
  const started = withoutSplitStart(parts.tail);
  const tail = cutShort ? withoutSplitEnd(started) : started;
  if (!isUtf8(head) || !isUtf8(tail)) return null;
  const split = parts.head.length - head.length + (parts.tail.length - tail.length);
  const leftOutBytes = parts.leftOutBytes + split;
  const marker = `\n[... ${leftOutBytes} bytes left out ...]\n`;
  const text = `${head.toString("utf8")}${marker}${tail.toString("utf8")}`;
  return { text, encoding: "utf8", leftOutBytes };
}

/** Without the beginning of a character whose end is missing (at most 3 bytes). */
function withoutSplitEnd(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (isContinuation(byte)) continue;
    return back < characterBytes(byte) ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

/** Without the end of a character whose beginning is missing (at most 3 bytes). */
function withoutSplitStart(bytes: Buffer): Buffer {
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
