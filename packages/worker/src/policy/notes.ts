// What a policy says that has no effect, or less than it seems to: for `policy check`.

import { labelOf, type Policy, type Rule, type RuleBook } from "./book.ts";
import { patternText } from "./glob.ts";
import { isWithin } from "./paths.ts";
import { runsOthers } from "./programs.ts";

/** Sentences, each with its place in the file. */
export function policyNotes(policy: Policy): readonly string[] {
  const { book, source } = policy;
  if (book === undefined) return [];
  const lists = Object.values(book.rules).flat();
  const rules = lists.flatMap((rule) => {
    const note = noteOn(rule, policy);
    return note === null
      ? []
      : [`${source}:${rule.at.line}:${rule.at.column}: ${labelOf(rule)}: ${note}`];
  });
  return [...rules, ...unused(book).map((note) => `${source}: ${note}`)];
}

function noteOn(rule: Rule, { roots }: Policy): string | null {
  const { list, target, patterns } = rule;
  if (list.startsWith("host.")) return "nothing runs outside of the cage yet: it refuses";
  if (target.tool === "WebFetch") return "the cage has no network yet: it changes nothing";
  if (list === "ask") return "nobody can be asked yet: it refuses";
  if (list === "allow" && (target.tool === "Read" || target.tool === "Edit")) {
    const place = (pattern: readonly string[]): string =>
      patternText(
        pattern.slice(
          0,
          pattern.findIndex((name) => /[*?]/.test(name)),
        ),
      );
    const reaches = patterns.some((pattern) => {
      const text = pattern.some((name) => /[*?]/.test(name))
        ? place(pattern)
        : patternText(pattern);
      return roots.some((root) => isWithin(text, root.path) || isWithin(root.path, text));
    });
    return reaches ? null : "it lies outside of the roots: it allows nothing yet";
  }
  if (target.tool !== "Bash" && target.tool !== "Exec") return null;
  const [first] = target.tokens;
  const free = target.tokens.at(-1)?.kind === "rest";
  if (first?.kind !== "word") return null;
  if (list === "allow" && free && runsOthers(first.text)) {
    return `${first.text} runs other programs: with * it allows nothing`;
  }
  if (list === "deny" && !free && target.tokens.length === 1) {
    return `only without arguments: ${target.tool}(${first.text} *) is every use`;
  }
  return null;
}

function unused({ approvals, limits, submitters }: RuleBook): readonly string[] {
  const later = [
    ...Object.keys(approvals).map((key) => `approvals.${key}`),
    ...Object.keys(limits)
      .filter((key) => key !== "taskMsMax")
      .map((key) => `limits.${key}`),
    ...(submitters.keys === undefined ? [] : ["submitters.keys"]),
  ];
  if (later.length === 0) return [];
  return [`read, and not used by this version: ${later.join(", ")}`];
}
