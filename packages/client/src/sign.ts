// What a person's key signs: tasks, decisions, resumes. The key never leaves this process.

import { randomBytes, randomUUID } from "node:crypto";
import {
  limits,
  proveTask,
  signDocument,
  specSchema,
  taskIdSchema,
  timeoutMsOf,
  type Approval,
  type Decision,
  type PrivateKey,
  type Resume,
  type Signature,
} from "@openclaw-worker/protocol";
import { ClientError } from "./failure.ts";
import type { Choice, ResumeChoice, TaskRequest } from "./requests.ts";

/** What says how a task is queued, and not what it is: the signature names none of these. */
const queueFields: ReadonlySet<string> = new Set([
  "timeout",
  "worker",
  "labels",
  "priority",
  "ttlMs",
  "idempotencyKey",
  "metadata",
  "reason",
]);
/** A resume is taken, or not, soon after it was said. */
const resumeMs = 600_000;

/**
 * The request as it is sent: with `sign` it gets an id and a proof over exactly what is sent.
 * @throws ClientError `invalid-request` for a task that is none
 */
export function signedRequest(request: TaskRequest, now: number): object {
  const { sign, ...sent } = request;
  if (sign === undefined) return sent;
  const { timeout, worker, labels, ttlMs } = sent;
  const fields = Object.entries(sent).filter(([name]) => !queueFields.has(name));
  const spec = specSchema.safeParse(Object.fromEntries(fields));
  if (!spec.success) {
    const issue = spec.error.issues[0];
    const why = `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}`;
    throw new ClientError("invalid-request", { why, cause: spec.error });
  }
  const id = taskIdSchema.parse(randomUUID());
  const timeoutMs = timeoutMsOf(timeout, spec.data.kind);
  const claims = {
    nonce: newNonce(),
    issuedAt: now,
    expiresAt: now + (ttlMs ?? limits.ttlMsDefault),
    audience: { ...(worker === undefined ? {} : { worker }), labels: [...(labels ?? [])] },
  };
  const proof = proveTask({ id, spec: spec.data, timeoutMs }, claims, sign);
  // Out of its range a timeout is refused by the server, not mended here.
  const asked = timeout === undefined || timeout === 0 ? timeoutMs : timeout;
  return { ...sent, ...spec.data, timeout: asked, id, proof };
}

export function decisionOf(
  { id, request, digest }: Approval,
  { verdict, grant, key }: Choice,
  now: number,
): { readonly decision: Decision; readonly signature?: Signature } {
  const decision: Decision = {
    version: 1,
    approvalId: id,
    worker: request.worker,
    digest,
    nonce: newNonce(),
    verdict,
    ...(grant === undefined ? {} : { grant }),
    decidedAt: now,
    expiresAt: request.expiresAt,
  };
  return { decision, ...signed("decision", decision, key) };
}

export function resumeOf(
  worker: string,
  { stopId, key }: ResumeChoice,
  now: number,
): { readonly resume: Resume; readonly signature: Signature } {
  const resume: Resume = {
    version: 1,
    worker,
    stopId: taskIdSchema.parse(stopId),
    nonce: newNonce(),
    issuedAt: now,
    expiresAt: now + resumeMs,
  };
  return { resume, signature: signDocument("resume", resume, key) };
}

function signed(
  type: "decision",
  document: Decision,
  key: PrivateKey | undefined,
): { readonly signature?: Signature } {
  return key === undefined ? {} : { signature: signDocument(type, document, key) };
}

function newNonce(): string {
  return randomBytes(24).toString("base64url");
}
