// What tests ask of a person, and what the person says, in one line each.

import {
  digestOf,
  newPrivateKey,
  signDocument,
  type Ask,
  type ApprovalRequest,
  type Decision,
  type Held,
  type PrivateKey,
  type Resume,
  type Stopped,
} from "@openclaw-worker/protocol";
import { randomUUID } from "node:crypto";
import { startMs } from "./clock.ts";
import { idOf } from "./orders.ts";

export const approver: PrivateKey = newPrivateKey();
export const operator = { name: "WORKER_TOKEN", from: "192.0.2.1" };
const nonce = "0123456789abcdefghijkl";

export interface AskOptions {
  readonly worker?: string;
  readonly at?: number;
  readonly state?: Ask["state"];
  readonly decidedBy?: string | null;
  /** The same approval again. */
  readonly request?: ApprovalRequest;
}

/** A request about a held task; the worker's name stands for its instance. */
export function askOf({ taskId, fence }: Held, options: AskOptions = {}): Ask {
  const { worker = "home", at = startMs, state = "waiting", decidedBy = null } = options;
  const request: ApprovalRequest = options.request ?? {
    version: 1,
    id: idOf(randomUUID()),
    worker,
    taskId,
    attempt: fence,
    deed: { kind: "command", command: "git push" },
    cwd: "/home/me/openclaw",
    env: {},
    stdin: null,
    files: [],
    cage: { outside: false, write: ["/home/me/openclaw"], read: [], domains: [] },
    rule: "Bash(git push *)",
    policyDigest: "p1",
    nonce,
    askedAt: at,
    expiresAt: at + 600_000,
  };
  const digest = digestOf(request);
  return {
    taskId,
    fence,
    instance: worker,
    request,
    digest,
    levels: ["local", "signed"],
    state,
    decidedBy,
  };
}

/** The same approval, ended. */
export function ended(
  ask: Ask,
  state: Ask["state"] = "allowed",
  by: string | null = "key anna",
): Ask {
  return { ...ask, state, decidedBy: by };
}

export function decisionOf(
  { request, digest }: Pick<Ask, "request" | "digest">,
  fields: Partial<Decision> = {},
): Decision {
  return {
    version: 1,
    approvalId: request.id,
    worker: request.worker,
    digest,
    nonce,
    verdict: "once",
    decidedAt: request.askedAt + 1,
    expiresAt: request.expiresAt,
    ...fields,
  };
}

export function signedDecision(
  ask: Pick<Ask, "request" | "digest">,
  fields: Partial<Decision> = {},
) {
  const decision = decisionOf(ask, fields);
  return { decision, signature: signDocument("decision", decision, approver) };
}

export function envelopeOf(ask: Pick<Ask, "request" | "digest">, fields: Partial<Decision> = {}) {
  return { type: "approval" as const, ...signedDecision(ask, fields) };
}

export function signedResume(stopId: string, worker = "home", at = startMs) {
  const resume: Resume = {
    version: 1,
    worker,
    stopId: idOf(stopId),
    nonce,
    issuedAt: at,
    expiresAt: at + 600_000,
  };
  return { resume, signature: signDocument("resume", resume, approver) };
}

export function stoppedBy(id: string, reason = ""): Stopped {
  return { id: idOf(id), by: "api", reason, since: startMs };
}

export function introductionOf(name: string, fields: object = {}) {
  return {
    name,
    instance: `${name}-instance`,
    labels: [],
    version: "0.1.0",
    platform: "linux",
    slots: 3,
    policyDigest: "p1",
    ...fields,
  };
}
