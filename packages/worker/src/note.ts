// What the worker writes down for later: the audit log's side of every other file.

import { createHash } from "node:crypto";
import {
  reportDigest,
  type AuditType,
  type Receipt,
  type Report,
  type Task,
} from "@openclaw-worker/protocol";

/** Takes down one thing that happened, in order. Never throws, and waits for nothing. */
export interface Notes {
  note(type: AuditType, data: Readonly<Record<string, unknown>>, taskId?: string): void;
  /** The same, with its proof once it is on the disk; null when there is none. */
  sealed(
    type: AuditType,
    data: Readonly<Record<string, unknown>>,
    taskId?: string,
  ): Promise<Receipt | null>;
  /** Resolves when all of it is on the disk: null, or why it is not. */
  flushed(): Promise<string | null>;
}

/** Notes that nobody keeps. */
export const noNotes: Notes = {
  note() {},
  sealed: () => Promise.resolve(null),
  flushed: () => Promise.resolve(null),
};

/** What was asked for, and by whom where that is proved. */
export function noteRequest(notes: Notes, task: Task, submitter: string | null): void {
  const { spec, reason = null, fence } = task;
  const shown = "content" in spec ? { ...spec, content: sha256(spec.content) } : spec;
  notes.note("request", { fence, spec: shown, reason, submitter }, task.id);
}

/** A task whose signature does not hold. */
export function noteRefusal(notes: Notes, task: Task, because: string): void {
  notes.note("refused", { what: "task", because }, task.id);
}

/** How it ended; of what it printed, only the hashes. Resolves with the proof of it. */
export function noteOutcome(notes: Notes, taskId: string, report: Report): Promise<Receipt | null> {
  const { outcome, exitCode, error, stdout, stderr } = report;
  const digests = { stdout: sha256(stdout), stderr: sha256(stderr) };
  const whole = reportDigest(report);
  return notes.sealed("outcome", { outcome, exitCode, error, ...digests, report: whole }, taskId);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
