// The gate of an agent's tools: our policy decides about every call, whatever the agent's own
// settings allow.

import { never } from "@openclaw-worker/base";
import type { Policy } from "../policy/book.ts";
import { conclude } from "../policy/decide.ts";
import { judge } from "../policy/judge.ts";
import type { Question } from "../policy/question.ts";
import type { Gate, GateAnswer, ToolCall } from "./call.ts";
import { anyDomain, readCall, type ToolGround } from "./tools.ts";

/** What the policy says about one call. */
export type Ruling =
  | { readonly kind: "allow"; readonly rule: string; readonly because: string }
  /** A person must say yes. */
  | {
      readonly kind: "ask";
      readonly rule: string | null;
      readonly because: string;
      /** What to write into the policy, so that nobody is asked. */
      readonly remedy: string;
    }
  /** A person must answer in words; the answer goes into the call's input. */
  | { readonly kind: "question"; readonly because: string }
  | {
      readonly kind: "deny";
      readonly rule: string | null;
      readonly because: string;
      readonly remedy: string;
    };

/** Decides one call, and does nothing else. */
export function ruleOn(call: ToolCall, policy: Policy, ground: ToolGround): Ruling {
  const asking = readCall(call, ground);
  switch (asking.kind) {
    case "inward":
      return { kind: "allow", rule: "inward", because: `${call.tool} changes nothing outside` };
    case "for-a-person":
      return { kind: "question", because: asking.what };
    case "beyond-rules":
      return { kind: "ask", rule: null, because: asking.because, remedy: noRule };
    case "unreadable":
      return { kind: "deny", rule: null, because: asking.because, remedy: "" };
    case "questions":
      return strictest(asking.questions.map((question) => ruleOnQuestion(question, policy)));
    default:
      return never(asking);
  }
}

const noRule = "no rule can allow it: a person must say yes each time";

function ruleOnQuestion(question: Question, policy: Policy): Ruling {
  const judgement = judge(question, policy);
  const decision = conclude(judgement, policy, []);
  // The default runs commands and files in the cage, where they can do little. The network and more
  // agents are not little: these need a rule.
  const wide = judgement.answer === "default" ? wideRule(question) : null;
  if (wide !== null) {
    const { because } = judgement;
    const remedy =
      policy.book === undefined
        ? `write a policy file with ${JSON.stringify(wide)} in rules.allow, on this computer`
        : `add ${JSON.stringify(wide)} to rules.allow in ${policy.source}, on this computer`;
    const refused = policy.default === "deny" || wide === anyPage;
    return { kind: refused ? "deny" : "ask", rule: null, because, remedy };
  }
  switch (decision.kind) {
    case "allow":
      return { kind: "allow", rule: decision.rule, because: decision.because };
    case "ask":
    case "refuse": {
      const { rule, because, remedy } = decision;
      return { kind: decision.kind === "ask" ? "ask" : "deny", rule, because, remedy };
    }
    default:
      return never(decision);
  }
}

const anyPage = `WebFetch(domain:${anyDomain})`;

/** The rule that would allow what the default never does, or null. */
function wideRule(question: Question): string | null {
  if (question.kind === "domain") return `WebFetch(domain:${question.domain})`;
  return question.kind === "agent" ? `Agent(${question.name})` : null;
}

const severity: Readonly<Record<Ruling["kind"], number>> = {
  deny: 3,
  question: 2,
  ask: 1,
  allow: 0,
};

function strictest(rulings: readonly Ruling[]): Ruling {
  const worst = rulings.toSorted((a, b) => severity[b.kind] - severity[a.kind])[0];
  return worst ?? { kind: "deny", rule: null, because: "it asks for nothing", remedy: "" };
}

/**
 * Asks a person about a call; resolves when they, or their time limit, have answered. The answer to
 * AskUserQuestion is an `allow` whose input is the call's own with `answers`: {question: label}.
 */
export type AskPerson = (
  call: ToolCall,
  ruling: Extract<Ruling, { readonly kind: "ask" | "question" }>,
  signal: AbortSignal,
) => Promise<GateAnswer>;

export interface GateParts {
  /** The policy in force now: it may change while an agent works. */
  readonly policy: () => Policy;
  readonly home: string;
  /** Absolute folder of the session. */
  readonly cwd: string;
  /** Absent: nobody can be asked, and what needs a person is refused. */
  readonly askPerson?: AskPerson | undefined;
  /** Told of every ruling, for the record. */
  readonly note?: ((call: ToolCall, ruling: Ruling) => void) | undefined;
}

/** The gate that a driver is given. */
export function openGate(parts: GateParts): Gate {
  return async (call, signal) => {
    const policy = parts.policy();
    const { home, cwd, askPerson } = parts;
    const ruling = ruleOn(call, policy, { home, cwd, roots: policy.roots });
    parts.note?.(call, ruling);
    switch (ruling.kind) {
      case "allow":
        return { kind: "allow" };
      case "deny":
        return { kind: "deny", why: refusal(ruling.because, ruling.remedy) };
      case "ask":
      case "question":
        if (askPerson !== undefined) return await askPerson(call, ruling, signal);
        return { kind: "deny", why: nobody(ruling) };
      default:
        return never(ruling);
    }
  };
}

function refusal(because: string, remedy: string): string {
  const allow = remedy === "" ? "" : ` To allow it, the user can ${remedy}.`;
  return `This computer's policy refuses it: ${because}.${allow} Do not try to reach the same by other means; tell the user.`;
}

function nobody(ruling: Extract<Ruling, { readonly kind: "ask" | "question" }>): string {
  if (ruling.kind === "question") {
    return `${ruling.because}, and nobody can be asked now. Decide with what you know, or end with your question as the answer.`;
  }
  const remedy = ruling.remedy === noRule ? "" : ruling.remedy;
  return refusal(`${ruling.because}; a person must say yes, and nobody can be asked now`, remedy);
}
