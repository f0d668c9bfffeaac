// What our worker and the server say to each other. Old workers speak wire.ts instead.
//
// `instance` is a random id of one worker process; without one the worker's name stands for it. `order` counts the messages of an instance that
// carry `capacity` (free slots): messages may overtake each other, and the newest one counts.

import { z } from "zod";
import { stoppedSchema, stopOrderSchema } from "./approval.ts";
import { nameSchema, taskIdSchema } from "./ids.ts";
import { limits } from "./limits.ts";
import { reportSchema } from "./result.ts";
import { taskSchema } from "./task.ts";

const instanceSchema = z.string().regex(/^[A-Za-z0-9_-]{8,64}$/);
const count = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Query of our worker's poll; one without `capacity` is an old worker's. */
export const pollQuerySchema = z.object({
  wait: count.optional(),
  capacity: count.max(10_000),
  workerId: nameSchema.optional(),
  instance: instanceSchema.optional(),
  order: count.optional(),
});
export type PollQuery = z.infer<typeof pollQuerySchema>;

export const heldSchema = z.object({ taskId: taskIdSchema, fence: z.int().positive() });
/** A task that a worker holds, by id and attempt. */
export type Held = z.infer<typeof heldSchema>;

/** `unknown`: the server does not know this instance; introduce yourself with a beat. */
export const pollAnswerSchema = z.object({
  tasks: z.array(taskSchema),
  cancel: z.array(heldSchema),
  /** Of `envelopeSchema` each; the worker parses them one by one. */
  decisions: z.array(z.unknown()),
  stop: stopOrderSchema.nullable(),
  unknown: z.boolean().optional(),
});
export type PollAnswer = z.infer<typeof pollAnswerSchema>;

export const startedSchema = z.strictObject({
  ...heldSchema.shape,
  worker: nameSchema.optional(),
  instance: instanceSchema.optional(),
  startedAt: z.int().optional(),
});
export type Started = z.infer<typeof startedSchema>;

export const introductionSchema = z.strictObject({
  name: nameSchema,
  instance: instanceSchema,
  labels: z.array(nameSchema).max(limits.labelsMax),
  version: z.string().max(64),
  platform: z.string().max(64),
  slots: z.int().min(1).max(10_000),
  policyDigest: z.string().max(128),
  /** `ssh-ed25519 …`: the key that signs the worker's checkpoints. */
  publicKey: z.string().max(200).optional(),
});
export type Introduction = z.infer<typeof introductionSchema>;

/** Renews the leases of everything held; sent at start and every `limits.beatMs` while something is held. */
export const beatSchema = z.strictObject({
  worker: introductionSchema.optional(),
  instance: instanceSchema.optional(),
  held: z.array(heldSchema).max(10_000),
  /** Held tasks that wait for a person. */
  asking: z.array(heldSchema).max(10_000).optional(),
  /** What the worker's stop is now; null: it works. Absent: an older worker, which cannot stop. */
  stopped: stoppedSchema.nullable().optional(),
  /** The newest of the server's stop orders that it carried out, whether it is still stopped or not. */
  stopSeen: taskIdSchema.optional(),
});
export type Beat = z.infer<typeof beatSchema>;

/** `cancel`: held tasks whose end was asked for. `stale`: held tasks that are no longer this worker's. */
export const beatAnswerSchema = z.object({
  now: z.int(),
  cancel: z.array(heldSchema),
  stale: z.array(heldSchema),
});
export type BeatAnswer = z.infer<typeof beatAnswerSchema>;

/** Body of POST /worker/result. Old workers send `taskId` and the report's first fields. */
export const settleSchema = reportSchema.extend({
  taskId: z.string().min(1),
  fence: z.int().positive().optional(),
  instance: instanceSchema.optional(),
  capacity: z.int().nonnegative().optional(),
  order: z.int().nonnegative().optional(),
});
export type Settle = z.infer<typeof settleSchema>;

/** Body of POST /worker/giveback: tasks that were claimed and not started go back to the queue. */
export const giveBackSchema = z.strictObject({
  instance: instanceSchema,
  held: z.array(heldSchema).max(10_000),
});
export type GiveBack = z.infer<typeof giveBackSchema>;

export const workerEventSchema = z.object({
  type: z.string().min(1).max(100),
  taskId: z.string().max(100).optional(),
  details: z.unknown().optional(),
});
export type WorkerEvent = z.infer<typeof workerEventSchema>;

/** A worker as `GET /workers` shows it. */
export const presenceSchema = z.object({
  name: z.string(),
  state: z.enum(["online", "away", "stopped"]),
  labels: z.array(z.string()),
  version: z.string().nullable(),
  platform: z.string().nullable(),
  slots: z.int().nullable(),
  running: z.int(),
  lastSeenAt: z.int(),
  policyDigest: z.string().nullable(),
  /** Why it takes nothing, while it is stopped. */
  stopped: stoppedSchema.nullable().optional(),
  /** A stop that the worker has not confirmed yet; it is handed nothing more meanwhile. */
  stopAsked: stopOrderSchema.nullable().optional(),
  /** What does not fit in the copy of its audit log, or in its key. */
  alarm: z.string().nullable().optional(),
  /** Fingerprint of the key that signs its checkpoints, as the server was told first. */
  fingerprint: z.string().nullable().optional(),
});
export type Presence = z.infer<typeof presenceSchema>;
