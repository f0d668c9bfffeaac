// The server as witness of a worker's audit log: it remembers the newest head that the worker signed,
// and takes nothing that does not go on from it. It cannot forge a head, and a worker that rewrites
// its history (or whoever took its place) is caught at the next copy. What does not fit is an alarm;
// it never takes the place of what was known.

import {
  growTree,
  leafHash,
  signerOf,
  storedCount,
  verifyConsistency,
  type AuditCopy,
  type Frontier,
  type SignedCheckpoint,
} from "@openclaw-worker/protocol";

/** What a witness knows of one log; it can be stored as JSON. */
export interface Known {
  /** The newest head: worker, log, size, root and key are in it. */
  readonly head: SignedCheckpoint;
  /** What the tree is continued from. */
  readonly frontier: Frontier;
}

export interface Judgement {
  /** What is known from now on; the same object as before when nothing was taken. */
  readonly known: Known | null;
  /** How many entries the witness has now: the worker goes on from there. */
  readonly size: number;
  /** New entries, of which the first has the number `from`. */
  readonly from: number;
  readonly entries: readonly string[];
  /** The nodes of the tree that they complete, in `storedIndex` order from `nodesFrom` on. */
  readonly nodesFrom: number;
  readonly nodes: readonly Buffer[];
  /** What does not fit, as a sentence. Keep the copy's head beside it: it is signed. */
  readonly alarm: string | null;
}

/** Judges a copy by what is known. Pure: what it says to keep, the caller keeps in one transaction. */
export function judgeCopy(known: Known | null, copy: AuditCopy): Judgement {
  const signed = problemOfSignature(known, copy.head);
  if (signed !== null) return refused(known, signed);
  const { size, root } = copy.head.checkpoint;
  const have = known?.frontier.size ?? 0;

  if (known !== null && size < have) return shorter(known, copy.head);
  if (known !== null && size === have) {
    return root === known.head.checkpoint.root
      ? { ...refused(known, null), known: newer(known, copy.head) }
      : refused(known, `two histories: the worker signed two different logs of ${size} entries`);
  }
  // Entries in between are missing, or none were sent to ask how many are here: go on from there.
  if (copy.from > have || (copy.entries.length === 0 && size > have)) return refused(known, null);
  if (copy.from + copy.entries.length !== size) {
    return refused(
      known,
      `the copy ends at ${copy.from + copy.entries.length}, its head at ${size}`,
    );
  }
  return extended(known, copy);
}

function extended(known: Known | null, copy: AuditCopy): Judgement {
  const { head } = copy;
  const tree = growTree(known?.frontier);
  const from = tree.size;
  const nodesFrom = storedCount(from);
  // What was known already may be sent again; it is not looked at again.
  const entries = copy.entries.slice(from - copy.from);
  const nodes = entries.flatMap((entry) => tree.append(leafHash(entry)));
  if (tree.root().toString("hex") !== head.checkpoint.root) {
    return refused(known, mismatch(known, copy));
  }
  const next = { head, frontier: tree.frontier() };
  return { known: next, size: tree.size, from, entries, nodesFrom, nodes, alarm: null };
}

/** The entries do not lead to the head: is it they, or the history? The proof tells. */
function mismatch(known: Known | null, copy: AuditCopy): string {
  const { size, root } = copy.head.checkpoint;
  if (known === null) return `the entries are not those of the log of ${size} that was signed`;
  const before = known.head.checkpoint;
  const goesOn = verifyConsistency({
    from: before.size,
    fromRoot: Buffer.from(before.root, "hex"),
    to: size,
    toRoot: Buffer.from(root, "hex"),
    proof: copy.consistency.map((hash) => Buffer.from(hash, "hex")),
  });
  return goesOn
    ? `the entries from ${before.size} to ${size - 1} are not those that were signed`
    : `two histories: the log of ${size} entries does not begin with the ${before.size} that the worker signed before`;
}

function problemOfSignature(known: Known | null, head: SignedCheckpoint): string | null {
  const key = signerOf(head);
  if (key === null) return "the head's signature is not right";
  if (known === null) return null;
  const { checkpoint, publicKey } = known.head;
  if (head.publicKey !== publicKey) {
    return `signed by another key (${key.fingerprint}) than the worker's before`;
  }
  if (head.checkpoint.worker !== checkpoint.worker) {
    return `the log is that of the worker ${head.checkpoint.worker}`;
  }
  return head.checkpoint.log === checkpoint.log
    ? null
    : `the log was begun anew: the one before has ${checkpoint.size} entries`;
}

// A message that was overtaken is older than what is known; a log that was cut is signed later.
function shorter(known: Known, head: SignedCheckpoint): Judgement {
  const { size, at } = head.checkpoint;
  const before = known.head.checkpoint;
  const cut = `the log was cut: it had ${before.size} entries and has ${size}`;
  return refused(known, at > before.at ? cut : null);
}

function newer(known: Known, head: SignedCheckpoint): Known {
  return head.checkpoint.at > known.head.checkpoint.at ? { ...known, head } : known;
}

function refused(known: Known | null, alarm: string | null): Judgement {
  const size = known?.frontier.size ?? 0;
  const nothing = { entries: [], nodes: [], from: size, nodesFrom: storedCount(size) };
  return { ...nothing, known, size, alarm };
}
