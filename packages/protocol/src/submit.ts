// Requests that submit a task. The guide's routes ignore unknown fields and clamp `timeout`, as their
// clients expect; the door by `kind` is strict. Each parser gives one Submission.

import { z } from "zod";
import { taskProofSchema, type TaskProof } from "./proof.ts";
import { nameSchema, taskIdSchema, type TaskId } from "./ids.ts";
import { limits } from "./limits.ts";
import { defaultTimeoutMs, needsSchema, specSchema, type Kind, type Spec } from "./task.ts";

/** A parsed request: what to do, for whom, and how it is queued. */
export interface Submission {
  readonly spec: Spec;
  readonly timeoutMs: number;
  readonly worker?: string | undefined;
  readonly labels: readonly string[];
  readonly priority: number;
  readonly ttlMs: number;
  readonly idempotencyKey?: string | undefined;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  readonly reason?: string | undefined;
  /** A submitter's signature, and the task's id that it signs. */
  readonly proof?: TaskProof | undefined;
  readonly id?: TaskId | undefined;
}

const queueFields = {
  worker: nameSchema.optional(),
  labels: z.array(nameSchema).max(limits.labelsMax).optional(),
  priority: z.int().min(limits.priorityMin).max(limits.priorityMax).optional(),
  ttlMs: z.int().min(1).max(limits.ttlMsMax).optional(),
  idempotencyKey: z.string().min(1).max(200).optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  reason: z.string().max(limits.reasonMax).optional(),
};

/** A signed task brings its own id, because the signature covers it. */
const proofFields = { id: taskIdSchema.optional(), proof: taskProofSchema.optional() };

// Bridges send null for "not given".
const absent = <T extends z.ZodType>(schema: T) =>
  schema.nullish().transform((value) => value ?? undefined);

const oldQueueFields = {
  worker: absent(queueFields.worker),
  labels: absent(queueFields.labels),
  priority: absent(queueFields.priority),
  ttlMs: absent(queueFields.ttlMs),
  idempotencyKey: absent(queueFields.idempotencyKey),
  metadata: absent(queueFields.metadata),
  reason: absent(queueFields.reason),
} as const;

const oldTimeout = absent(
  z
    .union([
      z.number(),
      z.string().regex(/^\s*-?\d+(\.\d+)?\s*$/, "must be a number of milliseconds"),
    ])
    .transform(Number),
);
const newTimeout = z
  .union([z.literal(0), z.int().min(limits.timeoutMsMin).max(limits.timeoutMsMax)])
  .optional();

/** Text with the guide's own words when it is missing. */
const text = (missing: string, name: string) =>
  z.string({
    error: (issue) =>
      issue.input === undefined || issue.input === null ? missing : `${name} must be a string`,
  });
const fullText = (missing: string, name: string) => text(missing, name).min(1, missing);

const pathRequired = "path is required";
const writeRequired = "path and content are required";
const editRequired = "path, old_string, new_string are required";
const promptRequired = "prompt is required";
const processFields = {
  cwd: absent(z.string().min(1).max(4096).optional()),
  env: absent(z.record(z.string(), z.string()).optional()),
  stdin: absent(z.string().optional()),
  needs: absent(needsSchema.optional()),
};

export const commandRequestSchema = z.object({
  command: fullText("command is required", "command"),
  timeout: oldTimeout,
  ...processFields,
  ...oldQueueFields,
});
export const readRequestSchema = z.object({
  path: fullText(pathRequired, "path"),
  timeout: oldTimeout,
  ...oldQueueFields,
});
export const writeRequestSchema = z.object({
  path: fullText(writeRequired, "path"),
  content: text(writeRequired, "content"),
  encoding: absent(z.enum(["utf8", "base64"]).optional()),
  timeout: oldTimeout,
  ...oldQueueFields,
});
export const editRequestSchema = z.object({
  path: fullText(editRequired, "path"),
  old_string: fullText(editRequired, "old_string"),
  new_string: text(editRequired, "new_string"),
  replace_all: absent(z.boolean().optional()),
  timeout: oldTimeout,
  ...oldQueueFields,
});
export const promptRequestSchema = z.looseObject({
  prompt: fullText(promptRequired, "prompt"),
  timeout: oldTimeout,
  sessionId: absent(z.string().min(1).max(200).optional()),
  model: absent(z.string().max(200).optional()),
  cwd: absent(z.string().min(1).max(4096).optional()),
  callbackChannel: absent(z.string().max(200).optional()),
  callbackBotToken: absent(z.string().max(400).optional()),
  resumeLatest: absent(z.boolean().optional()),
  ...oldQueueFields,
});

/** `POST /tasks` with `kind`: the fields of that kind beside the queue's; unknown fields are refused. */
export const kindRequestSchema = z
  .looseObject({ kind: z.string(), timeout: newTimeout, ...queueFields, ...proofFields })
  .transform((body, context): Submission => {
    const {
      timeout,
      worker,
      labels,
      priority,
      ttlMs,
      idempotencyKey,
      metadata,
      reason,
      ...signed
    } = body;
    const { id, proof, ...fields } = signed;
    if ((id === undefined) !== (proof === undefined)) {
      context.addIssue({ code: "custom", message: "id and proof come together", path: ["proof"] });
      return z.NEVER;
    }
    const spec = specSchema.safeParse(fields);
    if (!spec.success) {
      for (const issue of spec.error.issues) {
        context.addIssue({ code: "custom", message: issue.message, path: issue.path });
      }
      return z.NEVER;
    }
    const queued = { worker, labels, priority, ttlMs, idempotencyKey, metadata, reason };
    return { ...submission(spec.data, timeout, queued), id, proof };
  });

export type QueueFields = z.infer<z.ZodObject<typeof queueFields>>;

/** Puts a spec and the queue's fields together. `timeout` 0 or undefined: the kind's default. */
export function submission(
  spec: Spec,
  timeout: number | undefined,
  fields: QueueFields,
): Submission {
  return {
    spec,
    timeoutMs: timeoutMsOf(timeout, spec.kind),
    labels: fields.labels ?? [],
    priority: fields.priority ?? 0,
    ttlMs: fields.ttlMs ?? limits.ttlMsDefault,
    worker: fields.worker,
    idempotencyKey: fields.idempotencyKey,
    metadata: fields.metadata,
    reason: fields.reason,
  };
}

/** `timeout` as the guide's clients mean it: clamped, 0 or nothing is the kind's default. */
export function timeoutMsOf(timeout: number | undefined, kind: Kind): number {
  if (timeout === undefined || timeout === 0) return defaultTimeoutMs(kind);
  return Math.trunc(Math.min(Math.max(timeout, limits.timeoutMsMin), limits.timeoutMsMax));
}

export const acceptedSchema = z.object({
  taskId: z.string(),
  sessionId: z.string().optional(),
  message: z.string(),
  status: z.string(),
  worker: z.string().nullable(),
  online: z.boolean(),
});
/** The answer to a submit: the task is on disk. */
export type Accepted = z.infer<typeof acceptedSchema>;
