// What a thief with the token could do under a policy, in plain words. Pure: the policy says it all.

import { judge, type Judgement, type Policy } from "@openclaw-worker/worker";
import { durationText } from "../duration.ts";

export interface Power {
  /** What anybody who has the token can do, without that somebody is asked. */
  readonly can: readonly string[];
  readonly asked: readonly string[];
  readonly cannot: readonly string[];
  /** What is larger than it may seem: a reason to warn, each with the line that narrows it. */
  readonly large: readonly { readonly what: string; readonly do: string }[];
}

type Grant = Judgement["grant"];
type Book = NonNullable<Policy["book"]>;
type Rule = Book["rules"]["allow"][number];
type Large = Power["large"][number];

const shownMax = 5;

/**
 * Whoever holds a client's token, the server, or the words of the AI has this power: the policy does
 * not tell them apart. Each list holds whole sentences' ends ("can: …").
 */
export function powerOf(policy: Policy): Power {
  const { book } = policy;
  if (book?.submitters.required === true) return onlySigned(book);
  const grant = grantOf(policy);
  const domains = grant.domains.map((domain) => (domain === "*" ? everyOf.WebFetch : domain));
  const outside = texts(book?.rules["host.allow"] ?? []);
  const acts = [
    ...commands(policy, grant),
    ...files(policy, grant),
    ...(domains.length === 0 ? [] : [`send what they read there to ${listed(domains)}`]),
    ...(outside.length === 0
      ? []
      : [`run outside of the cage, with all that your user may do: ${listed(outside)}`]),
    ...actions(policy),
    ...named(policy, "Agent", "start the agents"),
  ];
  return {
    can: acts.length === 0 ? [] : [...acts, rate(policy)],
    asked: [
      ...(policy.default === "ask" ? ["everything that no rule names"] : []),
      ...texts(book?.rules.ask ?? []),
      ...texts(book?.rules["host.ask"] ?? []),
    ],
    cannot: [
      `${outside.length === 0 ? "" : "by other commands "}see or change any other file of yours, or any of the worker's own`,
      ...unreached(domains),
      ...(outside.length === 0 ? ["run anything outside of the cage"] : []),
      ...denied(book),
      "change this policy, approve anything, or become root",
    ],
    large: largeOf(policy, { domains, outside, writable: grant.writable }),
  };
}

/** All of it as lines for a person. */
export function powerLines(power: Power): readonly string[] {
  const { can, asked, cannot } = power;
  return [
    ...can.map((text) => `can: ${text}`),
    ...(asked.length === 0 ? [] : [`only when a person says yes: ${listed(asked)}`]),
    ...cannot.map((text) => `cannot: ${text}`),
  ];
}

function unreached(domains: readonly string[]): readonly string[] {
  if (domains.includes(everyOf.WebFetch)) return [];
  return [domains.length === 0 ? "reach the network" : "reach any other address"];
}

function onlySigned({ submitters }: Book): Power {
  const keys = Object.keys(submitters.keys ?? {});
  return {
    can: [],
    asked: [],
    cannot: [
      keys.length === 0
        ? "do anything: every task must be signed, and no key is named"
        : `do anything with the token alone: every task must be signed by ${listed(keys)}`,
    ],
    large: [],
  };
}

function cageText({ roots, readable, writable }: Grant): string {
  const written = listed([...roots, ...writable]);
  const read = listed(["the programs of the system and of your PATH", ...readable]);
  return `a cage that reads and writes ${written}, reads ${read}, and nothing else of yours`;
}

/** What a task is given that says nothing of its needs: the most that it can have unasked. */
function grantOf(policy: Policy): Grant {
  const [{ path: cwd }] = policy.roots;
  const question = { kind: "command", command: "true", cwd, fed: false, hasEnv: false } as const;
  return judge(question, policy).grant;
}

function commands(policy: Policy, grant: Grant): readonly string[] {
  const cage = cageText(grant);
  const allow = policy.book?.rules.allow ?? [];
  const every = allow.find(({ allowDangerously }) => allowDangerously);
  const rules = allow.filter(({ target }) => target.tool === "Bash" || target.tool === "Exec");
  const network = grant.domains.length === 0 ? ", without network" : "";
  if (policy.default === "cage" || every !== undefined) {
    const except = deniedCommands(policy.book);
    return [`run any shell command in ${cage}${network}${except}`];
  }
  if (rules.length === 0) return [];
  return [`run ${counted(rules.length, "command")} in ${cage}${network}: ${listed(texts(rules))}`];
}

