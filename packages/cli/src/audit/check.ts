// Checks an audit log from its first entry to its last, in one pass and a little memory: every entry
// in its place, every signed head over exactly the entries before it. Where entries come with the
// hashes that were noted for them, the entry that does not fit is named; else the stretch between two
// heads. It reads nothing by itself, and believes nothing but the key.

import {
  growTree,
  readEntry,
  leafHash,
  signerOf,
  type Checkpoint,
  type MerkleTree,
  type SignedCheckpoint,
} from "@openclaw-worker/protocol";

/** What a log consists of, in the order of its entries. */
export type Item =
  | {
      readonly kind: "entry";
      readonly bytes: Buffer;
      /** Hashes that were noted for it: the leaf's, and perhaps those of the nodes that it completes. */
      readonly noted: Buffer | null;
    }
  /** A head over the entries so far, or over more than there are. */
  | { readonly kind: "head"; readonly head: SignedCheckpoint; readonly line: number }
  /** What is neither, and why. Nothing comes after it. */
  | { readonly kind: "broken"; readonly what: ProblemKind; readonly why: string }
  /** Bytes at the end that are no whole entry: the worker is writing, or was killed. */
  | { readonly kind: "rest"; readonly bytes: number };

export type ProblemKind =
  /** Not an entry, or not in the form in which it was signed. */
  | "form"
  /** An entry is missing, twice, or in another's place. */
  | "order"
  /** An entry was changed. */
  | "hash"
  /** Entries at the end are missing. */
  | "cut"
  /** A head is not signed, or not by the right key. */
  | "signature"
  /** Another history was signed, or seen, before. */
  | "history"
  /** The entries are right; what is kept beside them is not. */
  | "side";

export interface Problem {
  /** Number of the first entry that is not right; where that cannot be told, of the first that may not be. */
  readonly seq: number;
  readonly what: ProblemKind;
  readonly why: string;
}

export interface Verdict {
  readonly entries: number;
  /** How many of them are covered by the last good head. */
  readonly signed: number;
  readonly head: Checkpoint | null;
  /** Fingerprint of the key that signed. */
  readonly key: string | null;
  /** Bytes at the end that are no whole entry. */
  readonly rest: number;
  readonly problem: Problem | null;
}

/** A root that is known from elsewhere: a receipt, an earlier look. */
export interface Known {
  readonly checkpoint: Checkpoint;
  /** Such as "the receipt". */
  readonly from: string;
}

export interface CheckOptions {
  /** Fingerprint that heads must be signed by; null: they must at least agree. */
  readonly key: string | null;
  readonly known?: readonly Known[];
  /** What the noted hashes are, such as `audit.hashes`, and what it means when only they differ. */
  readonly noted: { readonly name: string; readonly what: "side" | "history" };
  /** Told how many entries were checked, now and then. */
  readonly onProgress?: (entries: number) => void;
}

const progressEvery = 20_000;

interface State {
  readonly tree: MerkleTree;
  readonly known: readonly Known[];
  signed: number;
  head: Checkpoint | null;
  key: string | null;
  /** The first entry whose noted hashes are others. */
  suspect: number | null;
  /** The entries are right, but something beside them is not. */
  aside: Problem | null;
  rest: number;
}

export async function checkLog(
  items: AsyncIterable<readonly Item[]>,
  options: CheckOptions,
): Promise<Verdict> {
  const known = options.known ?? [];
  const state: State = {
    tree: growTree(),
    known,
    signed: 0,
    head: null,
    key: null,
    suspect: null,
    aside: null,
    rest: 0,
  };
  const found = (await walk(items, state, options)) ?? missing(state);
  const problem = found ?? state.aside;
  const { tree, signed, head, key, rest } = state;
  return { entries: tree.size, signed, head, key, rest, problem };
}

async function walk(
  items: AsyncIterable<readonly Item[]>,
  state: State,
  options: CheckOptions,
): Promise<Problem | null> {
  for await (const some of items) {
    for (const item of some) {
      const problem = checkItem(item, state, options);
      if (problem !== null) return first(problem, state, options);
    }
  }
  return null;
}

/** What was suspected before is the first: nothing has cleared it. */
function first(problem: Problem, { suspect }: State, { noted }: CheckOptions): Problem {
  if (suspect === null || problem.seq <= suspect) return problem;
  const why = `entry ${suspect} is another than in ${noted.name}; after it, ${problem.why}`;
  return { seq: suspect, what: "hash", why };
}

