// What makes an entry, a checkpoint and a receipt of the audit log right. The worker, the server as
// its witness and the command line check by the same rules; none of them asks another.

import { z } from "zod";
import {
  auditEntrySchema,
  receiptSchema,
  signedCheckpointSchema,
  type AuditEntry,
  type Checkpoint,
  type Receipt,
  type SignedCheckpoint,
} from "./audit.ts";
import { canonicalJson } from "./canonical.ts";
import {
  parsePublicKey,
  signDocument,
  verifyDocument,
  type PrivateKey,
  type PublicKey,
} from "./key.ts";
import { leafHash, verifyInclusion } from "./merkle.ts";

/** Files of the log, in the worker's state folder. */
export const auditFiles = {
  /** One entry a line: the bytes of a leaf, and a newline. */
  entries: "audit.jsonl",
  /** Hashes of all complete nodes, 32 bytes each, as `storedIndex` orders them. Made from the entries. */
  hashes: "audit.hashes",
  /** Signed heads, one `storedHeadSchema` a line in canonical JSON; the first is of the empty log. */
  heads: "audit.heads.jsonl",
} as const;

/** Longest text of an entry, in bytes. */
export const auditEntryBytesMax = 32_768;

export const storedHeadSchema = z.strictObject({
  /** Where the entries that it covers end in their file. */
  bytes: z.int().nonnegative(),
  head: signedCheckpointSchema,
});
export type StoredHead = z.infer<typeof storedHeadSchema>;

/** `form`: it is no entry; `order`: it is an entry, but not the one that belongs here. */
export type EntryCheck =
  | { readonly kind: "entry"; readonly entry: AuditEntry }
  | { readonly kind: "bad"; readonly what: "form" | "order"; readonly why: string };

/** Reads an entry's text where the entry number `seq` belongs. */
export function readEntry(text: string, seq: number): EntryCheck {
  const bad = (what: "form" | "order", why: string): EntryCheck => ({ kind: "bad", what, why });
  const parsed = auditEntrySchema.safeParse(jsonOf(text));
  if (!parsed.success) return bad("form", "it is no entry of an audit log");
  if (parsed.data.seq !== seq) return bad("order", `it is entry ${parsed.data.seq}`);
  if (canonicalJson(parsed.data) !== text) return bad("form", "it is not canonical JSON");
  return { kind: "entry", entry: parsed.data };
}

/** Signs a tree head with the worker's key. */
export function signHead(checkpoint: Checkpoint, by: PrivateKey): SignedCheckpoint {
  const signature = signDocument("checkpoint", checkpoint, by);
  return { checkpoint, signature, publicKey: by.public.text };
}

/** The key whose signature it is, or null when the signature is not right. Whose key that is, it does not say. */
export function signerOf(head: SignedCheckpoint): PublicKey | null {
  const { checkpoint, signature, publicKey } = head;
  const key = parsePublicKey(publicKey);
  if (key === null || key.text !== publicKey) return null;
  return verifyDocument("checkpoint", checkpoint, { signature, key }) ? key : null;
}

export type ReceiptCheck =
  | {
      readonly kind: "good";
      readonly entry: AuditEntry;
      readonly checkpoint: Checkpoint;
      /** The key that signed: the receipt is worth what you know of it. */
      readonly key: PublicKey;
    }
  | { readonly kind: "bad"; readonly what: "form" | "hash" | "signature"; readonly why: string };

/** Checks a receipt by itself, offline. */
export function checkReceipt(receipt: unknown): ReceiptCheck {
  const bad = (what: "form" | "hash" | "signature", why: string): ReceiptCheck => ({
    kind: "bad",
    what,
    why,
  });
  const parsed = receiptSchema.safeParse(receipt);
  if (!parsed.success) return bad("form", "it is no receipt");
  const { entry: text, head } = parsed.data;
  const { checkpoint } = head;
  const key = signerOf(head);
  if (key === null) return bad("signature", "the signature of its tree head is not right");
  const seq = seqOf(text);
  const read = readEntry(text, seq);
  if (read.kind === "bad") return bad("form", `its entry: ${read.why}`);
  if (!includes(parsed.data, seq)) {
    return bad("hash", `its entry ${seq} is not in the log of ${checkpoint.size} that was signed`);
  }
  return { kind: "good", entry: read.entry, checkpoint, key };
}

function includes({ entry, proof, head }: Receipt, index: number): boolean {
  return verifyInclusion({
    leaf: leafHash(entry),
    index,
    size: head.checkpoint.size,
    root: Buffer.from(head.checkpoint.root, "hex"),
    proof: proof.map((hash) => Buffer.from(hash, "hex")),
  });
}

function seqOf(text: string): number {
  const value = jsonOf(text);
  const has = typeof value === "object" && value !== null && "seq" in value;
  return has && typeof value.seq === "number" ? value.seq : -1;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
