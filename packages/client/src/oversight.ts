// Answers for those who watch over workers: approvals, stops, audit. Parsed like all others.

import {
  acceptedSchema,
  approvalSchema,
  approvalStateSchema,
  auditPageSchema,
  auditProofSchema,
  presenceSchema,
  signedCheckpointSchema,
  stopOrderSchema,
  type Approval,
  type ApprovalState,
  type AuditPage,
  type AuditProof,
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

const text = presenceSchema.shape.name;
const object = presenceSchema.pick({});
const flag = acceptedSchema.shape.online;

const approvalsSchema = object.extend({ approvals: approvalSchema.array(), cursor: text });
const decidedSchema = object.extend({ state: approvalStateSchema });
const stopSchema = object.extend({ stop: stopOrderSchema, online: flag, message: text });
const resumeSchema = object.extend({ sent: flag, online: flag, message: text });
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
  return parsed(reply, auditPageSchema.safeParse(json(reply)));
}

export function parseCheckpoint(reply: Reply): SignedCheckpoint {
  return parsed(reply, signedCheckpointSchema.safeParse(json(reply)));
}

export function parseAuditProof(reply: Reply): AuditProof {
  return parsed(reply, auditProofSchema.safeParse(json(reply)));
}
