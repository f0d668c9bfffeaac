// Whose yes counts for a task that asks. Every rule that asks has a say, whatever their order: what
// one of them does not trust is not trusted. A rule may trust more than `approvals.trust` does, for
// exactly what it names: what stands beside that in the same task is asked about by the policy, and
// not by the rule.

import { levelSchema, type Level } from "@openclaw-worker/protocol";
import { readForRules, toolOf, type CommandQuestion } from "./allow.ts";
import type { Rule, RuleBook } from "./book.ts";
import { allows, narrows } from "./match.ts";
import { narrow, type Asked } from "./naming.ts";
import type { Question, Verdict } from "./question.ts";

const levelsDefault: readonly Level[] = ["local", "signed"];

/** Whose yes counts where no rule says so itself. */
export function ownLevels(book: RuleBook | undefined): readonly Level[] {
  return book?.approvals.trust ?? levelsDefault;
}

/** Whose yes counts for a question that a verdict asks about; empty: nobody's. */
export function levelsFor(asked: Asked, verdict: Verdict, book: RuleBook): readonly Level[] {
  const own = ownLevels(book);
  const { ask, "host.ask": hostAsk } = book.rules;
  if (verdict.answer !== "ask" || ![...ask, ...hostAsk].some(({ trust }) => trust)) return own;
  const rules = [
    ...verdict.rules,
    ...partsOf(asked.question).flatMap((question) => everyRule({ ...asked, question }, book)),
    ...(verdict.outside === true ? hostRules(asked, book) : []),
  ];
  const trusted = rules.map(({ trust }) => trust ?? own);
  if (!rules.some((rule) => isWhole(rule, asked))) trusted.push(own);
  return levelSchema.options.filter((level) => trusted.every((levels) => levels.includes(level)));
}

/** The question itself, and each thing that its task says it needs. */
function partsOf(question: Question): readonly Question[] {
  if (question.kind !== "command" && question.kind !== "exec") return [question];
  const { network = [], read = [], write = [] } = question.needs ?? {};
  return [
    question,
    ...network.map((domain) => ({ kind: "domain", domain }) as const),
    ...read.map((path) => ({ kind: "read", path }) as const),
    ...write.map((path) => ({ kind: "replace", path }) as const),
  ];
}

/** All rules that ask about it: each time the one that was found is left out. */
function everyRule(asked: Asked, book: RuleBook): readonly Rule[] {
  const found: Rule[] = [];
  const isLeft = (rule: Rule): boolean => !found.includes(rule);
  for (;;) {
    const { deny, ask } = book.rules;
    const rules = { ...book.rules, deny: deny.filter(isLeft), ask: ask.filter(isLeft) };
    const next = narrow(asked, { ...book, rules });
    if (next === null || next.list === "deny") return found;
    found.push(next.rule);
  }
}

function hostRules({ question, analysis }: Asked, book: RuleBook): readonly Rule[] {
  if (question.kind !== "command" && question.kind !== "exec") return [];
  const read = readForRules(question, analysis);
  if (read.kind === "not-plain") return [];
  const commands = read.commands.map(({ words }) => words.map(({ text }) => text));
  return book.rules["host.ask"].filter(({ target }) => {
    if (target.tool !== toolOf(question) || !("tokens" in target)) return false;
    return commands.some((words) => allows(target.tokens, words) !== null);
  });
}

/** Does the rule, by itself, name all that the task would do? */
function isWhole({ list, target }: Rule, { question, analysis }: Asked): boolean {
  if (list !== "ask" && list !== "host.ask") return false;
  if (question.kind !== "command" && question.kind !== "exec") {
    // What replaces a text reads the file as well.
    return question.kind !== "replace";
  }
  if (!isBare(question)) return false;
  if (target.tool === "Action") return question.kind === "exec" && question.action !== null;
  return "tokens" in target && isOneCommand(question, analysis, target.tokens);
}

function isBare({ fed, hasEnv, needs }: CommandQuestion): boolean {
  return !fed && !hasEnv && needs === undefined;
}

function isOneCommand(
  question: CommandQuestion,
  analysis: Asked["analysis"],
  tokens: Parameters<typeof narrows>[0],
): boolean {
  const read = readForRules(question, analysis);
  const [words, ...others] = analysis.commands;
  if (read.kind === "not-plain" || read.commands.length !== 1 || words === undefined) return false;
  const alone =
    others.length === 0 && read.commands.every(({ redirects }) => redirects.length === 0);
  return alone && narrows(tokens, words) === "yes";
}
