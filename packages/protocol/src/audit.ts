// The worker's audit log: entries are leaves of a Merkle tree (RFC 6962, section 2.1); checkpoints are
// signed tree heads; a receipt proves that one entry is in the log.

import { z } from "zod";
import { nameSchema } from "./ids.ts";
import { signatureSchema } from "./key.ts";

const hashSchema = z.string().regex(/^[0-9a-f]{64}$/, "must be SHA-256 in hex");

export const auditTypeSchema = z.enum([
  "start",
  "request",
  "decision",
  "asked",
  "approval",
  "begin",
  "outcome",
  "stop",
  "resume",
  "policy",
  "key",
  "grant",
  "refused",
  "end",
]);
export type AuditType = z.infer<typeof auditTypeSchema>;

/** One entry. The leaf is its canonical JSON, as UTF-8. `seq` counts from 0. `data` is flat and redacted. */
export const auditEntrySchema = z.strictObject({
  version: z.literal(1),
  seq: z.int().nonnegative(),
  at: z.int(),
  type: auditTypeSchema,
  taskId: z.string().max(64).optional(),
  data: z.record(z.string(), z.unknown()),
});
export type AuditEntry = z.infer<typeof auditEntrySchema>;

/** A tree head: signed, it is the worker's word for everything before it. */
export const checkpointSchema = z.strictObject({
  version: z.literal(1),
  worker: nameSchema,
  /** Random id of the log: a log that was begun anew is another one. */
  log: z.string().regex(/^[0-9a-f]{32}$/),
  size: z.int().nonnegative(),
  root: hashSchema,
  at: z.int(),
});
export type Checkpoint = z.infer<typeof checkpointSchema>;

export const signedCheckpointSchema = z.strictObject({
  checkpoint: checkpointSchema,
  signature: signatureSchema,
  /** `ssh-ed25519 …` of the worker; trusted only where it was compared before. */
  publicKey: z.string().max(200),
});
export type SignedCheckpoint = z.infer<typeof signedCheckpointSchema>;

/** Comes with a result. `entry` is the leaf's text; `proof` its audit path, from the leaf up. */
export const receiptSchema = z.strictObject({
  version: z.literal(1),
  entry: z.string(),
  proof: z.array(hashSchema).max(64),
  head: signedCheckpointSchema,
});
export type Receipt = z.infer<typeof receiptSchema>;

/**
 * Body of POST /worker/audit: entries from `from` on, and the head that they lead to. `consistency`
 * proves that the head before is a prefix (RFC 6962, section 2.1.2).
 */
export const auditCopySchema = z.strictObject({
  from: z.int().nonnegative(),
  entries: z.array(z.string()).max(1_000),
  head: signedCheckpointSchema,
  consistency: z.array(hashSchema).max(64),
});
export type AuditCopy = z.infer<typeof auditCopySchema>;

/** Its answer: how many entries the server has; `alarm` says what does not fit. */
export const auditCopiedSchema = z.object({
  size: z.int().nonnegative(),
  alarm: z.string().nullable(),
});
export type AuditCopied = z.infer<typeof auditCopiedSchema>;

/** Answer of GET /audit: the server's copy, from the first entry asked for on. `size`: all it has. */
export const auditPageSchema = z.object({
  worker: z.string(),
  log: z.string(),
  size: z.int().nonnegative(),
  entries: auditCopySchema.shape.entries.readonly(),
  head: signedCheckpointSchema,
});
export type AuditPage = z.infer<typeof auditPageSchema>;

/** Answer of GET /audit/proof: that an entry is in the log that the head was signed over. */
export const auditProofSchema = z.object({
  seq: z.int().nonnegative(),
  entry: z.string(),
  /** Audit path from the leaf up, in hex. */
  proof: receiptSchema.shape.proof.readonly(),
  head: signedCheckpointSchema,
});
export type AuditProof = z.infer<typeof auditProofSchema>;