function checkItem(item: Item, state: State, options: CheckOptions): Problem | null {
  switch (item.kind) {
    case "entry":
      return checkEntry(item, state, options);
    case "head":
      return checkHead(item, state, options);
    case "broken":
      return problemOf(state.tree.size, item.what, item.why);
    case "rest":
      state.rest = item.bytes;
      return null;
  }
}

type EntryItem = Extract<Item, { readonly kind: "entry" }>;

function checkEntry({ bytes, noted }: EntryItem, state: State, options: CheckOptions) {
  const { tree } = state;
  const seq = tree.size;
  if (seq % progressEvery === progressEvery - 1) options.onProgress?.(seq + 1);
  const read = readEntry(textOf(bytes), seq);
  if (read.kind === "bad") return problemOf(seq, read.what, `entry ${seq}: ${read.why}`);
  const nodes = tree.append(leafHash(bytes));
  if (noted !== null && state.suspect === null) {
    const same = Buffer.concat(nodes).subarray(0, noted.length).equals(noted);
    if (!same) state.suspect = seq;
  }
  return checkKnown(state);
}

type HeadItem = Extract<Item, { readonly kind: "head" }>;

function checkHead({ head, line }: HeadItem, state: State, options: CheckOptions) {
  const { checkpoint } = head;
  const { tree } = state;
  const at = tree.size;
  const signer = signerOf(head);
  const where = `the head of ${checkpoint.size} entries (number ${line})`;
  if (signer === null) return problemOf(at, "signature", `${where}: its signature is not right`);
  const expected = options.key ?? state.key;
  if (expected !== null && signer.fingerprint !== expected) {
    return problemOf(
      at,
      "signature",
      `${where} was signed by ${signer.fingerprint}, not ${expected}`,
    );
  }
  const before = state.head;
  // A worker may be renamed; its log stays the same.
  if (before !== null && before.log !== checkpoint.log) {
    return problemOf(at, "history", `${where} belongs to another log`);
  }
  if (checkpoint.size > tree.size) return cut(checkpoint, state, "it was signed");
  if (checkpoint.size < tree.size) {
    return problemOf(at, "order", `${where} stands after entry ${tree.size - 1}`);
  }
  if (tree.root().toString("hex") !== checkpoint.root) return changed(checkpoint, state);
  if (state.suspect !== null) setAside(state, options.noted);
  state.signed = tree.size;
  state.head = checkpoint;
  state.key = signer.fingerprint;
  return null;
}

/** Something between two heads is not what was signed. */
function changed({ size, at }: Checkpoint, state: State): Problem {
  const { suspect, signed } = state;
  const when = new Date(at).toISOString();
  if (suspect !== null) {
    return { seq: suspect, what: "hash", why: `entry ${suspect} is not the one that was signed` };
  }
  const why = `one of the entries ${signed} to ${size - 1} is not the one that was signed at ${when}`;
  return { seq: signed, what: "hash", why };
}

// The head says that the entries are right: then it is the noted hash that is not.
function setAside(state: State, { name, what }: CheckOptions["noted"]): void {
  const seq = state.suspect ?? 0;
  state.suspect = null;
  state.aside ??= {
    seq,
    what,
    why: `entry ${seq} is the one that was signed, but it is another in ${name}`,
  };
}

/** Roots that are known from elsewhere. */
function checkKnown({ tree, known, suspect }: State): Problem | null {
  for (const { checkpoint, from } of known) {
    if (checkpoint.size !== tree.size) continue;
    if (tree.root().toString("hex") !== checkpoint.root) {
      const why = `the first ${tree.size} entries are not those that ${from} was signed over`;
      return { seq: suspect ?? 0, what: "history", why };
    }
  }
  return null;
}

function missing(state: State): Problem | null {
  const { tree, known, head } = state;
  if (head === null && known.length === 0) {
    return problemOf(0, "signature", "no signed head was found");
  }
  for (const { checkpoint, from } of known) {
    if (head !== null && checkpoint.log !== head.log) {
      return problemOf(0, "history", `it is another log than that of ${from}`);
    }
    if (checkpoint.size > tree.size) return cut(checkpoint, state, `${from} was signed`);
  }
  return null;
}

function cut({ size }: Checkpoint, { tree }: State, when: string): Problem {
  const why = `the log ends before entry ${tree.size}, and it had ${size} entries when ${when}`;
  return problemOf(tree.size, "cut", why);
}

function problemOf(seq: number, what: ProblemKind, why: string): Problem {
  return { seq, what, why };
}

function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return "";
  }
}
