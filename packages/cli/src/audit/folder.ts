// The log as the worker keeps it: entries, their hashes, and signed heads, in three files. The worker
// may be writing meanwhile: the heads are looked at first, so what they cover is there.

import path from "node:path";
import {
  auditFiles,
  canonicalJson,
  storedHeadSchema,
  type StoredHead,
} from "@openclaw-worker/protocol";
import type { Item } from "./check.ts";
import { linesOf, openFile, type OpenFile } from "./lines.ts";

const hashBytes = 32;

/** Is there a log in this folder? */
export function hasLog(folder: string): boolean {
  using file = openFile(path.join(folder, auditFiles.entries));
  return file !== null;
}

/** Everything in the folder, in the order of its entries. */
export async function* readFolder(folder: string): AsyncGenerator<readonly Item[]> {
  using headsFile = openFile(path.join(folder, auditFiles.heads));
  using entries = openFile(path.join(folder, auditFiles.entries));
  using hashes = openFile(path.join(folder, auditFiles.hashes));
  const heads = headsFile === null ? null : readHeads(headsFile);
  const noted = notedHashes(hashes);
  let next = heads?.next();
  let [seq, position, line] = [0, 0, 1];

  /** Heads whose place is here. A head for more entries than there are is told at the end. */
  const due = (atEnd: boolean): readonly Item[] => {
    const items: Item[] = [];
    while (next?.done === false) {
      const stored = next.value;
      if (typeof stored === "string") {
        items.push({ kind: "broken", what: "signature", why: `head ${line}: ${stored}` });
        break;
      }
      if (stored.head.checkpoint.size > seq && !atEnd) break;
      items.push({ kind: "head", head: stored.head, line });
      if (stored.bytes !== position) {
        const why = `head ${line} says that its entries end at byte ${stored.bytes}, and they end at ${position}`;
        items.push({ kind: "broken", what: "side", why });
      }
      next = heads?.next();
      line += 1;
    }
    return items;
  };

  yield due(false);
  if (entries === null) return yield due(true);
  const lines = linesOf(entries);
  let block = lines.next();
  for (; block.done === false; block = lines.next()) {
    const items: Item[] = [];
    for (const bytes of block.value) {
      // Only what a head covers was surely written beside it.
      const covered = next?.done === false;
      items.push({ kind: "entry", bytes, noted: covered ? noted(seq) : null });
      seq += 1;
      position += bytes.length + 1;
      items.push(...due(false));
    }
    yield items;
  }
  yield [...due(true), { kind: "rest", bytes: block.value.length }];
}

/** The newest head in the folder. */
export function lastHead(folder: string): StoredHead | null {
  using file = openFile(path.join(folder, auditFiles.heads));
  if (file === null) return null;
  let last: StoredHead | null = null;
  for (const head of readHeads(file)) if (typeof head !== "string") last = head;
  return last;
}

/** Heads one by one; a text says why a line is none. */
function* readHeads(file: OpenFile): Generator<StoredHead | string> {
  const lines = linesOf(file);
  let block = lines.next();
  for (; block.done === false; block = lines.next()) {
    for (const line of block.value) yield headOf(line.toString());
  }
  // A crash leaves the beginning of a line. A whole one whose newline is gone was changed.
  const rest = block.value.toString();
  if (isJson(rest) || isJson(rest.slice(0, -1))) yield "its line has no end";
}

function headOf(line: string): StoredHead | string {
  const parsed = storedHeadSchema.safeParse(isJson(line) ? JSON.parse(line) : null);
  if (!parsed.success) return "it is no signed head";
  return canonicalJson(parsed.data) === line ? parsed.data : "it is not canonical JSON";
}

/** Reads on in the file of hashes; each entry is asked for once, in order. */
function notedHashes(file: OpenFile | null): (seq: number) => Buffer | null {
  let [block, start, place] = [Buffer.alloc(0), 0, 0];
  return (seq) => {
    if (file === null) return null;
    // The leaf, and one node for each pair that it completes: the ones at the end of its number.
    let nodes = 1;
    for (let rest = seq; rest % 2 === 1; rest = (rest - 1) / 2) nodes += 1;
    const length = nodes * hashBytes;
    if (place + length > start + block.length) {
      start = place;
      block = Buffer.from(file.read(start, 65_536));
    }
    const found = block.subarray(place - start, place - start + length);
    place += length;
    return found.length === length ? found : null;
  };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
