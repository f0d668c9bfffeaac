// Signed tasks: a submitter's key says that it wants exactly this task, done by one of these workers,
// before a certain time. With `submitters.required` a stolen token alone is useless.

import { z } from "zod";
import { nameSchema, type TaskId } from "./ids.ts";
import {
  fingerprintSchema,
  signatureSchema,
  signDocument,
  verifyDocument,
  type PrivateKey,
  type PublicKey,
} from "./key.ts";

const nonceSchema = z.string().regex(/^[A-Za-z0-9_-]{22,64}$/, "must be at least 128 random bits");

/** What a submitter's key signs: the task whole, with its id, for whom it is, and how long it holds. */
export const taskProofSchema = z.strictObject({
  key: fingerprintSchema,
  nonce: nonceSchema,
  issuedAt: z.int(),
  expiresAt: z.int(),
  /** The only workers that may take it: by name, or by all these labels. */
  audience: z.strictObject({ worker: nameSchema.optional(), labels: z.array(nameSchema).max(32) }),
  /** Ed25519 in base64url over {id, spec, timeoutMs, nonce, issuedAt, expiresAt, audience}. */
  value: signatureSchema.shape.value,
});
export type TaskProof = z.infer<typeof taskProofSchema>;

/** A task as it is signed: `spec` as `specSchema` gives it, defaults filled in. */
export interface ProvedTask {
  readonly id: TaskId;
  readonly spec: unknown;
  /** Running time in milliseconds. */
  readonly timeoutMs: number;
}

export type ProofClaims = Omit<TaskProof, "key" | "value">;

/** Signs a task. Throws for a spec that JSON cannot say. */
export function proveTask(task: ProvedTask, claims: ProofClaims, by: PrivateKey): TaskProof {
  const { fingerprint } = by.public;
  const { value } = signDocument("task", documentOf(task, { key: fingerprint, ...claims }), by);
  return { key: fingerprint, ...claims, value };
}

/** Is the proof this key's, over exactly this task? Audience, time and nonce are the caller's to judge. */
export function provesTask(task: ProvedTask, proof: TaskProof, key: PublicKey): boolean {
  const { value, ...claims } = proof;
  const signature = { key: claims.key, value };
  return verifyDocument("task", documentOf(task, claims), { signature, key });
}

function documentOf(task: ProvedTask, claims: Omit<TaskProof, "value">): unknown {
  const { id, spec, timeoutMs } = task;
  return { version: 1, id, spec, timeoutMs, ...claims };
}