function deniedCommands(book: Book | undefined): string {
  const rules = (book?.rules.deny ?? []).filter(
    ({ target }) => target.tool === "Bash" || target.tool === "Exec",
  );
  return rules.length === 0 ? "" : `, but not ${listed(texts(rules))}`;
}

function files(policy: Policy, { roots, writable, readable }: Grant): readonly string[] {
  if (policy.default === "cage") {
    return [
      `read, change and delete everything in ${listed([...roots, ...writable])}`,
      ...(readable.length === 0 ? [] : [`read everything in ${listed(readable)}`]),
    ];
  }
  return [...named(policy, "Read", "read"), ...named(policy, "Edit", "change and delete")];
}

function named(policy: Policy, tool: Rule["target"]["tool"], verb: string): readonly string[] {
  const rules = namesOf(policy, tool);
  return rules.length === 0 ? [] : [`${verb} ${listed(rules)}`];
}

function actions(policy: Policy): readonly string[] {
  const names = Object.keys(policy.book?.actions ?? {});
  const rules = policy.book?.rules.allow ?? [];
  const open = names.filter(
    (name) =>
      policy.default === "cage" ||
      rules.some(({ target }) => target.tool === "Action" && covers(target.name, name)),
  );
  return open.length === 0 ? [] : [`start your actions ${listed(open)}, with parameters of theirs`];
}

function covers(pattern: string, name: string): boolean {
  return pattern === "*" || pattern === name;
}

function rate({ book }: Policy): string {
  const { perHour, taskMsMax, deletesPerDay } = book?.limits ?? {};
  return [
    perHour === undefined ? "do so as often as they like" : `do so ${perHour} times an hour`,
    ...(taskMsMax === undefined ? [] : [`for ${durationText(taskMsMax)} each`]),
    ...(deletesPerDay === undefined ? [] : [`deleting ${deletesPerDay} times a day`]),
  ].join(", ");
}

function denied(book: Book | undefined): readonly string[] {
  const rules = (book?.rules.deny ?? []).filter(
    ({ target }) => target.tool === "Read" || target.tool === "Edit",
  );
  return rules.length === 0 ? [] : [`open what you closed: ${listed(texts(rules))}`];
}

interface Reach {
  readonly domains: readonly string[];
  readonly outside: readonly string[];
  readonly writable: readonly string[];
}

function largeOf({ book }: Policy, { domains, outside, writable }: Reach): readonly Large[] {
  const found: Large[] = [];
  if (outside.length > 0) {
    const what = `${counted(outside.length, "command")} of the host rules run with all that your user may do`;
    found.push({ what, do: 'move what can wait for your yes from "host.allow" to "host.ask"' });
  }
  if (domains.includes(everyOf.WebFetch)) {
    const what = "what tasks read can leave to every address there is";
    found.push({ what, do: "name the domains: WebFetch(domain:api.example.com)" });
  }
  if (book?.approvals.trust?.includes("token") === true) {
    const what =
      "a yes is taken from the server's word: whoever has the server says yes to all that is asked";
    found.push({ what, do: 'take "token" out of approvals.trust' });
  }
  const settings = writable.filter((place) => /\/\.[^/]+/.test(place));
  if (settings.length > 0) {
    const what = `tasks may write ${listed(settings)}: settings can make your own programs run what they like, outside of the cage`;
    found.push({ what, do: "name folders without settings in them: Edit(~/Documents/**)" });
  }
  return found;
}

/** What the rules of a tool name, in the words of the rule. */
function namesOf({ book }: Policy, tool: Rule["target"]["tool"]): readonly string[] {
  return (book?.rules.allow ?? []).flatMap(({ target, text }) => {
    if (target.tool !== tool) return [];
    const inner = /^\w+\((?:domain:)?([^]*)\)$/.exec(text)?.[1];
    return [inner === undefined || inner === "*" ? everyOf[tool] : inner];
  });
}

/** What the bare name of a tool stands for. */
const everyOf: Readonly<Record<Rule["target"]["tool"], string>> = {
  Bash: "every command",
  Exec: "every command",
  Read: "every file in the roots",
  Edit: "every file in the roots",
  WebFetch: "every domain",
  Agent: "every agent",
  Action: "every action",
};

function texts(rules: readonly Rule[]): readonly string[] {
  return rules.map(({ text }) => text);
}

function listed(names: readonly string[]): string {
  const unique = [...new Set(names)];
  const more = unique.length - shownMax;
  const shown = unique.slice(0, shownMax).join(", ");
  return more > 0 ? `${shown} and ${more} more` : shown;
}

function counted(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count} ${what}s`;
}
