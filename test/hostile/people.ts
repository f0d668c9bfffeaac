// People beside a stolen plane: what their keys sign, and what a thief makes of it.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import path from "node:path";
import {
  newPrivateKey,
  newTaskId,
  proveTask,
  signDocument,
  taskIdSchema,
  type Ask,
  type Decision,
  type DecisionEnvelope,
  type PrivateKey,
  type ProofClaims,
  type ResumeEnvelope,
  type Spec,
  type Task,
  type TaskProof,
} from "@openclaw-worker/protocol";
import {
  emptyRing,
  enrollKey,
  loadKeyRing,
  revokeKey,
  saveKeyRing,
  type KeyRing,
  type KeyRole,
  type RingChange,
} from "@openclaw-worker/worker";

/** Makes somebody's key and lets the worker know it. */
export function enrollIn(stateHome: string, name: string, role: KeyRole): PrivateKey {
  const key = newPrivateKey();
  change(stateHome, (ring) =>
    enrollKey(ring, { name, publicKey: key.public.text, roles: [role], at: Date.now() }),
  );
  return key;
}

/** Takes somebody's key out of force. */
export function revokeIn(stateHome: string, name: string): void {
  change(stateHome, (ring) => revokeKey(ring, name, Date.now()));
}

function change(stateHome: string, next: (ring: KeyRing) => RingChange): void {
  const file = path.join(stateHome, "keys.json");
  const load = loadKeyRing({ file, uid: process.getuid?.() ?? -1 });
  const changed = next(load.kind === "ring" ? load.ring : emptyRing);
  assert.ok(changed.kind === "changed");
  saveKeyRing(file, changed.ring);
}

export function newNonce(): string {
  return randomBytes(18).toString("base64url");
}

/** A task with its submitter's proof, as the wire has it. */
export function proved(
  spec: Spec,
  by: PrivateKey,
  claims: Partial<ProofClaims> & { readonly timeoutMs?: number } = {},
): Task & { readonly proof: TaskProof } {
  const { timeoutMs = 30_000, ...more } = claims;
  const now = Date.now();
  const id = newTaskId(now, randomBytes(10));
  const all = {
    nonce: newNonce(),
    issuedAt: now,
    expiresAt: now + 7 * 86_400_000,
    audience: { labels: [] },
    ...more,
  };
  const proof = proveTask({ id, spec, timeoutMs }, all, by);
  return { id, fence: 1, timeoutMs, createdAt: now, spec, proof };
}

/** What an approver's program would say about what it was shown. */
export function decisionOn({ request, digest }: Ask, more: Partial<Decision> = {}): Decision {
  return {
    version: 1,
    approvalId: request.id,
    worker: request.worker,
    digest,
    nonce: newNonce(),
    verdict: "once",
    decidedAt: Date.now(),
    expiresAt: request.expiresAt,
    ...more,
  };
}

export function signed(decision: Decision, by: PrivateKey): DecisionEnvelope {
  return { type: "approval", decision, signature: signDocument("decision", decision, by) };
}

export function resumeOf(stopId: string, by: PrivateKey, more: object = {}): ResumeEnvelope {
  const now = Date.now();
  const resume = {
    version: 1,
    worker: "den",
    stopId: taskIdSchema.parse(stopId),
    nonce: newNonce(),
    issuedAt: now,
    expiresAt: now + 600_000,
    ...more,
  } as const;
  return { type: "resume", resume, signature: signDocument("resume", resume, by) };
}

/** An order to stop, as any server may give it. */
export function stopOrder(reason: string) {
  const id = newTaskId(Date.now(), randomBytes(10));
  return { id, by: "the server", reason, at: Date.now() };
}
