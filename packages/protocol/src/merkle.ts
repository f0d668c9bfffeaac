// The Merkle tree of the audit log: hashes, proofs and their checks, as RFC 6962 (section 2.1) has the
// tree and RFC 9162 (sections 2.1.3 and 2.1.4) the proofs. Hashes are 32 bytes. Sizes and indexes are
// plain numbers and may pass 2^31: nothing here shifts bits.

import { hash } from "node:crypto";

/** Gives the hash of a complete subtree: `index` counts those of 2^level leaves, from the left. */
export type NodeReader = (level: number, index: number) => Buffer;

/** What one must keep of a tree to go on with it: the complete subtrees, largest first, in hex. */
export interface Frontier {
  readonly size: number;
  readonly hashes: readonly string[];
}

export interface MerkleTree {
  readonly size: number;
  /** Adds a leaf by its hash. The nodes that are complete now, the leaf first: their stored order. */
  append(leaf: Buffer): readonly Buffer[];
  root(): Buffer;
  frontier(): Frontier;
}

/** A proof that is to be checked; `proof` goes from the leaf up. */
export interface Inclusion {
  readonly leaf: Buffer;
  readonly index: number;
  readonly size: number;
  readonly root: Buffer;
  readonly proof: readonly Buffer[];
}

export interface Consistency {
  readonly from: number;
  readonly fromRoot: Buffer;
  readonly to: number;
  readonly toRoot: Buffer;
  readonly proof: readonly Buffer[];
}

export const emptyFrontier: Frontier = { size: 0, hashes: [] };

/** Hash of an entry: SHA-256 over a zero byte and the entry. */
export function leafHash(data: string | Uint8Array): Buffer {
  const length = typeof data === "string" ? Buffer.byteLength(data) : data.length;
  const bytes = Buffer.allocUnsafe(1 + length);
  bytes[0] = 0;
  if (typeof data === "string") bytes.write(data, 1);
  else bytes.set(data, 1);
  return hash("sha256", bytes, "buffer");
}

/** Hash of a node: SHA-256 over a one byte and its two children. */
export function nodeHash(left: Buffer, right: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(1 + left.length + right.length);
  bytes[0] = 1;
  bytes.set(left, 1);
  bytes.set(right, 1 + left.length);
  return hash("sha256", bytes, "buffer");
}

/** A tree that grows from what is known of it, in memory of its frontier's size. */
export function growTree(from: Frontier = emptyFrontier): MerkleTree {
  const stack: Buffer[] = from.hashes.map((text) => Buffer.from(text, "hex"));
  let size = from.size;
  return {
    get size() {
      return size;
    },
    append(leaf) {
      const nodes = [leaf];
      let top = leaf;
      for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) {
        const left = stack.pop();
        if (left === undefined) throw new Error("the frontier has too few hashes for its size");
        top = nodeHash(left, top);
        nodes.push(top);
      }
      stack.push(top);
      size += 1;
      return nodes;
    },
    root: () => stack.reduceRight<Buffer | null>(joined, null) ?? hash("sha256", "", "buffer"),
    frontier: () => ({ size, hashes: stack.map((one) => one.toString("hex")) }),
  };
}

function joined(right: Buffer | null, left: Buffer): Buffer {
  return right === null ? left : nodeHash(left, right);
}

/**
 * Where a node stands among all nodes in the order in which they become complete: each leaf is
 * followed by the nodes that it completes (as golang.org/x/mod/sumdb/tlog stores them). A file of
 * them is only ever appended to.
 */
export function storedIndex(level: number, index: number): number {
  // The node comes `level` places after its last leaf.
  let place = level;
  for (let rest = (index + 1) * 2 ** level - 1; rest > 0; rest = Math.floor(rest / 2))
    place += rest;
  return place;
}

/** How many nodes a tree of that size has that are complete. */
export function storedCount(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest;
  return count;
}

/** What a tree of that size is continued from. */
export function frontierOf(size: number, read: NodeReader): Frontier {
  const hashes: string[] = [];
  let start = 0;
  for (let level = topLevel(size); level >= 0; level -= 1) {
    const width = 2 ** level;
    if (start + width > size) continue;
    hashes.push(read(level, start / width).toString("hex"));
    start += width;
  }
  return { size, hashes };
}

