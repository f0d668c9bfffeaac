// Opening the log after whatever ended the worker before.
//
//   entries  |---------- signed by the last head ----------|--- not signed yet ---|torn
//
// What a head covers must be there, or the worker does not start: somebody changed it. After that
// come the entries of the last moments: they are kept as far as they are whole, and the rest, which a
// crash left, is cut off and recorded. The hashes are only a memory: they are made again when needed.

import { randomBytes } from "node:crypto";
import path from "node:path";
import { messageOf, type Clock } from "@openclaw-worker/base";
import {
  auditFiles,
  canonicalJson,
  emptyFrontier,
  frontierOf,
  growTree,
  leafHash,
  readEntry,
  signerOf,
  signHead,
  storedCount,
  storedHeadSchema,
  storedIndex,
  type MerkleTree,
  type NodeReader,
  type PrivateKey,
  type StoredHead,
} from "@openclaw-worker/protocol";
import { linesOf } from "./lines.ts";
import { openStrip, type Strip } from "./strip.ts";

export interface LogOptions {
  /** The worker's state folder, which its lock holds. */
  readonly folder: string;
  readonly worker: string;
  readonly key: PrivateKey;
  readonly clock: Clock;
}

export interface OpenedLog extends AsyncDisposable {
  readonly entries: Strip;
  readonly hashes: Strip;
  readonly heads: Strip;
  /** Id of the log. */
  readonly log: string;
  /** The tree of all entries. */
  readonly tree: MerkleTree;
  /** Size that the last head in the file covers. */
  readonly signed: number;
  readonly read: NodeReader;
  /** Bytes of an unfinished write that were cut off. */
  readonly cutBytes: number;
}

export type Opening =
  | { readonly kind: "open"; readonly log: OpenedLog }
  /** In words: what is not as it was signed. */
  | { readonly kind: "changed"; readonly because: string };

/** Thrown and caught in this file only: the checks lie deep. */
class Changed extends Error {}

const hashBytes = 32;
const headsTailBytes = 65_536;
const entriesTailBytes = 4_194_304;

/** @throws the system's error when a file cannot be opened */
export async function openLog(options: LogOptions): Promise<Opening> {
  await using stack = new AsyncDisposableStack();
  const strip = async (name: string): Promise<Strip> =>
    stack.use(await openStrip(path.join(options.folder, name)));
  const [entries, hashes, heads] = [
    await strip(auditFiles.entries),
    await strip(auditFiles.hashes),
    await strip(auditFiles.heads),
  ];
  try {
    const head = (await lastHead(heads, options)) ?? (await begin(entries, heads, options));
    const read = readerOf(hashes);
    const tree = await signedTree({ entries, hashes, head, read });
    const cutBytes = await replay({ entries, hashes, tree, from: head.bytes });
    const { log, size: signed } = head.head.checkpoint;
    const kept = stack.move();
    const close = (): Promise<void> => kept.disposeAsync();
    const parts = { entries, hashes, heads, log, tree, signed, read, cutBytes };
    return { kind: "open", log: { ...parts, [Symbol.asyncDispose]: close } };
  } catch (thrown) {
    if (thrown instanceof Changed) return { kind: "changed", because: messageOf(thrown) };
    throw thrown;
  }
}

/** A line of the file of heads. */
export function headLine(stored: StoredHead): Buffer {
  return Buffer.from(`${canonicalJson(stored)}\n`);
}

/** A new log begins with the signed head of no entries: its id is fixed by it. */
async function begin(entries: Strip, heads: Strip, options: LogOptions): Promise<StoredHead> {
  if (entries.size > 0) throw new Changed(`${auditFiles.heads} is missing`);
  const { clock, key, worker } = options;
  const log = randomBytes(16).toString("hex");
  const root = growTree().root().toString("hex");
  const head = signHead({ version: 1, worker, log, size: 0, root, at: clock.now() }, key);
  const stored = { bytes: 0, head };
  await heads.append(headLine(stored));
  await heads.sync();
  return stored;
}

