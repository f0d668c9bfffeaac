// From the text of a policy file to what it says, with the place of the first mistake.

import type { Level } from "@openclaw-worker/protocol";
import { RuleProblem, parseRule, type RuleTarget } from "./rule.ts";
import { JsonProblem, parseJsonc, positionIn, type JsonNode, type Position } from "./jsonc.ts";
import { policySchema, type PolicyFile, type RuleEntry } from "./schema.ts";

export type RuleList = "deny" | "ask" | "allow" | "host.ask" | "host.allow";

/** A rule that was read; its paths have no place yet. */
export interface WrittenRule {
  readonly list: RuleList;
  /** The rule's own text, as written. */
  readonly text: string;
  readonly target: RuleTarget;
  readonly at: Position;
  readonly allowDangerously: boolean;
  /** Whose yes counts, when the rule says so itself. */
  readonly trust?: readonly Level[] | undefined;
  /** Whose signed tasks it is for, and no others; absent: for all. */
  readonly submitter?: string | undefined;
  readonly match: readonly Example[];
  readonly notMatch: readonly Example[];
}

export interface Example {
  readonly text: string;
  readonly at: Position;
}

/** What a file says; no disk has confirmed it yet. */
export interface Wish {
  readonly file: PolicyFile;
  readonly rules: readonly WrittenRule[];
}

/** @throws JsonProblem with the position of the first thing that is wrong */
export function parsePolicy(text: string): Wish {
  const tree = parseJsonc(text);
  const parsed = policySchema.safeParse(valueOf(tree));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw problemAt(tree, issue === undefined ? unknownIssue : deepest(issue));
  }
  const file = parsed.data;
  const { rules = {}, host = {} } = file;
  const read = (list: RuleList, entries: readonly RuleEntry[] = []): readonly WrittenRule[] =>
    entries.map((entry, index) => readRule(list, entry, nodeAt(tree, [...pathOf(list), index])));
  checkActions(file, tree);
  return {
    file,
    rules: [
      ...read("deny", rules.deny),
      ...read("ask", rules.ask),
      ...read("allow", rules.allow),
      ...read("host.ask", host.ask),
      ...read("host.allow", host.allow),
    ],
  };
}

function pathOf(list: RuleList): readonly string[] {
  return list.startsWith("host.") ? list.split(".") : ["rules", list];
}

function readRule(list: RuleList, entry: RuleEntry, node: JsonNode): WrittenRule {
  const texts: Exclude<RuleEntry, string> = typeof entry === "string" ? { rule: entry } : entry;
  const textNode = typeof entry === "string" ? node : nodeAt(node, ["rule"]);
  const target = inPlace(textNode, () => parseRule(texts.rule));
  const examples = (key: "match" | "not_match"): readonly Example[] =>
    (texts[key] ?? []).map((text, index) => ({ text, at: nodeAt(node, [key, index]).at }));
  const written: WrittenRule = {
    list,
    text: texts.rule,
    target,
    at: textNode.at,
    allowDangerously: texts.allowDangerously === true,
    trust: texts.trust,
    submitter: texts.submitter,
    match: examples("match"),
    notMatch: examples("not_match"),
  };
  if (written.trust !== undefined && list !== "ask" && list !== "host.ask") {
    const { at } = nodeAt(node, ["trust"]);
    throw new JsonProblem(at, `${texts.rule}: "trust" is for rules that ask: nobody is asked here`);
  }
  const problem = listProblem(written);
  if (problem !== null) throw new JsonProblem(textNode.at, `${texts.rule}: ${problem}`);
  return written;
}

/** What a rule may not say in its list. */
function listProblem({ list, target, allowDangerously }: WrittenRule): string | null {
  const loosens = list === "allow" || list.startsWith("host.");
  const isCommand = target.tool === "Bash" || target.tool === "Exec";
  const isAll = isCommand && target.tokens.length === 1 && target.tokens[0]?.kind === "rest";
  if (list.startsWith("host.") && !isCommand) return "host names commands only: Bash(…), Exec([…])";
  if (allowDangerously && !(list === "allow" && isAll)) {
    return '"allowDangerously" is for an allow rule that names every command';
  }
  if (!loosens || !isCommand) return null;
  if (isAll && list !== "allow") return "host names single programs, never all of them";
  if (isAll && !allowDangerously) {
    return (
      "this allows every command. Name the commands, or write it out: " +
      `{ "rule": "${target.tool}", "allowDangerously": true }`
    );
  }
  const early = target.tokens.some(
    ({ kind }, index) => kind === "like" || (kind === "rest" && index < target.tokens.length - 1),
  );
  if (early) {
    return "\"*\" is only the last word of a rule that allows (write '*' for a star itself)";
  }
  return null;
}