/** Root of the tree of the first `size` leaves. */
export function rootOf(size: number, read: NodeReader): Buffer {
  return growTree(frontierOf(size, read)).root();
}

/**
 * Audit path of a leaf in the tree of the first `size` leaves, from the leaf up.
 * @throws RangeError when there is no such leaf
 */
export function inclusionProof(index: number, size: number, read: NodeReader): readonly Buffer[] {
  if (index < 0 || index >= size) throw new RangeError(`no leaf ${index} in a tree of ${size}`);
  const path: Buffer[] = [];
  let [low, high] = [0, size];
  while (high - low > 1) {
    const middle = low + split(high - low);
    if (index < middle) {
      path.push(subtree(middle, high, read));
      high = middle;
    } else {
      path.push(subtree(low, middle, read));
      low = middle;
    }
  }
  return path.toReversed();
}

/** Is the leaf in the tree with this root? RFC 9162, section 2.1.3.2. */
export function verifyInclusion({ leaf, index, size, root, proof }: Inclusion): boolean {
  if (index < 0 || index >= size) return false;
  let [node, last, top] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      top = nodeHash(sibling, top);
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, half(last)];
    } else top = nodeHash(top, sibling);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && top.equals(root);
}

/**
 * Proof that the tree of the first `from` leaves is a prefix of that of the first `to`; empty when
 * one of them is empty or they are the same.
 * @throws RangeError when `from` is larger than `to`
 */
export function consistencyProof(from: number, to: number, read: NodeReader): readonly Buffer[] {
  if (from < 0 || from > to) throw new RangeError(`a tree of ${from} in one of ${to}`);
  if (from === 0 || from === to) return [];
  const path: Buffer[] = [];
  let [low, high, whole] = [0, to, true];
  while (high !== from) {
    const middle = low + split(high - low);
    if (from <= middle) {
      path.push(subtree(middle, high, read));
      high = middle;
    } else {
      path.push(subtree(low, middle, read));
      [low, whole] = [middle, false];
    }
  }
  // A prefix that is itself a node needs no naming: the one who checks has its root.
  if (!whole) path.push(subtree(low, high, read));
  return path.toReversed();
}

/** Does the larger tree begin with the smaller one? RFC 9162, section 2.1.4.2. */
export function verifyConsistency({ from, fromRoot, to, toRoot, proof }: Consistency): boolean {
  if (from < 0 || from > to) return false;
  if (from === to) return proof.length === 0 && fromRoot.equals(toRoot);
  if (from === 0) return proof.length === 0 && fromRoot.equals(growTree().root());
  const [first, ...rest] = 2 ** topLevel(from) === from ? [fromRoot, ...proof] : proof;
  if (first === undefined || proof.length === 0) return false;
  let [node, last] = [from - 1, to - 1];
  while (node % 2 === 1) [node, last] = [half(node), half(last)];
  let [old, grown] = [first, first];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      old = nodeHash(sibling, old);
      grown = nodeHash(sibling, grown);
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, half(last)];
    } else grown = nodeHash(grown, sibling);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && old.equals(fromRoot) && grown.equals(toRoot);
}

/** Hash over the leaves from `low` to before `high`; `low` is a multiple of what `split` gives. */
function subtree(low: number, high: number, read: NodeReader): Buffer {
  const width = high - low;
  const level = topLevel(width);
  if (2 ** level === width) return read(level, low / width);
  const middle = low + split(width);
  return nodeHash(subtree(low, middle, read), subtree(middle, high, read));
}

/** The largest power of two that is smaller than `width`, which is at least 2. */
function split(width: number): number {
  return 2 ** topLevel(width - 1);
}

/** Exponent of the largest power of two that is not larger than `width`. */
function topLevel(width: number): number {
  let level = 0;
  while (2 ** (level + 1) <= width) level += 1;
  return level;
}

function half(number: number): number {
  return Math.floor(number / 2);
}
