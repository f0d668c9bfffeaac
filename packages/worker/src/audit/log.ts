// The worker's audit log: what happened, in the order in which it was noted; each entry a leaf of a
// Merkle tree (RFC 6962) whose heads the worker signs.

import { messageOf, type Clock, type Log } from "@openclaw-worker/base";
import {
  consistencyProof,
  inclusionProof,
  rootOf,
  signHead,
  type AuditType,
  type MerkleTree,
  type NodeReader,
  type PrivateKey,
  type Receipt,
  type SignedCheckpoint,
} from "@openclaw-worker/protocol";
import { entryText, type Redact } from "./entry.ts";
import { readPage, type Wanted } from "./lines.ts";
import { openLog, type OpenedLog } from "./opening.ts";
import { Writer, type Listener } from "./writer.ts";

export type NoteData = Readonly<Record<string, unknown>>;

export interface Audit extends AsyncDisposable {
  /** Takes down one thing that happened. Never throws, and waits for nothing. */
  note(type: AuditType, data: NoteData, taskId?: string): void;
  /** The same, with its proof once it is on the disk; null when the disk does not take it. */
  sealed(type: AuditType, data: NoteData, taskId?: string): Promise<Receipt | null>;
  /** Resolves when all that was noted is on the disk: null, or why it is not. */
  flushed(): Promise<string | null>;
  /** Entries that are on the disk. */
  size(): number;
  /** The signed head of the first `size` of them; without it, of all. */
  head(size?: number): SignedCheckpoint;
  /** Proof that the first `from` entries begin the first `to`, in hex. */
  consistency(from: number, to: number): readonly string[];
  /** Texts of entries on the disk. */
  page(wanted: Wanted): Promise<readonly string[]>;
  /** Told why the disk takes nothing, at once or when it begins to, and null when it does again. */
  watch(listener: Listener): Disposable;
  /** Calls back after everything that was written. */
  follow(follower: () => void): Disposable;
}

export interface AuditOptions {
  /** The worker's state folder, which its lock holds. */
  readonly folder: string;
  readonly worker: string;
  /** The worker's identity. */
  readonly key: PrivateKey;
  readonly clock: Clock;
  readonly log: Log;
  /** Applied to every text before it is written. */
  readonly redact: Redact;
}

export type OpenedAudit =
  | { readonly kind: "open"; readonly audit: Audit }
  /** Somebody changed it, as the sentence says: the worker must not start. */
  | { readonly kind: "changed"; readonly because: string };

// A disk that takes nothing gets no tasks, but a hostile server can go on telling lies to be noted.
const waitingMax = 20_000;

/**
 * Opens the log, or makes it; what a crash left unfinished at its end is cut off and recorded.
 * @throws the system's error when a file cannot be opened or read
 */
export async function openAudit(options: AuditOptions): Promise<OpenedAudit> {
  const opening = await openLog(options);
  if (opening.kind === "changed") {
    const { because } = opening;
    return { kind: "changed", because: `the audit log was changed: ${because}` };
  }
  const audit = runLog(opening.log, options);
  const { cutBytes } = opening.log;
  if (cutBytes > 0) {
    options.log.warn("the end of the audit log was not whole, as a crash leaves it", { cutBytes });
    audit.note("start", { audit: "an unfinished write was cut off", cutBytes });
  }
  return { kind: "open", audit };
}

function runLog(opened: OpenedLog, options: AuditOptions): Audit {
  const { clock, log, redact } = options;
  const sign = signer(opened, options);
  const writer = new Writer({ opened, clock, log, head: (tree) => sign(tree.size, tree) });
  let [noted, leftOut, closed] = [opened.tree.size, 0, false];
  let cursor = { seq: 0, position: 0 };

  const add = (type: AuditType, data: NoteData, taskId?: string, done: Done = null): void => {
    if (closed || writer.waiting >= waitingMax) {
      leftOut += 1;
      return done?.({ seq: -1, text: "", size: null });
    }
    if (leftOut > 0) {
      const count = leftOut;
      leftOut = 0;
      add("start", { audit: "notes were left out while the disk took none", count });
    }
    const seq = noted;
    const text = entryText({ seq, at: clock.now(), type, taskId, data }, redact);
    noted += 1;
    writer.put({ text, done: done && ((size) => done({ seq, text, size })) });
  };

  return {
    note: (type, data, taskId) => add(type, data, taskId),
    sealed: (type, data, taskId) =>
      new Promise((resolve) => {
        add(type, data, taskId, (sealed) => {
          try {
            resolve(receiptOf(sealed, opened.read, (size) => sign(size, writer.tree)));
          } catch (thrown) {
            log.error(`an outcome has no receipt: ${messageOf(thrown)}`);
            resolve(null);
          }
        });
      }),
    flushed: () => writer.flushed(noted),
    size: () => writer.tree.size,
    head: (size = writer.tree.size) => sign(size, writer.tree),
    consistency: (from, to) => hexOf(consistencyProof(from, to, opened.read)),
    async page(wanted) {
      const entriesMax = Math.min(wanted.entriesMax, writer.tree.size - wanted.from);
      if (entriesMax <= 0) return [];
      const { lines, end } = await readPage(opened.entries, { ...wanted, entriesMax }, cursor);
      cursor = { seq: wanted.from + lines.length, position: end };
      return lines.map((line) => line.toString());
    },
    watch: (listener) => writer.watch(listener),
    follow: (follower) => writer.follow(follower),
    async [Symbol.asyncDispose]() {
      closed = true;
      await writer.close();
    },
  };
}

interface Sealed {
  readonly seq: number;
  readonly text: string;
  /** Of the log; null: the disk did not take the entry. */
  readonly size: number | null;
}

type Done = ((sealed: Sealed) => void) | null;
type Sign = (size: number, tree: MerkleTree) => SignedCheckpoint;

/** Signs the head of a size once; the newest is remembered, so a group has one signature. */
function signer({ log, read }: OpenedLog, { key, worker, clock }: AuditOptions): Sign {
  let newest: SignedCheckpoint | null = null;
  return (size, tree) => {
    if (newest?.checkpoint.size === size) return newest;
    const root = (size === tree.size ? tree.root() : rootOf(size, read)).toString("hex");
    const head = signHead({ version: 1, worker, log, size, root, at: clock.now() }, key);
    if (size === tree.size) newest = head;
    return head;
  };
}

function receiptOf(
  { seq, text, size }: Sealed,
  read: NodeReader,
  sign: (size: number) => SignedCheckpoint,
): Receipt | null {
  if (size === null) return null;
  const proof = hexOf(inclusionProof(seq, size, read));
  return { version: 1, entry: text, proof: [...proof], head: sign(size) };
}

function hexOf(hashes: readonly Buffer[]): readonly string[] {
  return hashes.map((hash) => hash.toString("hex"));
}
