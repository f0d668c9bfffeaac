// A policy from text, at places that need no disk.

import { parsePolicy } from "../../src/policy/parse.ts";
import { policyOf, type Policy } from "../../src/policy/load.ts";
import { conclude } from "../../src/policy/decide.ts";
import { judge } from "../../src/policy/judge.ts";
import type { Question } from "../../src/policy/question.ts";

export const home = "/home/ann";
export const root = "/home/ann/openclaw";

export interface PolicyWish {
  readonly default?: Policy["default"];
  readonly rules?: {
    readonly deny?: readonly unknown[];
    readonly ask?: readonly unknown[];
    readonly allow?: readonly unknown[];
  };
  readonly host?: {
    readonly ask?: readonly unknown[];
    readonly allow?: readonly unknown[];
  };
  readonly actions?: Readonly<Record<string, unknown>>;
  readonly limits?: Readonly<Record<string, unknown>>;
  readonly approvals?: Readonly<Record<string, unknown>>;
  readonly submitters?: Readonly<Record<string, unknown>>;
}

export function policyFrom(wish: PolicyWish): Policy {
  return policyFromText(JSON.stringify({ roots: [root], ...wish }));
}

export function policyFromText(text: string): Policy {
  return policyOf(parsePolicy(text), {
    source: "policy.json",
    roots: [{ named: root, path: root }],
    homes: [home, home],
  });
}

export type Said = "allow" | "cage" | "ask" | "refuse";

/** What the policy says, in the words of `policy test`. */
export function said(question: Question, policy: Policy): Said {
  const judgement = judge(question, policy);
  const decision = conclude(judgement, policy, []);
  if (decision.kind !== "allow") return decision.kind;
  return judgement.answer === "allow" ? "allow" : "cage";
}

export function saidOf(command: string, policy: Policy, cwd: string = root): Said {
  return said({ kind: "command", command, cwd, fed: false, hasEnv: false }, policy);
}
