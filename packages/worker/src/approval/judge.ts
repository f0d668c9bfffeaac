// What a decision is worth. Pure: whether its nonce was used before is asked afterwards, where the
// answer is kept.

import {
  verifyDocument,
  type ApprovalRequest,
  type DecisionEnvelope,
  type Level,
  type Verdict,
} from "@openclaw-worker/protocol";
import { findKey, type KeyRing } from "../keys.ts";

/** What was asked, as the worker made it. */
export interface Asked {
  readonly request: ApprovalRequest;
  readonly digest: string;
  /** Whose yes counts for this one. */
  readonly levels: readonly Level[];
}

export type Judged =
  | {
      readonly kind: "decision";
      readonly verdict: Verdict;
      readonly level: Level;
      /** Whose it is, for people. */
      readonly by: string;
      /** Fingerprint of the key that signed it. */
      readonly key: string | null;
    }
  | { readonly kind: "refused"; readonly because: string };

export interface JudgeGround {
  readonly keys: KeyRing;
  /** Wall time in milliseconds. */
  readonly now: number;
}

/** Clocks of two computers differ; a signature over the digest cannot be older than the request. */
const skewMs = 300_000;

/**
 * Judges a decision that came over the network. A signature proves who decided; without one it is
 * the server's word, which is worth something only where the policy says so. To say no needs no
 * proof: the server could cancel the task as well.
 */
export function judgeEnvelope(
  { decision, signature, by }: DecisionEnvelope,
  { request, digest, levels }: Asked,
  { keys, now }: JudgeGround,
): Judged {
  const refused = (because: string): Judged => ({ kind: "refused", because });
  if (decision.worker !== request.worker)
    return refused(`it is for the worker ${decision.worker}, not this one`);
  if (decision.digest !== digest) return refused("it is for another request: the digest differs");
  if (decision.expiresAt < now || request.expiresAt < now) return refused("it has expired");
  if (decision.decidedAt > now + skewMs) return refused("it was decided in the future");
  if (decision.decidedAt < request.askedAt - skewMs) return refused("it is older than the request");
  const { verdict } = decision;
  if ((verdict === "grant") !== (decision.grant !== undefined))
    return refused("a grant and the verdict grant come together");
  if (signature === undefined) {
    if (verdict !== "deny" && !levels.includes("token")) {
      return refused("it is not signed, and the policy does not trust the server's word");
    }
    if (verdict === "grant") return refused("a grant must be signed, or given at this computer");
    return { kind: "decision", verdict, level: "token", by: by ?? "somebody", key: null };
  }
  const found = findKey(keys, signature.key, "approver");
  if (found.kind === "unknown") return refused(`no approver has the key ${signature.key}`);
  if (found.kind === "revoked") return refused(`the key of ${found.name} was revoked`);
  if (!verifyDocument("decision", decision, { signature, key: found.key }))
    return refused(`the signature of ${found.name} is not over this decision`);
  if (verdict !== "deny" && !levels.includes("signed"))
    return refused("the policy does not trust signatures for this");
  return { kind: "decision", verdict, level: "signed", by: found.name, key: signature.key };
}
