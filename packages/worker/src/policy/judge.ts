// The decision itself, as a pure function: deny > ask > allow > default. What it answers, it can
// explain: every step is in the trace.

import { never } from "@openclaw-worker/base";
import { allowCommand } from "./allow.ts";
import { labelOf, type Policy, type Rule, type RuleBook } from "./book.ts";
import { analyze, analyzeArgv, nothingSeen, type Analysis } from "./command.ts";
import { matchesPath, namesOf } from "./glob.ts";
import { narrowCommand, narrowPath, type Narrowed } from "./narrow.ts";
import { isWithin } from "./paths.ts";
import type { Question, Verdict } from "./question.ts";

export interface Judgement extends Verdict {
  /** What was looked at, one step a line. */
  readonly trace: readonly string[];
}

/** Judges by the rules alone; `default` when no rule names it. */
export function judge(question: Question, policy: Policy): Judgement {
  const trace: string[] = [];
  const { book } = policy;
  const say = (verdict: Verdict): Judgement => {
    trace.push(`${verdict.answer}: ${verdict.because}`);
    return { ...verdict, trace };
  };
  if (book?.submitters.required === true) {
    const because = "submitters.required is set, and this worker cannot check keys yet";
    return say({ ...refusal(because), fix: 'set "required" to false under "submitters"' });
  }
  const analysis = book === undefined ? nothingSeen : analysisOf(question);
  const narrowed = book === undefined ? null : narrow({ question, analysis }, book, trace);
  if (narrowed?.list === "deny") return say(refusal(narrowed.because, narrowed.rule));
  const place = placeOf(question);
  if (place !== null && !policy.roots.some((root) => isWithin(place.path, root.path))) {
    const roots = policy.roots.map((root) => root.path).join(", ");
    const because = `the ${place.what} ${JSON.stringify(place.path)} is outside the roots (${roots})`;
    return say({ ...refusal(because), fix: "add its folder to the roots" });
  }
  if (narrowed !== null) {
    const { because, rule } = narrowed;
    return say({ answer: "ask", rules: [rule], because, wanted: [] });
  }
  if (book === undefined) return say(unnamed("the policy has no rules", []));
  const roots = policy.roots.map((root) => root.path);
  return say(loosen(question, { book, analysis, roots, trace }));
}

function analysisOf(question: Question): Analysis {
  if (question.kind === "command") return analyze(question.command);
  return question.kind === "exec" ? analyzeArgv(question.argv) : nothingSeen;
}

interface Asked {
  readonly question: Question;
  readonly analysis: Analysis;
}

function refusal(because: string, rule: Rule | null = null): Verdict {
  return { answer: "refuse", rules: rule === null ? [] : [rule], because, wanted: [] };
}

function unnamed(because: string, wanted: readonly string[]): Verdict {
  return { answer: "default", rules: [], because, wanted };
}

function placeOf(question: Question): { readonly what: string; readonly path: string } | null {
  switch (question.kind) {
    case "command":
    case "exec":
    case "agent":
      return { what: "working folder", path: question.cwd };
    case "read":
    case "edit":
    case "replace":
      return { what: "path", path: question.path };
    case "domain":
      return null;
    default:
      return never(question);
  }
}

/** The strictest rule that denies it or asks about it, or null. */
function narrow(asked: Asked, book: RuleBook, trace: string[]): Narrowed | null {
  const { deny, ask } = book.rules;
  const found = narrowKind(asked, book);
  if (found === null) {
    trace.push(`none of ${deny.length} deny and ${ask.length} ask rules names it`);
  }
  return found;
}

function narrowKind({ question, analysis }: Asked, book: RuleBook): Narrowed | null {
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
  return firstOf(
    book,
    ({ target }) => target.tool === "WebFetch" && coversDomain(target.domain, domain),
    domain,
  );
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

/** `*` is every domain, `*.example.com` every one below example.com. */
function coversDomain(pattern: string, domain: string): boolean {
  const asked = domain.toLowerCase().replace(/\.$/, "");
  if (pattern === "*") return true;
  return pattern.startsWith("*.") ? asked.endsWith(pattern.slice(1)) : asked === pattern;
}

interface Loosening {
  readonly book: RuleBook;
  readonly analysis: Analysis;
  readonly roots: readonly string[];
  readonly trace: string[];
}

/** What the allow rules say, once nothing denies it or asks. */
function loosen(question: Question, by: Loosening): Verdict {
  const { book } = by;
  switch (question.kind) {
    case "command":
    case "exec":
      if (question.kind === "exec" && question.action !== null) {
        return allowName("Action", question.action, book);
      }
      return allowCommand(question, {
        ...by,
        allowPath: (tool, path) => allowPath(tool, path, by),
      });
    case "read":
      return allowPath("Read", question.path, by);
    case "edit":
    case "replace":
      return allowPath("Edit", question.path, by);
    case "agent":
      return allowName("Agent", question.name, book);
    case "domain": {
      const { domain } = question;
      const rule = book.rules.allow.find(
        ({ target }) => target.tool === "WebFetch" && coversDomain(target.domain, domain),
      );
      return allowedBy(rule, `WebFetch(domain:${domain})`);
    }
    default:
      return never(question);
  }
}

function allowName(tool: "Agent" | "Action", name: string, book: RuleBook): Verdict {
  const rule = book.rules.allow.find(
    ({ target }) => target.tool === tool && (target.name === "*" || target.name === name),
  );
  return allowedBy(rule, `${tool}(${name})`);
}

function allowPath(tool: "Read" | "Edit", path: string, { book, roots }: Loosening): Verdict {
  const names = namesOf(path);
  const rule = book.rules.allow.find(
    ({ target, patterns }) =>
      target.tool === tool && patterns.some((pattern) => matchesPath(pattern, names)),
  );
  const root = roots.find((folder) => isWithin(path, folder));
  const short = root === undefined ? path : `.${path.slice(root.length)}`;
  return allowedBy(rule, `${tool}(${short})`);
}

function allowedBy(rule: Rule | undefined, wanted: string): Verdict {
  if (rule === undefined) return unnamed(`no allow rule names ${wanted}`, [wanted]);
  return { answer: "allow", rules: [rule], because: `${labelOf(rule)} names it`, wanted: [] };
}
