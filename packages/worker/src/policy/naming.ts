// Which deny or ask rule names what somebody asks about, whatever kind of thing that is.

import { never } from "@openclaw-worker/base";
import { labelOf, type Rule, type RuleBook } from "./book.ts";
import type { Analysis } from "./command.ts";
import { narrowCommand, narrowPath, type Narrowed } from "./narrow.ts";
import { ruleFor } from "./network.ts";
import type { Question } from "./question.ts";

export interface Asked {
  readonly question: Question;
  readonly analysis: Analysis;
}

/** The strictest rule that denies it or asks about it, or null. */
export function narrow({ question, analysis }: Asked, book: RuleBook): Narrowed | null {
  switch (question.kind) {
    case "command":
      return narrowCommand(analysis, { book, cwd: question.cwd });
    case "exec":
      return (
        (question.action === null ? null : narrowName("Action", question.action, book)) ??
        narrowCommand(analysis, { book, cwd: question.cwd })
      );
    case "read":
      return narrowPath(question.path, ["Read"], book);
    case "edit":
      return narrowPath(question.path, ["Edit"], book);
    case "replace":
      return narrowPath(question.path, ["Edit", "Read"], book);
    case "agent":
      return narrowName("Agent", question.name, book);
    case "domain":
      return narrowDomain(question.domain, book);
    default:
      return never(question);
  }
}

function narrowName(tool: "Agent" | "Action", name: string, book: RuleBook): Narrowed | null {
  return firstOf(book, ({ target }) => target.tool === tool && namesIt(target.name, name), name);
}

function narrowDomain(domain: string, book: RuleBook): Narrowed | null {
  for (const list of ["deny", "ask"] as const) {
    const rule = ruleFor(domain, book, list);
    if (rule !== undefined) return { list, rule, because: `${labelOf(rule)} names ${domain}` };
  }
  return null;
}

function firstOf(book: RuleBook, fits: (rule: Rule) => boolean, what: string): Narrowed | null {
  for (const list of ["deny", "ask"] as const) {
    const rule = book.rules[list].find(fits);
    if (rule !== undefined) return { list, rule, because: `${labelOf(rule)} names ${what}` };
  }
  return null;
}

function namesIt(pattern: string, name: string): boolean {
  return pattern === "*" || pattern.toLowerCase() === name.toLowerCase();
}
