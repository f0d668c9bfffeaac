// The decision itself, as a pure function: deny > ask > allow > default. What it answers, it can
// explain: every step is in the trace.

import { never } from "@openclaw-worker/base";
import type { Level } from "@openclaw-worker/protocol";
import { allowCommand, strictest } from "./allow.ts";
import { labelOf, type Policy, type Rule, type RuleBook } from "./book.ts";
import { analyze, analyzeArgv, nothingSeen, type Analysis } from "./command.ts";
import { matchesPath, namesOf } from "./glob.ts";
import { judgeHost } from "./host.ts";
import { levelsFor, ownLevels } from "./levels.ts";
import { narrow, type Asked } from "./naming.ts";
import type { Narrowed } from "./narrow.ts";
import { grantFor, ownGrant, shows, withFile, type Grant, type NeedsGround } from "./needs.ts";
import { judgeDomain } from "./network.ts";
import { isWithin } from "./paths.ts";
import type { Question, Verdict } from "./question.ts";
import { closedBy, impliedBy, isOutside, ruleReaching, type FileUse } from "./reach.ts";
import type { Surroundings } from "./roots.ts";

export interface Judgement extends Verdict {
  /** What was looked at, one step a line. */
  readonly trace: readonly string[];
  /** What its cage is given, or would be after a yes. */
  readonly grant: Grant;
  /** Whose yes would count, where a person is asked. */
  readonly levels: readonly Level[];
}

/**
 * Judges by the rules alone; `default` when no rule names it.
 * @param around what no rule can open; when it is not given, what the policy itself tells of it
 */
export function judge(
  question: Question,
  policy: Policy,
  around: Surroundings = impliedBy(policy),
): Judgement {
  const trace: string[] = [];
  const ground = { policy, around };
  const needs = needsOf(question);
  const needed = needs === undefined ? null : grantFor(needs, ground);
  const grant = grantOf(question, needed?.grant ?? ownGrant(ground), policy);
  const verdict = verdictOn(question, { ...ground, grant, needed: needed?.verdicts ?? [], trace });
  trace.push(`${verdict.answer}: ${verdict.because}`);
  return { ...verdict, trace, grant, levels: levelsOf(question, verdict, policy) };
}

function levelsOf(question: Question, verdict: Verdict, { book }: Policy): readonly Level[] {
  if (book === undefined || verdict.answer !== "ask") return ownLevels(book);
  return levelsFor({ question, analysis: analysisOf(question) }, verdict, book);
}

interface Judging extends NeedsGround {
  readonly grant: Grant;
  /** What the rules say about each thing that the task says it needs. */
  readonly needed: readonly Verdict[];
  readonly trace: string[];
}

function verdictOn(question: Question, by: Judging): Verdict {
  const { policy, needed, trace } = by;
  const { book } = policy;
  if (book?.submitters.required === true) {
    const because = "submitters.required is set, and nobody whose key is known has signed the task";
    const advice =
      "sign it: openclaw-worker key new where it is sent from, and key enroll with --role submitter on this computer";
    return { ...refusal(because), advice };
  }
  const analysis = book === undefined ? nothingSeen : analysisOf(question);
  const narrowed = book === undefined ? null : narrowest({ question, analysis }, book, trace);
  if (narrowed?.list === "deny") return refusal(narrowed.because, narrowed.rule);
  const misplaced = placeProblem(question, by, narrowed);
  if (misplaced !== null) return misplaced;
  const host = hostVerdict(question, by, analysis);
  if (host?.answer === "refuse") return host;
  if (narrowed !== null) {
    const { because, rule } = narrowed;
    const asked: Verdict = { answer: "ask", rules: [rule], because, wanted: [] };
    return host === null ? among(asked, needed, trace) : { ...asked, outside: true };
  }
  if (host !== null) return host;
  if (book === undefined) return among(unnamed("the policy has no rules", []), needed, trace);
  const roots = policy.roots.map((root) => root.path);
  return among(loosen(question, { book, analysis, roots, trace }), needed, trace);
}

