// Whose task it is. A proof that does not hold is never "no proof": somebody changed the task, or
// plays it again, and it is refused whatever the policy says about unsigned ones.

import { messageOf } from "@openclaw-worker/base";
import {
  limits,
  parsePublicKey,
  provesTask,
  type PublicKey,
  type Task,
} from "@openclaw-worker/protocol";
import { findKey, type KeyFound, type KeyRing } from "../keys.ts";
import type { Rule } from "../policy/book.ts";
import type { Policy } from "../policy/load.ts";
import type { NonceState, SpentNonce } from "./store.ts";

export type Submitter =
  /** `name` null: unsigned, or signed by a key that this worker does not know. */
  | { readonly kind: "known"; readonly name: string | null; readonly nonce: SpentNonce | null }
  | { readonly kind: "refused"; readonly because: string };

export interface SubmitterGround {
  readonly keys: KeyRing;
  readonly policy: Policy;
  readonly worker: string;
  readonly labels: readonly string[];
  readonly now: number;
  /** Spends a nonce for good. Throws when the disk does not take it. */
  readonly spend: (nonce: SpentNonce) => NonceState;
}

const skewMs = 60_000;
/** As long as a task may wait to be delivered, and a day: nonces are kept for no longer. */
const lifeMsMax = limits.ttlMsMax + 86_400_000;

/** Judges a task's proof, and spends its nonce when all else is right. */
export function submitterOf(task: Task, ground: SubmitterGround): Submitter {
  const { proof } = task;
  const required = ground.policy.book?.submitters.required === true;
  const stranger = (because: string): Submitter =>
    required ? { kind: "refused", because } : { kind: "known", name: null, nonce: null };
  if (proof === undefined) {
    return stranger("it is not signed, and the policy takes signed tasks only");
  }
  const refused = (because: string): Submitter => ({ kind: "refused", because });
  const found = submitterKey(proof.key, ground);
  if (found.kind === "unknown") return stranger(`no submitter has the key ${proof.key}`);
  if (found.kind === "revoked") return refused(`the key of ${found.name} was revoked`);
  const { name, key } = found;
  const { id, spec, timeoutMs } = task;
  if (!provesTask({ id, spec, timeoutMs }, proof, key))
    return refused(`the signature of ${name} is not over this task`);
  const { worker, labels } = proof.audience;
  const mine =
    (worker === undefined || worker === ground.worker) &&
    labels.every((label) => ground.labels.includes(label));
  if (!mine) return refused(`${name} did not sign it for this worker`);
  if (proof.issuedAt > ground.now + skewMs) return refused("it was signed in the future");
  if (proof.expiresAt <= ground.now) return refused("its signature has expired");
  if (proof.expiresAt - proof.issuedAt > lifeMsMax) return refused("its signature holds too long");
  const { nonce: value, expiresAt } = proof;
  const owner = `task ${key.fingerprint}`;
  const nonce: SpentNonce = { key: owner, nonce: value, subject: id, expiresAt };
  try {
    if (ground.spend(nonce) === "used") {
      return refused("its nonce was used before: the task is played again");
    }
  } catch (thrown) {
    return refused(`its nonce cannot be kept (${messageOf(thrown)})`);
  }
  return { kind: "known", name, nonce };
}

/** Keys are enrolled in the key file, or named by the policy; a revoked one is so everywhere. */
function submitterKey(fingerprint: string, { keys, policy }: SubmitterGround): KeyFound {
  const enrolled = findKey(keys, fingerprint, "submitter");
  if (enrolled.kind !== "unknown") return enrolled;
  for (const [name, text] of Object.entries(policy.book?.submitters.keys ?? {})) {
    const key: PublicKey | null = parsePublicKey(text);
    if (key?.fingerprint === fingerprint) return { kind: "key", name, key };
  }
  return enrolled;
}

/**
 * The policy as it judges this submitter's tasks: rules that name another one are not there, and a
 * name is only given to somebody whose signature holds, so that nothing more is required of them.
 */
export function policyFor(policy: Policy, submitter: string | null): Policy {
  const { book } = policy;
  if (book === undefined) return policy;
  const isFor = (rule: Rule): boolean =>
    rule.submitter === undefined || rule.submitter === submitter;
  const rules = {
    deny: book.rules.deny.filter(isFor),
    ask: book.rules.ask.filter(isFor),
    allow: book.rules.allow.filter(isFor),
    "host.ask": book.rules["host.ask"].filter(isFor),
    "host.allow": book.rules["host.allow"].filter(isFor),
  };
  if (submitter === null) return { ...policy, book: { ...book, rules } };
  const submitters = { ...book.submitters, required: false };
  return { ...policy, book: { ...book, rules, submitters } };
}
