// Which domains a task may reach. A list of domains holds names, `*.example.com` for all below one,
// `*` for every name, and `!secret.example.com` for what is taken out of a wider one.

import { labelOf, type Rule, type RuleBook } from "./book.ts";
import type { Verdict } from "./question.ts";

/** Absent: a policy without rules. */
type Book = RuleBook | undefined;

/** `*` is every domain, `*.example.com` every one below example.com (and that pattern itself). */
function coversDomain(pattern: string, domain: string): boolean {
  const asked = normalDomain(domain);
  if (pattern === "*") return true;
  return pattern.startsWith("*.") ? asked.endsWith(pattern.slice(1)) : asked === pattern;
}

function normalDomain(domain: string): string {
  return domain.toLowerCase().replace(/\.$/, "");
}

/** What the policy gives to a task that asks for nothing: the allowed ones that nobody is asked about. */
export function ownDomains(book: Book): readonly string[] {
  const narrower = rulesOf(book, ["deny", "ask"]);
  const given = rulesOf(book, ["allow"])
    .map(({ domain }) => domain)
    .filter((domain) => !narrower.some((rule) => coversDomain(rule.domain, domain)));
  return withHoles(given, book);
}

/** The domains that a task named, as its cage is given them. */
export function namedDomains(names: readonly string[], book: Book): readonly string[] {
  return withHoles(names.map(normalDomain), book);
}

/** What the rules say about one domain that a task names. */
export function judgeDomain(domain: string, book: Book): Verdict {
  const deny = ruleFor(domain, book, "deny");
  if (deny !== undefined) return verdict("refuse", deny, domain);
  const ask = ruleFor(domain, book, "ask");
  if (ask !== undefined) return verdict("ask", ask, domain);
  const allow = ruleFor(domain, book, "allow");
  if (allow !== undefined) return verdict("allow", allow, domain);
  const wanted = `WebFetch(domain:${normalDomain(domain)})`;
  return {
    answer: "default",
    rules: [],
    because: `no allow rule names ${wanted}`,
    wanted: [wanted],
  };
}

/** The first rule of a list that names a domain. */
export function ruleFor(
  domain: string,
  book: Book,
  list: "deny" | "ask" | "allow",
): Rule | undefined {
  return rulesOf(book, [list]).find((rule) => coversDomain(rule.domain, domain))?.rule;
}

interface DomainRule {
  readonly rule: Rule;
  readonly domain: string;
}

function rulesOf(book: Book, lists: readonly ("deny" | "ask" | "allow")[]): readonly DomainRule[] {
  return lists.flatMap((list) =>
    (book?.rules[list] ?? []).flatMap((rule) =>
      rule.target.tool === "WebFetch" ? [{ rule, domain: rule.target.domain }] : [],
    ),
  );
}

/** Adds what deny and ask rules take out of the wide ones. */
function withHoles(domains: readonly string[], book: Book): readonly string[] {
  const given = [...new Set(domains)];
  const wide = given.filter((domain) => domain.startsWith("*"));
  const holes = rulesOf(book, ["deny", "ask"])
    .map(({ domain }) => domain)
    .filter(
      (domain) => !given.includes(domain) && wide.some((pattern) => coversDomain(pattern, domain)),
    );
  return [...given, ...new Set(holes.map((domain) => `!${domain}`))];
}

function verdict(answer: "allow" | "ask" | "refuse", rule: Rule, domain: string): Verdict {
  return { answer, rules: [rule], because: `${labelOf(rule)} names ${domain}`, wanted: [] };
}
