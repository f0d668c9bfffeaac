// One rule as a person writes it: `Bash(git log *)`, `Read(~/.ssh/**)`. The syntax is Claude Code's;
// what it lacks here is refused with the place of the mistake, never guessed.

import { parseGlob, type Glob } from "./glob.ts";

/** A word of a command rule. */
export type Token =
  | { readonly kind: "word"; readonly text: string }
  /** `*` alone: any number of words, none included. */
  | { readonly kind: "rest" }
  /** A word with `*` in it: `text` is the pattern. Only rules that narrow have these. */
  | { readonly kind: "like"; readonly text: string };

/** What a rule names. */
export type RuleTarget =
  | { readonly tool: "Bash" | "Exec"; readonly tokens: readonly Token[] }
  | { readonly tool: "Read" | "Edit"; readonly glob: Glob }
  /** A domain in lower case; `*` all, `*.example.com` those below example.com. */
  | { readonly tool: "WebFetch"; readonly domain: string }
  /** A name, or `*`. */
  | { readonly tool: "Agent" | "Action"; readonly name: string };

/** Why a rule is refused, and at which character of it (from 0). Thrown by `parseRule`. */
export class RuleProblem extends Error {
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.name = "RuleProblem";
    this.offset = offset;
  }
}

const tools = ["Bash", "Exec", "Read", "Edit", "WebFetch", "Agent", "Action"] as const;
const ruleLengthMax = 4_096;
const tokensMax = 64;

/**
 * Reads one rule. The tool's name alone stands for everything that it judges: `Bash` is `Bash(*)`.
 * @throws RuleProblem
 */
export function parseRule(text: string): RuleTarget {
  if (text.length > ruleLengthMax) {
    throw new RuleProblem(0, `a rule has at most ${ruleLengthMax} characters`);
  }
  const name = /^[^(]*/.exec(text)?.[0] ?? "";
  const tool = tools.find((known) => known === name);
  if (tool === undefined) throw new RuleProblem(0, unknownTool(name));
  if (text === tool) return readBody(tool, "*", 0);
  const start = tool.length + 1;
  if (!text.endsWith(")")) throw new RuleProblem(text.length, 'a ")" is missing at the end');
  const body = text.slice(start, -1);
  const control = body.search(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u);
  if (control >= 0) {
    throw new RuleProblem(start + control, "a rule holds no control or direction characters");
  }
  if (body.trim() === "") {
    throw new RuleProblem(start, `nothing between the parentheses: write ${tool} for all of them`);
  }
  return readBody(tool, body, start);
}

function unknownTool(name: string): string {
  if (name === "Write") return "there is no Write: say Edit(…), which judges writes as well";
  const near = tools.find((known) => known.toLowerCase() === name.trim().toLowerCase());
  if (near !== undefined) return `unknown tool ${JSON.stringify(name)}: it is written ${near}`;
  return `unknown tool ${JSON.stringify(name)}: known are ${tools.join(", ")}`;
}

function readBody(tool: (typeof tools)[number], body: string, start: number): RuleTarget {
  switch (tool) {
    case "Bash":
      return { tool, tokens: readWords(body, start) };
    case "Exec":
      return { tool, tokens: body === "*" ? [{ kind: "rest" }] : readArgv(body, start) };
    case "Read":
    case "Edit":
      return { tool, glob: readGlob(body, start) };
    case "WebFetch":
      return { tool, domain: body === "*" ? "*" : readDomain(body, start) };
    case "Agent":
    case "Action":
      if (!/^(?:\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63})$/.test(body)) {
        throw new RuleProblem(start, "a name has letters, digits, '.', '_' and '-'; * is any name");
      }
      return { tool, name: body };
  }
}

const wordToken = /[^\s'"\\]+|'[^']*'|"(?:[^"\\]|\\[^])*"|\\[^]/y;

/** Words as a shell reads them: quotes and backslashes make characters mean themselves. */
function readWords(body: string, start: number): readonly Token[] {
  const tokens: Token[] = [];
  let at = /^\s*/.exec(body)?.[0].length ?? 0;
  while (at < body.length) {
    const from = at;
    const pieces: Piece[] = [];
    while (at < body.length && !/\s/.test(body.charAt(at))) {
      wordToken.lastIndex = at;
      const piece = wordToken.exec(body)?.[0];
      if (piece === undefined) throw new RuleProblem(start + at, "a quote is not closed");
      pieces.push(readPiece(piece));
      at += piece.length;
    }
    const source = body.slice(from, at);
    const old = /^(.+):\*$/.exec(source)?.[1];
    if (old !== undefined) {
      throw new RuleProblem(start + from, `write "${old} *" (with a space) instead of "${source}"`);
    }
    tokens.push(tokenOf(pieces));
    at += /^\s*/.exec(body.slice(at))?.[0].length ?? 0;
  }
  return checkedCount(tokens, start);
}

interface Piece {
  readonly text: string;
  readonly quoted: boolean;
}

function readPiece(piece: string): Piece {
  if (piece.startsWith("'")) return { text: piece.slice(1, -1), quoted: true };
  if (piece.startsWith('"')) {
    return { text: piece.slice(1, -1).replaceAll(/\\(["\\$`])/g, "$1"), quoted: true };
  }
  if (piece.startsWith("\\")) return { text: piece.slice(1), quoted: true };
  return { text: piece, quoted: false };
}

function tokenOf(pieces: readonly Piece[]): Token {
  const text = pieces.map((piece) => piece.text).join("");
  if (!pieces.some((piece) => !piece.quoted && piece.text.includes("*"))) {
    return { kind: "word", text };
  }
  return text === "*" ? { kind: "rest" } : { kind: "like", text };
}

/** A JSON list of texts: `["git","log","*"]`, where `*` may only be the last. */
function readArgv(body: string, start: number): readonly Token[] {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new RuleProblem(start, 'Exec takes a JSON list of texts: Exec(["git","status"])');
  }
  if (!Array.isArray(value) || value.length === 0) {
    throw new RuleProblem(start, 'Exec takes a JSON list of texts: Exec(["git","status"])');
  }
  const entries: readonly unknown[] = value;
  const tokens = entries.map((entry, index): Token => {
    if (typeof entry !== "string") {
      throw new RuleProblem(start, `element ${index + 1} of Exec is not a text`);
    }
    if (entry !== "*") return { kind: "word", text: entry };
    if (index === entries.length - 1) return { kind: "rest" };
    throw new RuleProblem(start, '"*" may only be the last element of Exec');
  });
  return checkedCount(tokens, start);
}

function checkedCount(tokens: readonly Token[], start: number): readonly Token[] {
  if (tokens.length <= tokensMax) return tokens;
  throw new RuleProblem(start, `a rule names at most ${tokensMax} words`);
}

function readGlob(body: string, start: number): Glob {
  const parsed = parseGlob(body);
  if ("problem" in parsed) throw new RuleProblem(start + parsed.offset, parsed.problem);
  return parsed;
}

function readDomain(body: string, start: number): string {
  const domain = /^domain:(.*)$/.exec(body)?.[1]?.toLowerCase();
  if (domain === undefined) {
    throw new RuleProblem(start, "WebFetch takes a domain: WebFetch(domain:example.com)");
  }
  const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
  if (domain !== "*" && !new RegExp(`^(?:\\*\\.)?${label}(?:\\.${label})*$`).test(domain)) {
    throw new RuleProblem(
      start + "domain:".length,
      "a domain is a name such as example.com, *.example.com or *: no address, port or path",
    );
  }
  return domain;
}
