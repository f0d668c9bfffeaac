// People beside a stage: with keys, at the computer, and on the other side of a server.

import { randomBytes } from "node:crypto";
import assert from "node:assert/strict";
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
} from "@openclaw-worker/protocol";
import { keyFileIn } from "../../src/authority.ts";
import { openLocal, type Local } from "../../src/approval/local-client.ts";
import {
  emptyRing,
  enrollKey,
  loadKeyRing,
  revokeKey,
  saveKeyRing,
  type KeyRole,
} from "../../src/keys.ts";
import type { Stage } from "../stage.ts";

export interface Person {
  readonly name: string;
  readonly key: PrivateKey;
}

/** Makes a key for somebody and enrolls it. */
export function enroll(stage: Stage, name: string, role: KeyRole): Person {
  const file = keyFileIn(stage.workerHome);
  const load = loadKeyRing({ file, uid: process.getuid?.() ?? 0 });
  const key = newPrivateKey();
  const ring = load.kind === "ring" ? load.ring : emptyRing;
  const change = enrollKey(ring, { name, publicKey: key.public.text, roles: [role], at: 1 });
  if (change.kind === "refused") throw new Error(change.because);
  saveKeyRing(file, change.ring);
  return { name, key };
}

/** Takes somebody's key out of force. */
export function revoke(stage: Stage, name: string): void {
  const file = keyFileIn(stage.workerHome);
  const load = loadKeyRing({ file, uid: process.getuid?.() ?? 0 });
  const change = revokeKey(load.kind === "ring" ? load.ring : emptyRing, name, 2);
  if (change.kind === "refused") throw new Error(change.because);
  saveKeyRing(file, change.ring);
}

export const stranger = (): Person => ({ name: "mallory", key: newPrivateKey() });

export function newNonce(): string {
  return randomBytes(16).toString("base64url");
}

/** What an approver's program would say about an approval that it was shown. */
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

export function signed(decision: Decision, by: Person): DecisionEnvelope {
  return { type: "approval", decision, signature: signDocument("decision", decision, by.key) };
}

export function unsigned(decision: Decision): DecisionEnvelope {
  return { type: "approval", decision, by: "the server" };
}

export function resumeOf(stopId: string, by: Person, more: object = {}): ResumeEnvelope {
  const now = Date.now();
  const resume = {
    version: 1,
    worker: "desk",
    stopId: taskIdSchema.parse(stopId),
    nonce: newNonce(),
    issuedAt: now,
    expiresAt: now + 60_000,
    ...more,
  } as const;
  return { type: "resume", resume, signature: signDocument("resume", resume, by.key) };
}

/** A task as its submitter signed it. */
export function signedTask(
  spec: Spec,
  by: Person,
  claims: Partial<ProofClaims> = {},
): Pick<Task, "spec" | "id" | "timeoutMs" | "proof"> {
  const id = newTaskId(Date.now(), randomBytes(10));
  const timeoutMs = 30_000;
  const now = Date.now();
  const all = {
    nonce: newNonce(),
    issuedAt: now,
    expiresAt: now + 3_600_000,
    audience: { labels: [] },
    ...claims,
  };
  return { id, spec, timeoutMs, proof: proveTask({ id, spec, timeoutMs }, all, by.key) };
}

export async function atTheComputer(stage: Stage): Promise<Local> {
  const local = await openLocal(stage.stateDir, AbortSignal.timeout(20_000));
  assert.ok(local !== null, "no worker listens");
  return local;
}

export function noted(stage: Stage, type: string): Promise<void> {
  return until(() => stage.noted.some((note) => note.type === type));
}

export function logged(stage: Stage, words: RegExp): Promise<void> {
  return until(() => stage.logged.some((line) => words.test(line)));
}

export function last(stage: Stage, type: string): Readonly<Record<string, unknown>> | undefined {
  return stage.noted.findLast((note) => note.type === type)?.data;
}

/** Asks again and again; what never comes fails the test. */
export async function until(ask: () => boolean): Promise<void> {
  for (let turn = 0; !ask(); turn += 1) {
    assert.ok(turn < 4_000, "it never came");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
