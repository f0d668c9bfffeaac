// Answers for those who watch over workers: approvals, stops, audit. Parsed like all others.

import {
  acceptedSchema,
  approvalSchema,
  approvalStateSchema,
  auditCopySchema,
  presenceSchema,
  receiptSchema,
  signedCheckpointSchema,
  stopOrderSchema,
  type Approval,
  type ApprovalState,
  type SignedCheckpoint,
  type StopOrder,
} from "@openclaw-worker/protocol";
import { json, parsed } from "./answers.ts";
import type { Reply } from "./send.ts";

/** A page of `GET /approvals`. */
export interface ApprovalList {
  readonly approvals: readonly Approval[];
  /** Hand it to the next call as `after`: it gives what changed since. */
  readonly cursor: string;
}

/** A stop is on its way to the worker; `online`: it is connected now. */
export interface StopAnswer {
  readonly stop: StopOrder;
  readonly online: boolean;
  readonly message: string;
}

export interface ResumeAnswer {
  /** It is on its way to the worker, which judges it. */
  readonly sent: boolean;
  readonly online: boolean;
  readonly message: string;
}

/** The server's copy of a worker's audit log: texts of entries from the first one asked for on. */
export interface AuditPage {
  readonly worker: string;
  readonly log: string;
  /** Entries that the server has. */
  readonly size: number;
  readonly entries: readonly string[];
  readonly head: SignedCheckpoint;
}

export interface AuditProof {
  readonly seq: number;
  readonly entry: string;
  /** Audit path from the leaf up, in hex. */
  readonly proof: readonly string[];
  readonly head: SignedCheckpoint;
}

const text = presenceSchema.shape.name;
const whole = presenceSchema.shape.lastSeenAt;
const object = presenceSchema.pick({});
const texts = auditCopySchema.shape.entries;
const flag = acceptedSchema.shape.online;

const approvalsSchema = object.extend({ approvals: approvalSchema.array(), cursor: text });
const decidedSchema = object.extend({ state: approvalStateSchema });
const stopSchema = object.extend({ stop: stopOrderSchema, online: flag, message: text });
const resumeSchema = object.extend({ sent: flag, online: flag, message: text });
const auditSchema = object.extend({
  worker: text,
  log: text,
  size: whole,
  entries: texts,
  head: signedCheckpointSchema,
});
const auditProofSchema = object.extend({
  seq: whole,
  entry: text,
  proof: receiptSchema.shape.proof,
  head: signedCheckpointSchema,
});

export function parseApprovals(reply: Reply): ApprovalList {
  return parsed(reply, approvalsSchema.safeParse(json(reply)));
}

export function parseApproval(reply: Reply): Approval {
  return parsed(reply, approvalSchema.safeParse(json(reply)));
}

export function parseDecided(reply: Reply): ApprovalState {
  return parsed(reply, decidedSchema.safeParse(json(reply))).state;
}

export function parseStop(reply: Reply): StopAnswer {
  return parsed(reply, stopSchema.safeParse(json(reply)));
}

export function parseResume(reply: Reply): ResumeAnswer {
  return parsed(reply, resumeSchema.safeParse(json(reply)));
}

export function parseAudit(reply: Reply): AuditPage {
  return parsed(reply, auditSchema.safeParse(json(reply)));
}

export function parseCheckpoint(reply: Reply): SignedCheckpoint {
  return parsed(reply, signedCheckpointSchema.safeParse(json(reply)));
}

export function parseAuditProof(reply: Reply): AuditProof {
  return parsed(reply, auditProofSchema.safeParse(json(reply)));
}