/** A task may do what the strictest of its parts may: the command, and each thing that it needs. */
function among(verdict: Verdict, needed: readonly Verdict[], trace: string[]): Verdict {
  trace.push(...needed.map(({ because }) => `needs: ${because}`));
  const extra = needed.filter(({ answer }) => answer !== "allow");
  return extra.length === 0 ? verdict : strictest([verdict, ...extra]);
}

function needsOf(question: Question) {
  return question.kind === "command" || question.kind === "exec" ? question.needs : undefined;
}

function grantOf(question: Question, grant: Grant, policy: Policy): Grant {
  const use = useOf(question);
  return use === null ? grant : withFile(grant, use.path, use.use, policy);
}

function useOf(question: Question): { readonly use: FileUse; readonly path: string } | null {
  if (question.kind === "read") return { use: "read", path: question.path };
  const edits = question.kind === "edit" || question.kind === "replace";
  return edits ? { use: "edit", path: question.path } : null;
}

/**
 * What the host rules say about a command; null: it is run in the cage. A task that narrows its cage
 * wants one, and so does one that says so.
 */
function hostVerdict(question: Question, by: Judging, analysis: Analysis): Verdict | null {
  if (question.kind !== "command" && question.kind !== "exec") return null;
  const { network, read, write, host } = question.needs ?? {};
  const narrows = [network, read, write].some((list) => list !== undefined);
  if (host === false || (host !== true && narrows)) return null;
  if (narrows) {
    const because = "nothing is narrowed outside of the cage, so needs.host stands alone";
    return { ...refusal(because), advice: "leave out either needs.host or the lists beside it" };
  }
  const { book, roots } = by.policy;
  if (book === undefined && host !== true) return null;
  const writable = [...roots.map((root) => root.path), ...by.grant.writable];
  const ground = { book, analysis: analysis === nothingSeen ? analysisOf(question) : analysis };
  const judged = judgeHost(question, { ...ground, writable, trace: by.trace });
  if (judged.kind === "outside") return judged.verdict;
  if (host !== true) return null;
  const because = `it asks to run outside of the cage: ${judged.because}`;
  const [line] = judged.wanted;
  if (line === undefined) {
    return {
      ...refusal(because),
      advice: "no rule can: leave out needs.host, or write it plainly",
    };
  }
  return { ...refusal(because), fix: `add ${JSON.stringify(line)} to host.allow` };
}

/** Why a task happens at a place where it may not, or null. */
function placeProblem(
  question: Question,
  { policy, around, grant }: Judging,
  narrowed: Narrowed | null,
): Verdict | null {
  const place = placeOf(question);
  if (place === null) return null;
  const shown = JSON.stringify(place.path);
  const use = useOf(question)?.use;
  if (!isOutside(place.path, policy)) {
    if (use !== undefined || shows(grant, place.path)) return null;
    const because = `it starts in ${shown}, which needs.read and needs.write leave out`;
    return { ...refusal(because), advice: "name this folder in needs.read, or start elsewhere" };
  }
  const roots = policy.roots.map((root) => root.path).join(", ");
  const because = `the ${place.what} ${shown} is outside the roots (${roots})`;
  if (use === undefined) return { ...refusal(because), fix: "add its folder to the roots" };
  const closed = closedBy(place.path, use, around);
  if (closed !== null) {
    return { ...refusal(`${because}, and ${closed}`), advice: "no rule can: name another place" };
  }
  if (ruleReaching(place.path, use, { policy, around }) !== undefined) return null;
  if (narrowed !== null || policy.default === "ask") return null;
  const wanted = [`${use === "read" ? "Read" : "Edit"}(${place.path})`];
  return { ...refusal(because), wanted };
}

function analysisOf(question: Question): Analysis {
  if (question.kind === "command") return analyze(question.command);
  return question.kind === "exec" ? analyzeArgv(question.argv) : nothingSeen;
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
function narrowest(asked: Asked, book: RuleBook, trace: string[]): Narrowed | null {
  const { deny, ask } = book.rules;
  const found = narrow(asked, book);
  if (found === null) {
    trace.push(`none of ${deny.length} deny and ${ask.length} ask rules names it`);
  }
  return found;
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
    case "domain":
      return judgeDomain(question.domain, book);
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
