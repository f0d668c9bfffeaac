// Which allow rules let a command pass. All of it must be understood by two readers, and every
// simple command in it must be named by a rule of its own.

import path from "node:path";
import { labelOf, type Rule, type RuleBook } from "./book.ts";
import type { Analysis } from "./command.ts";
import { dangerousWord } from "./dangerous.ts";
import { allows } from "./match.ts";
import { readPlain, type PlainCommand, type PlainRead, type PlainRedirect } from "./plain.ts";
import { interpreters, knownName, movers, runsOthers, shells } from "./programs.ts";
import type { Answer, Question, Verdict } from "./question.ts";

export interface Allowing {
  readonly book: RuleBook;
  /** What unbash saw in the command. */
  readonly analysis: Analysis;
  readonly trace: string[];
  /** Judges a redirection's file as a file task of its own. */
  readonly allowPath: (tool: "Read" | "Edit", file: string) => Verdict;
}

export type CommandQuestion = Extract<Question, { readonly kind: "command" | "exec" }>;
export type Tool = "Bash" | "Exec";

/** What the allow rules say about a command that nothing denies. */
export function allowCommand(question: CommandQuestion, by: Allowing): Verdict {
  const tool = toolOf(question);
  const rules = by.book.rules.allow.filter(({ target }) => target.tool === tool);
  const everything = rules.find(({ allowDangerously }) => allowDangerously);
  if (everything !== undefined) return allowed(everything);
  const read = readForRules(question, by.analysis);
  if (read.kind === "not-plain") return unnamed(`no rule can allow it: ${read.because}`);
  let moved = false;
  const verdicts: Verdict[] = [];
  for (const command of read.commands) {
    const verdict = allowOne(command, { tool, rules, question, moved });
    by.trace.push(`${shown(command)}: ${verdict.because}`);
    verdicts.push(verdict, ...allowRedirects(command, { by, moved, cwd: question.cwd }));
    moved ||= movers.has(command.words[0]?.text ?? "");
  }
  return strictest(verdicts);
}

/** Which rules judge a command. */
export function toolOf(question: CommandQuestion): Tool {
  return question.kind === "command" ? "Bash" : "Exec";
}

/** The simple commands of a question, when a rule may name them at all. */
export function readForRules(question: CommandQuestion, analysis: Analysis): PlainRead {
  const read = readTwice(question, analysis);
  if (read.kind === "plain" && question.hasEnv) {
    const because = "it brings variables, which can change what programs do";
    return { kind: "not-plain", because };
  }
  return read;
}

/** The commands in a text, when both readers see the same. */
function readTwice(question: CommandQuestion, analysis: Analysis): PlainRead {
  if (question.kind === "exec") {
    const words = question.argv.map((text) => ({ text, tilde: false }));
    return { kind: "plain", commands: [{ words, redirects: [], piped: false }] };
  }
  const plain = readPlain(question.command);
  if (plain.kind === "not-plain") return plain;
  const { written, hidden, redirects } = analysis;
  const [unclear] = hidden;
  if (unclear !== undefined) return { kind: "not-plain", because: unclear };
  const words = (seen: readonly (readonly { readonly text: string | null }[])[]): string =>
    JSON.stringify(seen.map((command) => command.map(({ text }) => text)));
  const targets = plain.commands.flatMap((command) => command.redirects);
  const agree =
    words(plain.commands.map((command) => command.words)) === words(written) &&
    JSON.stringify(targets.map(({ use, target }) => [use, target.text])) ===
      JSON.stringify(redirects.map(({ use, target }) => [use, target.text]));
  return agree ? plain : { kind: "not-plain", because: "it can be read in two ways" };
}

export interface One {
  readonly tool: Tool;
  readonly rules: readonly Rule[];
  readonly question: CommandQuestion;
  /** A command before it has changed the folder. */
  readonly moved: boolean;
}

