import { z } from "zod";

/** A task's id: a lower-case UUID, version 7, so that ids sort by the time they were made. */
export type TaskId = string & z.$brand<"TaskId">;

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const taskIdSchema = z
  .string()
  .regex(uuidPattern, "must be a lower-case UUID")
  .brand<"TaskId">();

/** The id in `text`, or null when it is none. Upper case is folded, as UUIDs are compared. */
export function parseTaskId(text: string): TaskId | null {
  const parsed = taskIdSchema.safeParse(text.toLowerCase());
  return parsed.success ? parsed.data : null;
}

/**
 * A new UUID version 7 (RFC 9562, section 5.7).
 * @param nowMs wall time in milliseconds since the epoch
 * @param random at least 10 random bytes
 */
export function newTaskId(nowMs: number, random: Uint8Array): TaskId {
  const time = Math.max(0, Math.trunc(nowMs)).toString(16).padStart(12, "0").slice(-12);
  const hex = Buffer.from(random.subarray(0, 10)).toString("hex");
  const variant = "89ab"[(random[2] ?? 0) & 3];
  return taskIdSchema.parse(
    `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(1, 4)}-${variant}${hex.slice(5, 8)}-${hex.slice(8, 20)}`,
  );
}

/** Names of workers and labels: what a hostname may be, and nothing that a selector could mistake. */
export const nameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    "must be 1 to 64 of letters, digits, '.', '_' and '-'",
  );
