// A log in one file, to be carried away. The first line says what must be in it:
//
//   {"audit":1,"head":{…}}        the head over all of it
//   {"entry":{…},"hash":"…"}      an entry, byte for byte the leaf, and the leaf's hash
//   {"head":{…}}                  a signed head over the entries so far

import fs from "node:fs";
import {
  canonicalJson,
  leafHash,
  signedCheckpointSchema,
  type SignedCheckpoint,
} from "@openclaw-worker/protocol";
import type { Item } from "./check.ts";
import { lastHead, readFolder } from "./folder.ts";
import { linesOf, openFile } from "./lines.ts";

const firstBytes = '{"audit":1,"head":';
const entryBytes = Buffer.from('{"entry":');
const hashBytes = Buffer.from(',"hash":"');
const tailLength = hashBytes.length + 64 + 2;

/** Does a file begin as an exported log does? */
export function isExported(file: string): boolean {
  using opened = openFile(file);
  return opened?.read(0, firstBytes.length).toString() === firstBytes;
}

/** The lines of an export of what is signed in the folder; null when nothing is. */
export async function* exportFolder(folder: string): AsyncGenerator<Buffer> {
  const last = lastHead(folder);
  if (last === null) return;
  const { size } = last.head.checkpoint;
  yield Buffer.from(`${firstBytes}${canonicalJson(last.head)}}\n`);
  let seq = 0;
  for await (const items of readFolder(folder)) {
    const lines: Buffer[] = [];
    for (const item of items) {
      if (item.kind === "head" && item.head.checkpoint.size < size) {
        lines.push(Buffer.from(`{"head":${canonicalJson(item.head)}}\n`));
      }
      if (item.kind !== "entry" || seq >= size) continue;
      seq += 1;
      // The hash that was noted, not a new one: a changed entry stays visible as one.
      const hash = (item.noted?.subarray(0, 32) ?? leafHash(item.bytes)).toString("hex");
      lines.push(entryBytes, item.bytes, Buffer.from(`,"hash":"${hash}"}\n`));
    }
    yield Buffer.concat(lines);
  }
}

/** Everything in an exported file. */
export async function* readExported(file: string): AsyncGenerator<readonly Item[]> {
  using opened = openFile(file);
  if (opened === null) return;
  const lines = linesOf(opened);
  let promised: SignedCheckpoint | null = null;
  let heads = 0;
  let block = lines.next();
  for (; block.done === false; block = lines.next()) {
    const items: Item[] = [];
    for (const line of block.value) {
      if (promised === null) {
        promised = headIn(line.toString(), firstBytes);
        if (promised === null) {
          return yield [{ kind: "broken", what: "form", why: "the first line was changed" }];
        }
        continue;
      }
      const entry = entryIn(line);
      if (entry !== null) {
        items.push(entry);
        continue;
      }
      const head = headIn(line.toString(), '{"head":');
      if (head === null) {
        const why = "the line after the entry before is neither an entry nor a head";
        return yield [...items, { kind: "broken", what: "form", why }];
      }
      heads += 1;
      items.push({ kind: "head", head, line: heads });
    }
    yield items;
  }
  if (block.value.length > 0) {
    return yield [{ kind: "broken", what: "form", why: "the last line has no end" }];
  }
  // The head over all of it stands at the top: a file that was cut is found by it.
  if (promised !== null) yield [{ kind: "head", head: promised, line: heads + 1 }];
}

/** Entries alone, as in a copy of `audit.jsonl`: without heads they prove nothing. */
export async function* readBare(file: string): AsyncGenerator<readonly Item[]> {
  using opened = openFile(file);
  if (opened === null) return;
  const lines = linesOf(opened);
  let block = lines.next();
  for (; block.done === false; block = lines.next()) {
    yield block.value.map((bytes) => ({ kind: "entry", bytes, noted: null }) as const);
  }
  yield [{ kind: "rest", bytes: block.value.length }];
}

/** @throws the system's error, also when the file is there already */
export async function writeExport(folder: string, file: string): Promise<void> {
  const opened = fs.openSync(file, "wx", 0o600);
  try {
    for await (const bytes of exportFolder(folder)) fs.writeFileSync(opened, bytes);
  } finally {
    fs.closeSync(opened);
  }
}

function entryIn(line: Buffer): Item | null {
  const start = line.length - tailLength;
  const well =
    start > entryBytes.length &&
    line.subarray(0, entryBytes.length).equals(entryBytes) &&
    line.subarray(start, start + hashBytes.length).equals(hashBytes);
  if (!well) return null;
  const tail = line.subarray(start + hashBytes.length).toString("latin1");
  // Beside an entry that is right, a changed hash or end of the line is a changed side.
  const hash = /^[0-9a-f]{64}"\}$/.test(tail)
    ? Buffer.from(tail.slice(0, 64), "hex")
    : Buffer.alloc(32);
  return { kind: "entry", bytes: line.subarray(entryBytes.length, start), noted: hash };
}

function headIn(line: string, prefix: string): SignedCheckpoint | null {
  if (!line.startsWith(prefix) || !line.endsWith("}")) return null;
  const text = line.slice(prefix.length, -1);
  try {
    const parsed = signedCheckpointSchema.safeParse(JSON.parse(text));
    return parsed.success && canonicalJson(parsed.data) === text ? parsed.data : null;
  } catch {
    return null;
  }
}