/** What the rules say about one simple command. */
export function allowOne(command: PlainCommand, { tool, rules, question, moved }: One): Verdict {
  const words = command.words.map(({ text }) => text);
  const [program = ""] = words;
  const wanted = suggestion(tool, words);
  const fitting = rules.flatMap((rule) => {
    const fixed = fit(rule, command);
    return fixed === null ? [] : [{ rule, fixed, exact: fixed === words.length && !isFree(rule) }];
  });
  const [found] = fitting.toSorted(
    (a, b) => Number(b.exact) - Number(a.exact) || b.fixed - a.fixed,
  );
  if (found === undefined) return unnamed(`no allow rule names it`, wanted);
  const { rule, exact, fixed } = found;
  if (!exact && runsOthers(program)) {
    const because = `${program} runs other programs: only a rule without * can allow it`;
    return unnamed(because, wanted);
  }
  const name = knownName(program);
  const readsCode = shells.has(name) || interpreters.has(name);
  const fed = question.fed || command.piped || command.redirects.some(({ use }) => use === "read");
  if (readsCode && fed) {
    return unnamed(`${program} may run what it reads from its standard input`);
  }
  if (moved && program.includes("/") && !program.startsWith("/")) {
    return unnamed(`${program} is looked for in a folder that an earlier command chose`);
  }
  const danger = exact ? null : dangerousWord(words, fixed);
  if (danger !== null) {
    const because = `${labelOf(rule)} names it, but ${JSON.stringify(danger)} can make ${program} do more than it says`;
    return { answer: "ask", rules: [rule], because, wanted };
  }
  return allowed(rule);
}

/** How many words a rule names itself, or null when it does not fit. */
function fit({ target }: Rule, command: PlainCommand): number | null {
  if (target.tool !== "Bash" && target.tool !== "Exec") return null;
  return allows(
    target.tokens,
    command.words.map(({ text }) => text),
  );
}

function isFree({ target }: Rule): boolean {
  return "tokens" in target && target.tokens.at(-1)?.kind === "rest";
}

interface RedirectGround {
  readonly by: Allowing;
  readonly moved: boolean;
  readonly cwd: string;
}

function allowRedirects(command: PlainCommand, ground: RedirectGround): readonly Verdict[] {
  return command.redirects.flatMap((redirect): readonly Verdict[] => {
    const { text } = redirect.target;
    if (text === "/dev/null") return [];
    const verdict = allowRedirect(redirect, ground);
    ground.by.trace.push(`${redirect.use === "read" ? "<" : ">"} ${text}: ${verdict.because}`);
    return [verdict];
  });
}

function allowRedirect(redirect: PlainRedirect, { by, moved, cwd }: RedirectGround): Verdict {
  const { text, tilde } = redirect.target;
  if (/^\/dev\/(?:tcp|udp)\//.test(text)) return unnamed("it opens a connection");
  if (moved && !text.startsWith("/") && !tilde) {
    return unnamed(`${text} lies in a folder that an earlier command chose`);
  }
  const file = path.resolve(cwd, tilde ? `${by.book.home}${text.slice(1)}` : text);
  return by.allowPath(redirect.use === "read" ? "Read" : "Edit", file);
}

function allowed(rule: Rule): Verdict {
  return { answer: "allow", rules: [rule], because: `${labelOf(rule)} names it`, wanted: [] };
}

function unnamed(because: string, wanted: readonly string[] = []): Verdict {
  return { answer: "default", rules: [], because, wanted };
}

const severity: Readonly<Record<Answer, number>> = { refuse: 3, ask: 2, default: 1, allow: 0 };

/** Parts of one task: it may do what the strictest of them may. */
export function strictest(verdicts: readonly Verdict[]): Verdict {
  const worst = verdicts.toSorted((a, b) => severity[b.answer] - severity[a.answer])[0];
  if (worst === undefined) return unnamed("it holds no command");
  const alike = verdicts.filter(({ answer }) => answer === worst.answer);
  // A line to add helps only when no other part is beyond all lines.
  const hopeless = alike.some(({ wanted }) => wanted.length === 0);
  return {
    answer: worst.answer,
    rules: [...new Set(alike.flatMap(({ rules }) => rules))],
    because: worst.because,
    wanted: hopeless ? [] : [...new Set(alike.flatMap(({ wanted }) => wanted))],
    ...(worst.fix === undefined ? {} : { fix: worst.fix }),
    ...(worst.advice === undefined ? {} : { advice: worst.advice }),
  };
}

/** The rule that would allow these words, and nothing else. */
export function suggestion(tool: Tool, words: readonly string[]): readonly string[] {
  if (words.some((word) => /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u.test(word))) return [];
  if (tool === "Exec") return [`Exec(${JSON.stringify(words)})`];
  return [`Bash(${words.map(quoted).join(" ")})`];
}

function quoted(word: string): string {
  if (/^[\w./:@%+,=~^-]+$/.test(word) && !word.endsWith(":*")) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}

export function shown(command: PlainCommand): string {
  return JSON.stringify(
    command.words
      .map(({ text }) => text)
      .join(" ")
      .slice(0, 120),
  );
}
