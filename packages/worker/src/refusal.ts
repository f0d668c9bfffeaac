// A no, in words that a person can act on.

import { reportOf, type Report } from "@openclaw-worker/protocol";
import type { Decision } from "./policy/decide.ts";

/** The report of a task that the policy refuses, or that nobody said yes to. */
export function refusalOf(decision: Exclude<Decision, { kind: "allow" }>): Report {
  const { kind, because, remedy, digest } = decision;
  const why = kind === "ask" ? `a person must say yes: ${because}` : because;
  return { ...refusal(why, remedy), rule: decision.rule ?? because, policyDigest: digest };
}

/** `remedy`: what would allow it, or null. */
export function refusal(because: string, remedy: string | null): Report {
  const error = `Refused by policy: ${because}`;
  if (remedy === null) return reportOf("refused", error);
  return { ...reportOf("refused", `${error}. To allow it: ${remedy}`), hint: remedy };
}
