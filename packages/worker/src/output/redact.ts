// Secrets are taken out of what leaves this computer. Best effort, and no more: it knows the exact
// values that it was told, in the shapes that common programs give them, and the looks of common
// keys. A secret that is split, encrypted, or written backwards passes. The real control is that
// caged tasks cannot read secrets in the first place.

import { buildAutomaton, type Word } from "./automaton.ts";
import { patterns } from "./pattern.ts";
import { openSieve, type Search, type Sieve } from "./sieve.ts";
import { shapesOf, type Secret } from "./secret.ts";

export interface Redactor {
  /** A stream of bytes: every stream has its own memory of what came before. */
  stream(): Pick<Sieve, "push" | "end">;
  /** The same text, with `[redacted]` in place of what looks secret, `[redacted: <name>]` of what is known. */
  text(value: string): string;
  bytes(value: Uint8Array): Uint8Array;
  /** The name of a known secret in these bytes, or null. Looks are not asked. */
  secretIn(value: Uint8Array): string | null;
  /** The same redactor for known secrets alone: for what was redacted once and may not change. */
  readonly known: Redactor;
}

/** All shapes of all secrets together; what would need more is looked for in its plain form alone. */
const shapeBytesMax = 32_768;
/** With those plain forms; more secrets than that are not looked for. */
const wordBytesMax = 49_152;

/** @param secrets the first are the most important: there is a limit to what is looked for */
export function createRedactor(secrets: readonly Secret[]): Redactor {
  const names = secrets.map(({ name }) => name.replaceAll(/[^\w .-]/g, "_").slice(0, 64));
  const known = knownWords(secrets);
  const starts = patterns.flatMap((pattern, label) =>
    pattern.starts.map((start) => wordOf(Buffer.from(start), label, "start")),
  );
  const exact = redactorOf({ automaton: buildAutomaton(known), names }, null);
  return redactorOf({ automaton: buildAutomaton([...known, ...starts]), names }, exact);
}

function knownWords(secrets: readonly Secret[]): readonly Word[] {
  const words: Word[] = [];
  let bytes = 0;
  for (const [label, { value }] of secrets.entries()) {
    const shapes = shapesOf(value);
    const size = shapes.reduce((sum, shape) => sum + shape.bytes.length, 0);
    for (const shape of bytes + size <= shapeBytesMax ? shapes : shapes.slice(0, 1)) {
      if (bytes + shape.bytes.length > wordBytesMax) break;
      words.push({ ...wordOf(shape.bytes, label, "whole"), wraps: shape.wraps });
      bytes += shape.bytes.length;
    }
  }
  return words;
}

/** A long text without a secret, which is most of them, is never in memory a second time. */
const pieceLength = 65_536;

function isAltered(value: string, sieve: Sieve): boolean {
  // UTF-8 has at most three bytes for each unit of UTF-16.
  const scratch = new Uint8Array(3 * (pieceLength + 1));
  const encoder = new TextEncoder();
  for (let at = 0; at < value.length && !sieve.altered;) {
    const last = value.charCodeAt(at + pieceLength - 1);
    // Both halves of a character stay together.
    const end = at + pieceLength + (last >= 0xd800 && last < 0xdc00 ? 1 : 0);
    const { written } = encoder.encodeInto(value.slice(at, end), scratch);
    sieve.push(scratch.subarray(0, written));
    at = end;
  }
  sieve.end();
  return sieve.altered;
}

function wordOf(bytes: Uint8Array, label: number, kind: Word["kind"]): Word {
  return { bytes, label, kind, wraps: false };
}

function redactorOf(search: Search, exact: Redactor | null): Redactor {
  const bytes = (value: Uint8Array): Uint8Array => {
    const sieve = openSieve(search);
    const first = sieve.push(value);
    const rest = sieve.end();
    return sieve.altered ? Buffer.concat([first, rest]) : value;
  };
  const redactor: Redactor = {
    stream: () => openSieve(search),
    bytes,
    text(value) {
      if (value.length > pieceLength && !isAltered(value, openSieve(search))) return value;
      const before = Buffer.from(value, "utf8");
      const after = bytes(before);
      return after === before ? value : Buffer.from(after).toString("utf8");
    },
    secretIn(value) {
      if (exact !== null) return exact.secretIn(value);
      const sieve = openSieve(search);
      sieve.push(value);
      return sieve.known;
    },
    get known() {
      return exact ?? redactor;
    },
  };
  return redactor;
}
