// The examples that stand beside a rule: what it must decide, and what it must not.

import path from "node:path";
import { labelOf, type Policy, type Rule, type RuleBook } from "./book.ts";
import { JsonProblem } from "./jsonc.ts";
import { judge } from "./judge.ts";
import type { Example, WrittenRule } from "./parse.ts";
import type { Question } from "./question.ts";

/** @throws JsonProblem at the first example that does not hold */
export function checkExamples(written: readonly WrittenRule[], policy: Policy): void {
  const { book } = policy;
  if (book === undefined) return;
  for (const { list, at, match, notMatch } of written) {
    if (match.length === 0 && notMatch.length === 0) continue;
    const rule = book.rules[list].find((candidate) => candidate.at === at);
    if (rule === undefined) continue;
    const alone = { ...policy, book: onlyRule(book, rule) };
    const examples = [
      ...match.map((example) => ({ example, wanted: true })),
      ...notMatch.map((example) => ({ example, wanted: false })),
    ];
    for (const { example, wanted } of examples) {
      const { answer, rules, because } = judge(questionFor(rule, example, alone), alone);
      // "ask" by a rule that allows or denies is a doubt about it, not its decision.
      const decided = rules.includes(rule) && answer === decisions[list];
      if (decided === wanted) continue;
      const verb = wanted ? "does not decide" : "decides";
      throw new JsonProblem(
        example.at,
        `${labelOf(rule)} ${verb} this example: ${JSON.stringify(example.text)} (${because})`,
      );
    }
  }
}

const decisions = {
  deny: "refuse",
  ask: "ask",
  allow: "allow",
  "host.ask": "ask",
  "host.allow": "allow",
} as const;

function onlyRule(book: RuleBook, rule: Rule): RuleBook {
  const none = { deny: [], ask: [], allow: [], "host.ask": [], "host.allow": [] };
  return { ...book, submitters: {}, rules: { ...none, [rule.list]: [rule] } };
}

function questionFor(rule: Rule, { text, at }: Example, policy: Policy): Question {
  const [root] = policy.roots;
  const cwd = root.path;
  const home = policy.book?.home ?? "/";
  const file = path.resolve(cwd, /^~(?:\/|$)/.test(text) ? `${home}${text.slice(1)}` : text);
  switch (rule.target.tool) {
    case "Bash":
      return { kind: "command", command: text, cwd, fed: false, hasEnv: false };
    case "Exec":
      return { kind: "exec", argv: argvOf(text, at), cwd, fed: false, hasEnv: false, action: null };
    case "Read":
      return { kind: "read", path: file };
    case "Edit":
      return { kind: "edit", path: file };
    case "WebFetch":
      return { kind: "domain", domain: text };
    case "Agent":
      return { kind: "agent", name: text, cwd };
    case "Action":
      return { kind: "exec", argv: ["true"], cwd, fed: false, hasEnv: false, action: text };
  }
}

function argvOf(text: string, at: Example["at"]): readonly string[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  const problem = 'an example of Exec is a JSON list of texts: "[\\"git\\",\\"status\\"]"';
  if (!Array.isArray(value)) throw new JsonProblem(at, problem);
  const entries: readonly unknown[] = value;
  return entries.map((entry) => {
    if (typeof entry !== "string") throw new JsonProblem(at, problem);
    return entry;
  });
}
