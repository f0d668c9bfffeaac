// Approvals. The worker makes the request, keeps it and judges the answer; everything between carries
// bytes. What a person signs is the digest of the request: exactly what would run, and where.

import { z } from "zod";
import { nameSchema, taskIdSchema } from "./ids.ts";
import { signatureSchema } from "./key.ts";

const uuid = taskIdSchema;
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be SHA-256 in hex");
const nonceSchema = z.string().regex(/^[A-Za-z0-9_-]{22,64}$/, "must be at least 128 random bits");
const paths = z.array(z.string()).max(1_000);

/** What would happen, exactly. */
const deedSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("command"), command: z.string() }),
  z.strictObject({ kind: z.literal("exec"), argv: z.array(z.string()) }),
  z.strictObject({ kind: z.literal("read"), path: z.string() }),
  z.strictObject({ kind: z.literal("list"), path: z.string() }),
  z.strictObject({
    kind: z.literal("write"),
    path: z.string(),
    bytes: z.int().nonnegative(),
    sha256,
  }),
  z.strictObject({
    kind: z.literal("edit"),
    path: z.string(),
    oldString: z.string(),
    newString: z.string(),
    replaceAll: z.boolean(),
  }),
  /** A tool that an agent wants to use; `input` is canonical JSON. */
  z.strictObject({
    kind: z.literal("tool"),
    agent: nameSchema,
    tool: z.string(),
    input: z.string(),
  }),
]);
export type Deed = z.infer<typeof deedSchema>;

/** A request for a person's yes, as the worker made it. Its digest is what a decision names. */
export const approvalRequestSchema = z.strictObject({
  version: z.literal(1),
  id: uuid,
  worker: nameSchema,
  taskId: taskIdSchema,
  attempt: z.int().positive(),
  deed: deedSchema,
  cwd: z.string(),
  /** Name of each variable that the task brings → SHA-256 of its value. */
  env: z.record(z.string(), sha256),
  stdin: sha256.nullable(),
  /** Files that it names as programs or scripts, as they are now. */
  files: z.array(z.strictObject({ path: z.string(), sha256 })),
  cage: z.strictObject({
    outside: z.boolean(),
    write: paths,
    read: paths,
    domains: z.array(z.string()).max(1_000),
  }),
  /** The rule that asks, or null: the default does. */
  rule: z.string().nullable(),
  policyDigest: z.string().max(128),
  nonce: nonceSchema,
  askedAt: z.int(),
  expiresAt: z.int(),
});
export type ApprovalRequest = z.infer<typeof approvalRequestSchema>;

/** A standing permission that a person gives with a yes. */
export const grantSchema = z.strictObject({
  /** A rule of the policy's language, such as `Bash(npm test)`. */
  rule: z.string().min(1).max(4_096),
  /** Only for tasks that start in one of these folders. */
  roots: z.array(z.string().min(1).max(4_096)).max(64).optional(),
  runsMax: z.int().min(1).max(1_000_000).optional(),
  perHourMax: z.int().min(1).max(100_000).optional(),
  expiresAt: z.int(),
});
export type Grant = z.infer<typeof grantSchema>;

export const verdictSchema = z.enum(["once", "deny", "grant"]);
export type Verdict = z.infer<typeof verdictSchema>;

/** What an approver says, and signs where the level is `signed`. */
export const decisionSchema = z.strictObject({
  version: z.literal(1),
  approvalId: uuid,
  worker: nameSchema,
  /** Of the request, in hex: the approver has seen this and nothing else. */
  digest: sha256,
  nonce: nonceSchema,
  verdict: verdictSchema,
  grant: grantSchema.optional(),
  decidedAt: z.int(),
  expiresAt: z.int(),
});
export type Decision = z.infer<typeof decisionSchema>;

/** How strong a yes is. `token` has only the server's word for it. */
export const levelSchema = z.enum(["local", "signed", "token"]);
export type Level = z.infer<typeof levelSchema>;

/** A decision on its way to the worker, which judges it. `by` is a name for people, unproved. */
export const decisionEnvelopeSchema = z.strictObject({
  type: z.literal("approval"),
  decision: decisionSchema,
  signature: signatureSchema.optional(),
  by: z.string().max(200).optional(),
});
export type DecisionEnvelope = z.infer<typeof decisionEnvelopeSchema>;

/** What an enrolled key signs to end a stop. */
export const resumeSchema = z.strictObject({
  version: z.literal(1),
  worker: nameSchema,
  /** The stop that it ends. */
  stopId: uuid,
  nonce: nonceSchema,
  issuedAt: z.int(),
  expiresAt: z.int(),
});
export type Resume = z.infer<typeof resumeSchema>;

export const resumeEnvelopeSchema = z.strictObject({
  type: z.literal("resume"),
  resume: resumeSchema,
  signature: signatureSchema,
});
export type ResumeEnvelope = z.infer<typeof resumeEnvelopeSchema>;

/** Entries of `decisions` in a poll's answer. */
export const envelopeSchema = z.discriminatedUnion("type", [
  decisionEnvelopeSchema,
  resumeEnvelopeSchema,
]);
export type Envelope = z.infer<typeof envelopeSchema>;

/** `stop` in a poll's answer: stopping needs no signature. */
export const stopOrderSchema = z.strictObject({
  id: uuid,
  by: z.string().max(200),
  reason: z.string().max(1_000),
  at: z.int(),
});
export type StopOrder = z.infer<typeof stopOrderSchema>;

/** A worker that is stopped, as it says itself in its beats. */
export const stoppedSchema = z.strictObject({
  id: uuid,
  /** Who or what: `local`, `api`, `file`, `budget`. */
  by: z.string().max(200),
  reason: z.string().max(1_000),
  since: z.int(),
});
export type Stopped = z.infer<typeof stoppedSchema>;

export const approvalStateSchema = z.enum(["waiting", "allowed", "denied", "expired", "withdrawn"]);
export type ApprovalState = z.infer<typeof approvalStateSchema>;

/**
 * Body of POST /worker/ask: a request that waits, or how it ended. The worker sends it again until
 * it is answered 200; the server only shows it.
 */
export const askSchema = z.strictObject({
  taskId: taskIdSchema,
  fence: z.int().positive(),
  instance: z.string().max(64),
  request: approvalRequestSchema,
  digest: sha256,
  /** Which levels the worker would take for this one. */
  levels: z.array(levelSchema).max(3),
  state: approvalStateSchema,
  /** Who decided, in a few words of the worker; null while it waits. */
  decidedBy: z.string().max(200).nullable(),
});
export type Ask = z.infer<typeof askSchema>;

/** An approval as `GET /approvals` shows it. `reason` is the submitter's word, and only that. */
export const approvalSchema = askSchema
  .omit({ instance: true, fence: true })
  .extend({ id: uuid, reason: z.string().nullable(), updatedAt: z.int() });
export type Approval = z.infer<typeof approvalSchema>;

/** Body of POST /approvals/:id. Without a signature it is worth what the worker's policy says. */
export const decideRequestSchema = z.strictObject({
  decision: decisionSchema,
  signature: signatureSchema.optional(),
});

/** Body of POST /workers/:id/stop. */
export const stopRequestSchema = z.strictObject({ reason: z.string().max(1_000).optional() });

/** Body of POST /workers/:id/unstop: a signed resume. */
export const unstopRequestSchema = z.strictObject({
  resume: resumeSchema,
  signature: signatureSchema,
});