/** The last head, or null when there is none yet; a line that a crash left unfinished is cut off. */
async function lastHead(heads: Strip, { key }: LogOptions): Promise<StoredHead | null> {
  const tail = await heads.read(Math.max(0, heads.size - headsTailBytes), headsTailBytes);
  const end = tail.lastIndexOf(10) + 1;
  if (end < tail.length) await heads.cut(heads.size - (tail.length - end));
  if (end === 0) return null;
  const line = tail.subarray(tail.lastIndexOf(10, end - 2) + 1, end - 1).toString();
  const stored = storedHeadSchema.safeParse(jsonOf(line));
  if (!stored.success || canonicalJson(stored.data) !== line) {
    throw new Changed(`the last line of ${auditFiles.heads} is no signed head`);
  }
  const signer = signerOf(stored.data.head);
  if (signer === null) {
    throw new Changed(`the signature in the last line of ${auditFiles.heads} is not right`);
  }
  if (signer.fingerprint !== key.public.fingerprint) {
    throw new Changed(
      `it was signed by ${signer.fingerprint}, and this worker's key is ${key.public.fingerprint}`,
    );
  }
  return stored.data;
}

interface Signed {
  readonly entries: Strip;
  readonly hashes: Strip;
  readonly head: StoredHead;
  readonly read: NodeReader;
}

/** The tree of what the last head covers. */
async function signedTree({ entries, hashes, head, read }: Signed): Promise<MerkleTree> {
  const { size, root } = head.head.checkpoint;
  if (entries.size < head.bytes) {
    throw new Changed(
      `it is shorter than when it was last signed: ${auditFiles.entries} has ${entries.size} bytes, and ${size} entries filled ${head.bytes}`,
    );
  }
  const stored = storedCount(size) * hashBytes;
  if (hashes.size >= stored) {
    const tree = growTree(frontierOf(size, read));
    if (tree.root().toString("hex") === root) {
      await hashes.cut(stored);
      await checkTail({ entries, head, read });
      return tree;
    }
  }
  return rebuilt({ entries, hashes, head });
}

/** The newest of the signed entries are those that they were. The rest is for `audit verify`. */
async function checkTail({ entries, head, read }: Omit<Signed, "hashes">): Promise<void> {
  const start = Math.max(0, head.bytes - entriesTailBytes);
  const tail = await entries.read(start, head.bytes - start);
  let end = tail.length;
  for (let seq = head.head.checkpoint.size - 1; seq >= 0; seq -= 1) {
    const from = end < 2 ? 0 : tail.lastIndexOf(10, end - 2) + 1;
    // The first line in sight may be half of one.
    if (from === 0 && start > 0) return;
    const leaf = leafHash(tail.subarray(from, Math.max(from, end - 1)));
    if (tail[end - 1] !== 10 || !leaf.equals(read(0, seq))) {
      throw new Changed(`entry ${seq} is not the one that was signed`);
    }
    end = from;
  }
  if (start === 0 && end !== 0) throw new Changed("there is something before its first entry");
}

/** Makes the hashes again from all entries that the head covers. */
async function rebuilt({ entries, hashes, head }: Omit<Signed, "read">): Promise<MerkleTree> {
  const { size, root } = head.head.checkpoint;
  const tree = growTree(emptyFrontier);
  await hashes.cut(0);
  for await (const { lines } of linesOf(entries, 0, head.bytes)) {
    await hashes.append(Buffer.concat(lines.flatMap((line) => tree.append(leafHash(line)))));
  }
  if (tree.size !== size || tree.root().toString("hex") !== root) {
    throw new Changed(`its ${size} entries are not those that were signed`);
  }
  return tree;
}

interface Unsigned {
  readonly entries: Strip;
  readonly hashes: Strip;
  readonly tree: MerkleTree;
  readonly from: number;
}

/** Takes in what came after the last head, as far as it is whole; says how many bytes were cut off. */
async function replay({ entries, hashes, tree, from }: Unsigned): Promise<number> {
  let whole = from;
  for await (const { lines, end } of linesOf(entries, from, entries.size)) {
    const nodes: Buffer[] = [];
    for (const line of lines) {
      if (readEntry(line.toString(), tree.size).kind === "bad") break;
      nodes.push(...tree.append(leafHash(line)));
      whole += line.length + 1;
    }
    await hashes.append(Buffer.concat(nodes));
    if (whole < end) break;
  }
  const cutBytes = entries.size - whole;
  if (cutBytes > 0) await entries.cut(whole);
  return cutBytes;
}

function readerOf(hashes: Strip): NodeReader {
  return (level, index) => hashes.readNow(storedIndex(level, index) * hashBytes, hashBytes);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
