// What the worker and the command line say to each other over the local socket: one JSON object a
// line, each parsed strictly on both sides. A request has a number, and its answer the same one;
// what is pushed to a watcher has none.

import {
  approvalRequestSchema,
  grantSchema,
  levelSchema,
  stoppedSchema,
  verdictSchema,
} from "@openclaw-worker/protocol";
import { z } from "zod";
import { grantRecordSchema } from "./record.ts";

const number = z.int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be SHA-256 in hex");

export const localRequestSchema = z.discriminatedUnion("op", [
  z.strictObject({ n: number, op: z.literal("ping") }),
  z.strictObject({ n: number, op: z.literal("status") }),
  z.strictObject({ n: number, op: z.literal("list") }),
  /** From now on every change is pushed; the answer is the list as it is. */
  z.strictObject({ n: number, op: z.literal("watch") }),
  z.strictObject({
    n: number,
    op: z.literal("decide"),
    approvalId: z.string().max(64),
    digest: sha256,
    verdict: verdictSchema,
    grant: grantSchema.optional(),
  }),
  z.strictObject({ n: number, op: z.literal("stop"), reason: z.string().max(1_000) }),
  z.strictObject({ n: number, op: z.literal("resume") }),
  z.strictObject({ n: number, op: z.literal("grants") }),
  z.strictObject({ n: number, op: z.literal("revoke-grant"), id: z.string().max(64) }),
]);
export type LocalRequest = z.infer<typeof localRequestSchema>;

/** An approval as the local side sees it. `reason` is the submitter's word, and only that. */
const localApprovalSchema = z.strictObject({
  request: approvalRequestSchema,
  digest: sha256,
  levels: z.array(levelSchema),
  reason: z.string().nullable(),
  /** Who signed the task: proved, unlike the reason. */
  submitter: z.string().nullable(),
});
export type LocalApproval = z.infer<typeof localApprovalSchema>;

export const localStatusSchema = z.strictObject({
  worker: z.string(),
  version: z.string(),
  stopped: stoppedSchema.nullable(),
  /** How many approvals wait, tasks run, and tasks may run at once. */
  waiting: z.int(),
  running: z.int(),
  slots: z.int(),
  policyDigest: z.string(),
  /** `ssh-ed25519 …` of the worker, and its fingerprint; null: it has none. */
  publicKey: z.string().nullable(),
  fingerprint: z.string().nullable(),
});
export type LocalStatus = z.infer<typeof localStatusSchema>;

/** What a watcher is told, whole each time. */
export const localViewSchema = z.strictObject({
  approvals: z.array(localApprovalSchema),
  stopped: stoppedSchema.nullable(),
});
export type LocalView = z.infer<typeof localViewSchema>;

export const localGrantSchema = z.strictObject({
  ...grantRecordSchema.shape,
  uses: z.int(),
  /** Neither over, nor revoked, nor given with a key that was revoked. */
  inForce: z.boolean(),
});
export type LocalGrant = z.infer<typeof localGrantSchema>;

/** `done`: null, or why it was not done. */
export const doneSchema = z.strictObject({ because: z.string().nullable() });

export const localAnswerSchema = z.union([
  z.strictObject({ n: number, value: z.unknown() }),
  z.strictObject({ n: number, error: z.string() }),
  z.strictObject({ view: localViewSchema }),
]);

/** Longest line: all that may wait at once, with what each holds. */
export const lineBytesMax = 16_777_216;
