import { createHash } from "node:crypto";
import { z } from "zod";
import { receiptSchema } from "./audit.ts";
import { digestOf } from "./key.ts";
import { exitCodeOf, outcomeSchema, statusOf, type Outcome } from "./state.ts";

const encodingSchema = z.enum(["utf8", "base64"]);

/** What is kept when output was longer than the limit: true counts, and how much was left out. */
export const truncatedSchema = z.object({
  stdoutBytes: z.int().nonnegative(),
  stderrBytes: z.int().nonnegative(),
  stdoutLeftOut: z.int().nonnegative(),
  stderrLeftOut: z.int().nonnegative(),
});
export type Truncated = z.infer<typeof truncatedSchema>;

/**
 * What a worker reports. Old workers send the first five fields only.
 * `stdoutEncoding`/`stderrEncoding` say base64 where the bytes were not UTF-8.
 */
export const reportSchema = z.object({
  stdout: z.string().default(""),
  stderr: z.string().default(""),
  exitCode: z.int().default(-1),
  error: z.string().nullable().default(null),
  metadata: z.record(z.string(), z.unknown()).optional(),
  outcome: outcomeSchema.optional(),
  startedAt: z.int().optional(),
  durationMs: z.number().optional(),
  encoding: encodingSchema.optional(),
  stdoutEncoding: encodingSchema.optional(),
  stderrEncoding: encodingSchema.optional(),
  truncated: truncatedSchema.optional(),
  hint: z.string().optional(),
  /** The rules that decided, and the digest of the policy that they stood in. */
  rule: z.string().optional(),
  policyDigest: z.string().max(128).optional(),
  /** The worker's proof that this outcome is in its audit log. */
  receipt: receiptSchema.optional(),
});
export type Report = z.infer<typeof reportSchema>;

/** The result as readers see it: old clients read the first six fields, the rest is ours. */
export const resultSchema = reportSchema.extend({
  taskId: z.string(),
  completedAt: z.int(),
  status: z.enum(["completed", "failed"]),
  outcome: outcomeSchema,
  worker: z.string().nullable(),
});
export type Result = z.infer<typeof resultSchema>;

/**
 * SHA-256 of all that a worker reported, in hex: what it notes of an outcome, and what a result must
 * still say. Without `metadata`, to which servers add, and the receipt itself.
 */
export function reportDigest({
  metadata: _metadata,
  receipt: _receipt,
  ...report
}: Report): string {
  const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
  const { stdout, stderr } = report;
  return digestOf({ ...report, stdout: sha256(stdout), stderr: sha256(stderr) });
}

/** The sentence that `error` carries when a program ran and ended by itself. */
export function exitSentence(exitCode: number): string | null {
  if (exitCode === 0) return null;
  const signal = exitCode > 128 && exitCode < 193 ? ` (signal ${exitCode - 128})` : "";
  return `Command exited with code ${exitCode}${signal}`;
}

/** The report of a task that ended without a program's own exit code. */
export function reportOf(outcome: Exclude<Outcome, "done">, error: string): Report {
  return { stdout: "", stderr: "", exitCode: exitCodeOf[outcome], error, outcome };
}

/** What an old worker's report means: the outcome it could not name, guessed from its exit code. */
export function outcomeOf(report: Report): Outcome {
  if (report.outcome !== undefined) return report.outcome;
  return report.exitCode === -1 && report.error !== null ? "failed" : "done";
}

export function toResult(
  report: Report,
  about: { readonly taskId: string; readonly completedAt: number; readonly worker: string | null },
): Result {
  const outcome = outcomeOf(report);
  // Old workers leave `error` null for a program that failed; readers are promised a sentence.
  const ran = outcome === "done" && report.exitCode > 0;
  const error = report.error ?? (ran ? exitSentence(report.exitCode) : null);
  return { ...report, ...about, error, outcome, status: statusOf(outcome, report.exitCode) };
}
