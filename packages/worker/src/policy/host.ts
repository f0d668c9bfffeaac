// Outside of the cage runs only what the rules of `host` name, by the same strict reading as an allow
// rule: every simple command of the line, no redirection, no program that a task could have written.

import path from "node:path";
import {
  allowOne,
  readForRules,
  shown,
  strictest,
  suggestion,
  toolOf,
  type CommandQuestion,
} from "./allow.ts";
import type { RuleBook } from "./book.ts";
import type { Analysis } from "./command.ts";
import { isWithin } from "./paths.ts";
import type { PlainCommand } from "./plain.ts";
import { interpreters, knownName, movers, shells } from "./programs.ts";
import type { Verdict } from "./question.ts";

export interface HostGround {
  readonly book: RuleBook | undefined;
  readonly analysis: Analysis;
  /** Absolute real paths that tasks may write. */
  readonly writable: readonly string[];
  readonly trace: string[];
}

/** `cage`: no host rule names it, and why. `outside`: one does, and what it says. */
export type HostVerdict =
  | { readonly kind: "cage"; readonly because: string; readonly wanted: readonly string[] }
  | { readonly kind: "outside"; readonly verdict: Verdict };

/** What the host rules say about a command; deny and ask rules are judged elsewhere, and win. */
export function judgeHost(question: CommandQuestion, ground: HostGround): HostVerdict {
  const read = readForRules(question, ground.analysis);
  if (read.kind === "not-plain") return caged(`no host rule can name it: ${read.because}`);
  const tool = toolOf(question);
  const listed = (list: "host.ask" | "host.allow") =>
    (ground.book?.rules[list] ?? []).filter(({ target }) => target.tool === tool);
  const [asks, allows] = [listed("host.ask"), listed("host.allow")];
  let moved = false;
  const verdicts: Verdict[] = [];
  for (const command of read.commands) {
    const problem = hostProblem(command, { ...ground, cwd: question.cwd, moved });
    if (problem !== null) return caged(`no host rule can name it: ${problem}`);
    const one = { tool, question, moved };
    const asked = allowOne(command, { ...one, rules: asks });
    const verdict =
      asked.answer === "default" ? allowOne(command, { ...one, rules: allows }) : asAsk(asked);
    if (verdict.answer === "default") {
      const words = command.words.map(({ text }) => text);
      const because = `${shown(command)}: ${verdict.because.replace("allow rule", "host rule")}`;
      return caged(because, read.commands.length === 1 ? suggestion(tool, words) : []);
    }
    ground.trace.push(`outside: ${shown(command)}: ${verdict.because}`);
    verdicts.push(verdict);
    moved ||= movers.has(command.words[0]?.text ?? "");
  }
  return { kind: "outside", verdict: { ...strictest(verdicts), wanted: [], outside: true } };
}

function caged(because: string, wanted: readonly string[] = []): HostVerdict {
  return { kind: "cage", because, wanted };
}

function asAsk(verdict: Verdict): Verdict {
  return verdict.answer === "allow" ? { ...verdict, answer: "ask" } : verdict;
}

interface CommandPlace extends Pick<HostGround, "writable"> {
  readonly cwd: string;
  readonly moved: boolean;
}

/** Why a command may not run outside of the cage whatever a rule says, or null. */
function hostProblem(command: PlainCommand, place: CommandPlace): string | null {
  const redirect = command.redirects.find(({ target }) => target.text !== "/dev/null");
  if (redirect !== undefined) {
    return `its redirection (${redirect.target.text}) would be done outside of the cage`;
  }
  const [program = "", ...rest] = command.words.map(({ text }) => text);
  // A task could have put it there: it would be the task that runs outside of the cage.
  if (program.includes("/") && isWritten(program, place)) {
    return `${program} lies where tasks can write`;
  }
  const name = knownName(program);
  if (!shells.has(name) && !interpreters.has(name)) return null;
  const file = rest.find((word) => looksLikeFile(word) && isWritten(word, place));
  return file === undefined ? null : `${program} would run ${file}, which tasks can write`;
}

function looksLikeFile(word: string): boolean {
  return !/^-|\s/.test(word) && (word.includes("/") || /\.\w{1,8}$/.test(word));
}

function isWritten(word: string, { cwd, moved, writable }: CommandPlace): boolean {
  if (moved && !word.startsWith("/")) return true;
  return writable.some((folder) => isWithin(path.resolve(cwd, word), folder));
}
