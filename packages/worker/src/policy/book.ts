// A policy that is in force: its rules with their places, ready to judge.

import type { Level } from "@openclaw-worker/protocol";
import type { Cage } from "../job.ts";
import { folded, patternText, resolveGlob, type PathPattern } from "./glob.ts";
import type { Position } from "./jsonc.ts";
import type { RuleList, WrittenRule } from "./parse.ts";
import type { Root } from "./roots.ts";
import type { RuleTarget } from "./rule.ts";
import type { ActionFile, PolicyFile } from "./schema.ts";

export type PolicyDefault = "cage" | "ask" | "deny";

export interface Policy {
  readonly roots: readonly [Root, ...Root[]];
  /** What happens to a task that no rule names. */
  readonly default: PolicyDefault;
  /** Where it came from, for people: a file's path or a variable's name. */
  readonly source: string;
  /** SHA-256 over the policy's canonical JSON, in hex: two workers with one digest decide alike. */
  readonly digest: string;
  /** Absent: it has roots and a default, and nothing else. */
  readonly book?: RuleBook;
}

export interface Rule {
  readonly list: RuleList;
  readonly text: string;
  readonly at: Position;
  readonly target: RuleTarget;
  /** Of Read and Edit: absolute patterns. Those of rules that narrow are folded. */
  readonly patterns: readonly PathPattern[];
  /** The same as text, not folded: what a cage is given. */
  readonly texts: readonly string[];
  readonly allowDangerously: boolean;
  /** Whose yes counts, when the rule says so itself. */
  readonly trust?: readonly Level[] | undefined;
  /** Whose signed tasks it is for, and no others; absent: for all. */
  readonly submitter?: string | undefined;
}

export interface RuleBook {
  readonly rules: Readonly<Record<RuleList, readonly Rule[]>>;
  /** The home as the user names it. */
  readonly home: string;
  readonly actions: Readonly<Record<string, ActionFile>>;
  readonly approvals: NonNullable<PolicyFile["approvals"]>;
  readonly limits: NonNullable<PolicyFile["limits"]>;
  readonly submitters: NonNullable<PolicyFile["submitters"]>;
  /** Absolute patterns that no task may read, or write: what the cage can be given. */
  readonly denyRead: readonly string[];
  readonly denyWrite: readonly string[];
}

export interface BookGround {
  /** The home as the user names it, then its real path. */
  readonly homes: readonly [string, ...string[]];
  readonly roots: readonly Root[];
}

/** Gives the rules of a file their places. */
export function bookOf(
  wish: { readonly file: PolicyFile; readonly rules: readonly WrittenRule[] },
  ground: BookGround,
): RuleBook {
  const rules = wish.rules.map((written) => ruleOf(written, ground));
  const of = (list: RuleList): readonly Rule[] => rules.filter((rule) => rule.list === list);
  const { actions = {}, approvals = {}, limits = {}, submitters = {} } = wish.file;
  return {
    rules: {
      deny: of("deny"),
      ask: of("ask"),
      allow: of("allow"),
      "host.ask": of("host.ask"),
      "host.allow": of("host.allow"),
    },
    home: ground.homes[0],
    actions,
    approvals,
    limits,
    submitters,
    denyRead: closedBy(rules, "Read"),
    denyWrite: closedBy(rules, "Edit"),
  };
}

/** What deny and ask rules of a tool close, but for those that a person has said yes to. */
function closedBy(
  rules: readonly Rule[],
  tool: "Read" | "Edit",
  granted: readonly Rule[] = [],
): readonly string[] {
  const closing = rules.filter(
    (rule) =>
      (rule.list === "deny" || (rule.list === "ask" && !granted.includes(rule))) &&
      rule.target.tool === tool,
  );
  return [...new Set(closing.flatMap(({ texts }) => texts))];
}

function ruleOf(written: WrittenRule, ground: BookGround): Rule {
  const { list, text, at, target, allowDangerously, trust, submitter } = written;
  const patterns =
    target.tool === "Read" || target.tool === "Edit" ? resolveGlob(target.glob, ground) : [];
  const narrows = list === "deny" || list === "ask";
  return {
    list,
    text,
    at,
    target,
    allowDangerously,
    trust,
    submitter,
    texts: patterns.map(patternText),
    patterns: narrows ? patterns.map((pattern) => pattern.map(folded)) : patterns,
  };
}

/** `deny: Bash(sudo *)`, as reports and traces name a rule. */
export function labelOf(rule: Rule): string {
  return `${rule.list}: ${rule.text}`;
}

/**
 * The cage of every task under this policy.
 * @param readable absolute real paths that it may read besides the roots
 * @param granted ask rules that a person has said yes to, for this task: they close nothing
 */
export function cageOf(
  policy: Policy,
  readable: readonly string[],
  granted: readonly Rule[] = [],
): Cage {
  const roots = policy.roots.map((root) => root.path);
  const { book } = policy;
  if (book === undefined) return { roots, readable };
  const { deny, ask, allow } = book.rules;
  const denyRead = closedBy([...deny, ...ask], "Read", granted);
  const denyWrite = closedBy([...deny, ...ask], "Edit", granted);
  const named = allow.flatMap(({ target, texts }) => (target.tool === "Edit" ? texts : []));
  const { processes, fileBytes } = book.limits;
  return {
    roots,
    readable,
    ...(denyRead.length === 0 ? {} : { denyRead }),
    ...(denyWrite.length === 0 ? {} : { denyWrite }),
    ...(named.length === 0 ? {} : { named }),
    ...(processes === undefined ? {} : { processes }),
    ...(fileBytes === undefined ? {} : { fileBytes }),
  };
}
