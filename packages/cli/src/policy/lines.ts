// Standard input of `policy test --stdin`: one JSON value a line, as many as somebody likes. No more
// than a line is kept, and no line is lost: what cannot be read is told in its place.

import { TextDecoder } from "node:util";

/** `at` counts from 1, blank lines too. */
export type Line =
  | { readonly kind: "value"; readonly at: number; readonly value: unknown }
  | { readonly kind: "broken"; readonly at: number; readonly because: string };

const newline = 0x0a;
// A command of the largest size that a task may have, when every character of it is escaped.
export const lineBytesMax = 16_777_216;

/** Reads lines from chunks. Blank lines are none; a last line without its end counts. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Line> {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let kept: Uint8Array[] = [];
  let keptBytes = 0;
  let at = 0;
  const add = (piece: Uint8Array): void => {
    keptBytes += piece.length;
    if (keptBytes <= lineBytesMax) kept.push(piece);
  };
  const take = (): Line | null => {
    const [pieces, bytes] = [kept, keptBytes];
    [kept, keptBytes] = [[], 0];
    at += 1;
    if (bytes > lineBytesMax) return broken(at, `it is longer than ${lineBytesMax} bytes`);
    return readLine(at, pieces.length === 1 ? (pieces[0] ?? empty) : Buffer.concat(pieces), text);
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      add(chunk.subarray(from, end));
      from = end + 1;
      const line = take();
      if (line !== null) yield line;
    }
    add(chunk.subarray(from));
  }
  const last = take();
  if (last !== null) yield last;
}

const empty = new Uint8Array();

function readLine(at: number, bytes: Uint8Array, decoder: TextDecoder): Line | null {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return broken(at, "it is not UTF-8 text");
  }
  if (text.trim() === "") return null;
  try {
    return { kind: "value", at, value: JSON.parse(text) };
  } catch {
    return broken(at, "it is no JSON: write each command as a text in double quotes");
  }
}

function broken(at: number, because: string): Line {
  return { kind: "broken", at, because };
}
