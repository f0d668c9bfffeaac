// A grant as the worker keeps it: what was permitted, and for what it was asked. It covers a later
// task only where that task asks for nothing more.

import {
  approvalRequestSchema,
  decisionEnvelopeSchema,
  grantSchema,
  levelSchema,
  nameSchema,
} from "@openclaw-worker/protocol";
import { z } from "zod";

export const grantRecordSchema = z.strictObject({
  id: z.string(),
  grant: grantSchema,
  /** How strong the yes was, and whose. */
  level: levelSchema,
  by: z.string(),
  /** Fingerprint of the key that signed it: the grant ends with that key. */
  key: z.string().nullable(),
  approvalId: z.string(),
  grantedAt: z.int(),
  /** The rule that asked then; another rule's question was not answered. */
  rule: z.string().nullable(),
  /** What the task that was asked about could touch. */
  cage: approvalRequestSchema.shape.cage,
  /** Who had signed that task; null: nobody, and it covers everybody. */
  submitter: nameSchema.nullable(),
  /** As it came, where it came from elsewhere: the signature can be checked again. */
  envelope: decisionEnvelopeSchema.nullable(),
  revokedAt: z.int().nullable(),
});
export type GrantRecord = z.infer<typeof grantRecordSchema>;
