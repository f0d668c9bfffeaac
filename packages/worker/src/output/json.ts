// A report as the bytes that the journal keeps and the wire carries. A long text is never in memory
// as JSON and as bytes at once, and the pieces on the way are small enough to be cleared away often.

import type { Report } from "@openclaw-worker/protocol";
import { release } from "./release.ts";

const pieceLength = 65_536;

/** The report's JSON (RFC 8259) in UTF-8. */
export function reportJson(report: Report): Buffer {
  const { stdout, stderr, ...rest } = report;
  const pieces = [
    Buffer.from('{"stdout":"'),
    ...textPieces(stdout),
    Buffer.from('","stderr":"'),
    ...textPieces(stderr),
    Buffer.from(`",${JSON.stringify(rest).slice(1)}`),
  ];
  const bytes = Buffer.concat(pieces);
  for (const piece of pieces) release(piece);
  return bytes;
}

function* textPieces(text: string): Generator<Buffer> {
  for (let at = 0; at < text.length;) {
    const last = text.charCodeAt(at + pieceLength - 1);
    // Both halves of a character stay together: JSON would escape each.
    const end = at + pieceLength + (last >= 0xd800 && last < 0xdc00 ? 1 : 0);
    yield Buffer.from(JSON.stringify(text.slice(at, end)).slice(1, -1));
    at = end;
  }
}