function checkActions(file: PolicyFile, tree: JsonNode): void {
  for (const [name, { argv, params = {} }] of Object.entries(file.actions ?? {})) {
    for (const [index, text] of argv.entries()) {
      const node = nodeAt(tree, ["actions", name, "argv", index]);
      const unknown = [...text.matchAll(/\{([^{}]*)\}/g)].find(
        ([, key = ""]) => !Object.hasOwn(params, key),
      );
      if (unknown !== undefined) {
        throw new JsonProblem(node.at, `${unknown[0]} is no parameter of this action`);
      }
      if (index === 0 && text.includes("{")) {
        throw new JsonProblem(node.at, "the program of an action is fixed: no parameter in it");
      }
      if (text.includes("\0")) throw new JsonProblem(node.at, "an argument holds no NUL");
    }
  }
}

function inPlace(node: JsonNode, read: () => RuleTarget): RuleTarget {
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof RuleProblem)) throw thrown;
    const at = node.kind === "string" ? positionIn(node, thrown.offset) : node.at;
    throw new JsonProblem(at, thrown.message);
  }
}

/** The tree as plain data. */
function valueOf(node: JsonNode): unknown {
  switch (node.kind) {
    case "string":
      return node.text;
    case "other":
      return node.value;
    case "array":
      return node.items.map(valueOf);
    case "object": {
      const magic = node.members.find(({ key }) => key === "__proto__");
      if (magic !== undefined) throw new JsonProblem(magic.at, 'unknown key "__proto__"');
      return Object.fromEntries(node.members.map(({ key, value }) => [key, valueOf(value)]));
    }
  }
}

/** The node at a path, or the deepest one on the way to it. */
function nodeAt(node: JsonNode, path: readonly (string | number)[]): JsonNode {
  const [step, ...rest] = path;
  if (step === undefined) return node;
  const next =
    node.kind === "object"
      ? node.members.find(({ key }) => key === step)?.value
      : node.kind === "array"
        ? node.items[Number(step)]
        : undefined;
  return next === undefined ? node : nodeAt(next, rest);
}

interface Issue {
  readonly code?: string | undefined;
  readonly message: string;
  readonly path: readonly PropertyKey[];
  readonly keys?: readonly string[];
  readonly errors?: readonly (readonly Issue[])[];
  readonly issues?: readonly Issue[];
}

const unknownIssue: Issue = { message: "is not understood", path: [] };

/** Of a choice that nothing fits, the mistake in the alternative that fits best. */
function deepest(issue: Issue): Issue {
  if (issue.code === "invalid_key") {
    return { ...issue, message: issue.issues?.[0]?.message ?? issue.message };
  }
  if (issue.code !== "invalid_union") return issue;
  const inner = (issue.errors ?? [])
    .flatMap(([first]) => (first === undefined ? [] : [first]))
    .filter((found) => found.path.length > 0 || found.code === "unrecognized_keys")
    .map(deepest)
    .toSorted((a, b) => b.path.length - a.path.length)[0];
  return inner === undefined ? issue : { ...inner, path: [...issue.path, ...inner.path] };
}

function problemAt(tree: JsonNode, issue: Issue): JsonProblem {
  const path = issue.path.map((step) => (typeof step === "number" ? step : String(step)));
  const node = nodeAt(tree, path);
  const [key] = issue.keys ?? [];
  if (key !== undefined && node.kind === "object") {
    const at = node.members.find((member) => member.key === key)?.at ?? node.at;
    return new JsonProblem(at, `unknown key ${JSON.stringify(key)}${knownKeys(path)}`);
  }
  const last = path.at(-1);
  const names = issue.message.startsWith('"') || typeof last !== "string";
  return new JsonProblem(node.at, names ? issue.message : `"${last}": ${issue.message}`);
}

function knownKeys(path: readonly (string | number)[]): string {
  const known: Readonly<Record<string, string>> = {
    "": Object.keys(policySchema.shape)
      .filter((key) => key !== "$schema")
      .join(", "),
    rules: "deny, ask, allow",
    host: "ask, allow",
  };
  const names = known[path.join(".")];
  return names === undefined ? "" : `: known are ${names}`;
}
