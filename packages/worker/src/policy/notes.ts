// What a policy says that has no effect, or less than it seems to: for `policy check`.

import type { Level } from "@openclaw-worker/protocol";
import { labelOf, type Policy, type Rule, type RuleBook } from "./book.ts";
import type { NeedsGround } from "./needs.ts";
import { ruleFor } from "./network.ts";
import { interpreters, knownName, runsOthers, shells } from "./programs.ts";
import { anchorOf, closedBy, impliedBy, isOutside, placeNamed } from "./reach.ts";
import type { Surroundings } from "./roots.ts";

/**
 * Sentences, each with its place in the file.
 * @param around what no rule can open; when it is not given, what the policy itself tells of it
 * @param submitters names of those whose keys are enrolled; when it is not given, none is missed
 */
export function policyNotes(
  policy: Policy,
  around: Surroundings = impliedBy(policy),
  submitters?: readonly string[],
): readonly string[] {
  const { book, source } = policy;
  if (book === undefined) return [];
  const known = [...(submitters ?? []), ...Object.keys(book.submitters.keys ?? {})];
  const lists = Object.values(book.rules).flat();
  const rules = lists.flatMap((rule) => {
    const notes = [
      noteOn(rule, { policy, around }),
      trustNote(rule.trust, "the rule"),
      submitterNote(rule, book, submitters === undefined ? null : known),
    ];
    return notes.flatMap((note) =>
      note === null
        ? []
        : [`${source}:${rule.at.line}:${rule.at.column}: ${labelOf(rule)}: ${note}`],
    );
  });
  const trust = trustNote(book.approvals.trust, "approvals.trust");
  return [...rules, ...(trust === null ? [] : [`${source}: ${trust}`])];
}

function trustNote(trust: readonly Level[] | undefined, whose: string): string | null {
  if (trust === undefined) return null;
  if (trust.length === 0) return `${whose} trusts nobody's yes: what asks is refused`;
  if (!trust.includes("token")) return null;
  return `${whose} trusts "token": whoever has the server, or its approver's token, can say yes`;
}

/** @param known null: it is not known who has a key */
function submitterNote(
  { list, submitter }: Rule,
  book: RuleBook,
  known: readonly string[] | null,
): string | null {
  if (submitter === undefined) return null;
  if (known !== null && !known.includes(submitter)) {
    return `nobody knows the key of ${submitter}: it names no task`;
  }
  const narrows = list === "deny" || list === "ask";
  if (!narrows || book.submitters.required === true) return null;
  return `whoever carries the task can take the signature of ${submitter} away, and then it is not named: set submitters.required`;
}

function noteOn(rule: Rule, { policy, around }: NeedsGround): string | null {
  const { list, target } = rule;
  if (list.startsWith("host.")) return hostNote(rule);
  if (list === "allow" && target.tool === "WebFetch") {
    return domainNote(target.domain, policy.book);
  }
  if (list === "allow" && (target.tool === "Read" || target.tool === "Edit")) {
    return pathNote(rule, { policy, around });
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

function hostNote({ target }: Rule): string | null {
  if (target.tool !== "Bash" && target.tool !== "Exec") return null;
  const [first] = target.tokens;
  if (first?.kind !== "word") return null;
  const free = target.tokens.at(-1)?.kind === "rest";
  if (free && runsOthers(first.text)) {
    return `${first.text} runs other programs: with * it names nothing`;
  }
  const name = knownName(first.text);
  if (!readsFolder.has(name) && !interpreters.has(name) && !shells.has(name)) return null;
  return `${first.text} obeys files in the folder that it starts in, which tasks can write: outside of the cage it can do whatever they say`;
}

// Programs that do what a file in the working folder says.
const readsFolder: ReadonlySet<string> = new Set(
  (
    "make gmake cmake ninja npm npx pnpm yarn bun deno cargo go gradle mvn ant rake bundle pip poetry " +
    "uv tox pytest git docker docker-compose terraform ansible ansible-playbook just task vagrant direnv"
  ).split(" "),
);

function domainNote(domain: string, book: RuleBook | undefined): string | null {
  const narrower = ruleFor(domain, book, "deny") ?? ruleFor(domain, book, "ask");
  if (narrower !== undefined) return `${labelOf(narrower)} names it as well, and wins`;
  if (domain === "*") return "it opens every name, and what a task reads can leave by it";
  if (domain === "localhost" || domain.startsWith("127.")) {
    return "it opens every port of this computer, also those that ask for no password";
  }
  return null;
}

function pathNote(rule: Rule, { policy, around }: NeedsGround): string | null {
  const use = rule.target.tool === "Read" ? "read" : "edit";
  // `Read(**/x)` is about names anywhere, and was written with the roots in mind.
  const patterns = rule.patterns.filter((pattern) => anchorOf(pattern) !== "/");
  const places = patterns.map(anchorOf);
  const inRoots = places.some((place) => !isOutside(place, policy));
  if (places.length === 0 || inRoots) return null;
  const closed = places.map((place) => closedBy(place, use, around));
  const [why] = closed;
  if (why !== undefined && why !== null && closed.every((one) => one !== null)) {
    return `it begins at a place that ${why}: outside of the roots it opens nothing`;
  }
  if (patterns.some((pattern) => placeNamed(pattern) !== null)) return null;
  return "a cage shows whole folders only: it opens this to file tasks and not to commands";
}
