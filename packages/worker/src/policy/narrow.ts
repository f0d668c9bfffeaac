// Which deny or ask rule names a command or a path. Everything that may run is looked at, at any
// depth; what cannot be seen, and could be what a rule names, is asked about.

import path from "node:path";
import type { Arg } from "./arg.ts";
import { labelOf, type Rule, type RuleBook } from "./book.ts";
import type { Analysis } from "./command.ts";
import { folded, matchesPath, namesOf } from "./glob.ts";
import { narrows } from "./match.ts";
import { baseName } from "./programs.ts";
import type { Token } from "./rule.ts";
import { takesCode } from "./unwrap.ts";

export interface Narrowed {
  readonly list: "deny" | "ask";
  readonly rule: Rule;
  readonly because: string;
}

export interface CommandGround {
  readonly book: RuleBook;
  /** Where the command starts: absolute. */
  readonly cwd: string;
}

/** The strictest rule that names something in a command, or null. */
export function narrowCommand(analysis: Analysis, ground: CommandGround): Narrowed | null {
  const { deny, ask } = ground.book.rules;
  const paths = pathsIn(analysis, ground);
  const sure = deny.find((rule) => named(rule, analysis, paths) === "yes");
  if (sure !== undefined) return certain("deny", sure, analysis, paths);
  const asked = ask.find((rule) => named(rule, analysis, paths) === "yes");
  if (asked !== undefined) return certain("ask", asked, analysis, paths);
  return perhaps([...deny, ...ask], analysis);
}

/** The strictest rule of these tools that names a path, or null. */
export function narrowPath(
  asked: string,
  tools: readonly ("Read" | "Edit")[],
  book: RuleBook,
): Narrowed | null {
  const names = namesOf(folded(asked));
  for (const list of ["deny", "ask"] as const) {
    const rule = book.rules[list].find(
      ({ target, patterns }) =>
        tools.some((tool) => tool === target.tool) &&
        patterns.some((pattern) => matchesPath(pattern, names)),
    );
    if (rule !== undefined) return { list, rule, because: `${labelOf(rule)} names ${asked}` };
  }
  return null;
}

interface Paths {
  /** Folded names of what words and redirections may open. */
  readonly read: ReadonlyMap<string, readonly string[]>;
  readonly written: ReadonlyMap<string, readonly string[]>;
}

function named(rule: Rule, analysis: Analysis, paths: Paths): "yes" | "no" {
  const { target, patterns } = rule;
  switch (target.tool) {
    case "Bash":
    case "Exec":
      return analysis.commands.some((words) => narrows(target.tokens, words) === "yes")
        ? "yes"
        : "no";
    case "Read":
      return pathNamed(patterns, paths.read) === undefined ? "no" : "yes";
    case "Edit":
      return pathNamed(patterns, paths.written) === undefined ? "no" : "yes";
    case "WebFetch":
    case "Agent":
    case "Action":
      return "no";
  }
}

function pathNamed(
  patterns: Rule["patterns"],
  paths: ReadonlyMap<string, readonly string[]>,
): string | undefined {
  for (const [text, names] of paths) {
    if (patterns.some((pattern) => matchesPath(pattern, names))) return text;
  }
  return undefined;
}

function certain(list: "deny" | "ask", rule: Rule, analysis: Analysis, paths: Paths): Narrowed {
  const { target } = rule;
  const what =
    target.tool === "Bash" || target.tool === "Exec"
      ? shown(analysis.commands.find((words) => narrows(target.tokens, words) === "yes") ?? [])
      : pathNamed(rule.patterns, target.tool === "Edit" ? paths.written : paths.read);
  return { list, rule, because: `${labelOf(rule)} names ${what ?? "it"}` };
}

/** What cannot be told apart from what a rule names: the answer is to ask, also for deny. */
function perhaps(rules: readonly Rule[], analysis: Analysis): Narrowed | null {
  for (const rule of rules) {
    const { target } = rule;
    if (target.tool !== "Bash" && target.tool !== "Exec") continue;
    const [hidden] = analysis.hidden;
    if (hidden !== undefined) {
      return { list: "ask", rule, because: `${hidden}: it could be what ${labelOf(rule)} names` };
    }
    const unclear = analysis.commands.find(
      (words) => narrows(target.tokens, words) === "perhaps" || codeNames(target.tokens, words),
    );
    if (unclear !== undefined) {
      const what = shown(unclear);
      return { list: "ask", rule, because: `${what} could be what ${labelOf(rule)} names` };
    }
  }
  return null;
}

/** `python -c "os.system('sudo ls')"`: the name of the program in a language's own text. */
function codeNames([first]: readonly Token[], words: readonly Arg[]): boolean {
  const program = words[0]?.text ?? null;
  if (first?.kind !== "word" || program === null || !takesCode(program)) return false;
  const name = baseName(first.text);
  if (name === "") return false;
  return words.slice(1).some(({ text }) => text !== null && holdsName(text, name));
}

function holdsName(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const [before, after] = [text.charAt(at - 1), text.charAt(at + name.length)];
    if (!/[\w.-]/.test(before) && !/[\w.-]/.test(after)) return true;
  }
  return false;
}

const shownLengthMax = 120;

function shown(words: readonly Arg[]): string {
  const text = words.map((word) => word.text ?? `${word.head}…${word.tail}`).join(" ");
  return JSON.stringify(text.length <= shownLengthMax ? text : `${text.slice(0, shownLengthMax)}…`);
}

function pathsIn(analysis: Analysis, ground: CommandGround): Paths {
  const needed = [...ground.book.rules.deny, ...ground.book.rules.ask];
  const read = new Map<string, readonly string[]>();
  const written = new Map<string, readonly string[]>();
  const add = (to: Map<string, readonly string[]>, text: string, tilde: boolean): void => {
    if (text === "" || text.length > 4_096 || to.has(text)) return;
    to.set(text, namesOf(folded(absolute(text, tilde, ground))));
  };
  // Any word of any command may be a file that is read; which ones are, only programs know.
  if (needed.some(({ target }) => target.tool === "Read")) {
    for (const word of [...analysis.commands.flat(), ...analysis.words]) {
      for (const [text, tilde] of readings(word)) add(read, text, tilde);
    }
  }
  for (const { use, target } of analysis.redirects) {
    for (const [text, tilde] of readings(target)) add(use === "read" ? read : written, text, tilde);
  }
  return { read, written };
}

/** The paths that a word may hold, and whether a `~` in front is the home. */
function readings(word: Arg): readonly (readonly [string, boolean])[] {
  if (word.likely !== null) return [[word.likely, true]];
  const { text, tilde } = word;
  if (text === null) {
    // `~/.ssh/*`: the folder is known.
    const folder = word.head.slice(0, word.head.lastIndexOf("/") + 1);
    return folder === "" ? [] : [[folder, tilde]];
  }
  const value = text.includes("=") ? text.slice(text.indexOf("=") + 1) : null;
  return [
    [text, tilde],
    ...(value === null ? [] : [[value, true] as const]),
    // `curl -d @file`, `host:file`, `-f/etc/file`
    ...(/^@./.test(text) ? [[text.slice(1), false] as const] : []),
    ...(/^-[^-]./.test(text) ? [[text.slice(2), false] as const] : []),
    ...(/^[^/]*:./.test(text) ? [[text.slice(text.indexOf(":") + 1), true] as const] : []),
  ];
}

function absolute(text: string, tilde: boolean, { book, cwd }: CommandGround): string {
  const expanded = tilde && /^~(?:\/|$)/.test(text) ? `${book.home}${text.slice(1)}` : text;
  return path.resolve(cwd, expanded);
}
