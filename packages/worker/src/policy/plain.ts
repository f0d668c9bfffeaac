// A second, much smaller reader of commands. It understands literal words in lists and pipelines
// and nothing else; what it does not understand, no rule allows. A command may be allowed by rule
// only when this reader and unbash see the very same words: a mistake in one of them is not enough.
//
// The language (a subset of what POSIX.1-2024, 2.10 and bash agree about):
//
//   list     := command { (";" | "&&" | "||" | "|" | newline) command }
//   command  := { word | redirect }        the first word is no reserved word and no assignment
//   redirect := [digit] (">" | ">>" | ">|" | "<") word | [digit] (">&" | "<&") digit

export interface PlainCommand {
  readonly words: readonly PlainWord[];
  readonly redirects: readonly PlainRedirect[];
  /** It reads what the command before it prints. */
  readonly piped: boolean;
}

export interface PlainWord {
  readonly text: string;
  /** Begins with an unquoted `~`: the shell puts the home there. */
  readonly tilde: boolean;
}

export interface PlainRedirect {
  readonly use: "read" | "write";
  readonly target: PlainWord;
}

export type PlainRead =
  | { readonly kind: "plain"; readonly commands: readonly PlainCommand[] }
  /** Why no rule can allow it. */
  | { readonly kind: "not-plain"; readonly because: string };

const commandsMax = 64;

export function readPlain(text: string): PlainRead {
  const trouble = characterProblem(text);
  if (trouble !== null) return { kind: "not-plain", because: trouble };
  const commands: Building[] = [{ words: [], redirects: [], piped: false }];
  let at = 0;
  while (at < text.length) {
    const token = nextToken(text, at);
    if (typeof token === "string") return { kind: "not-plain", because: token };
    at = token.end;
    const command = commands.at(-1);
    if (command === undefined) break;
    if (token.kind === "word") command.words.push(token.word);
    else if (token.kind === "redirect") {
      if (token.redirect !== null) command.redirects.push(token.redirect);
    } else if (token.kind === "join") {
      if (isEmpty(command) && token.text !== "\n") {
        return { kind: "not-plain", because: `"${token.text}" has no command before it` };
      }
      if (!isEmpty(command)) commands.push({ words: [], redirects: [], piped: token.text === "|" });
    }
  }
  return finished(commands);
}

interface Building {
  readonly words: PlainWord[];
  readonly redirects: PlainRedirect[];
  readonly piped: boolean;
}

function finished(commands: readonly Building[]): PlainRead {
  const full = commands.filter((command) => !isEmpty(command));
  if (full.length === 0) return { kind: "not-plain", because: "it holds no command" };
  if (full.length > commandsMax) {
    return { kind: "not-plain", because: `it holds more than ${commandsMax} commands` };
  }
  for (const { words } of full) {
    const [first] = words;
    if (first === undefined) {
      return { kind: "not-plain", because: "it holds a redirection without a command" };
    }
    if (reserved.has(first.text)) {
      return { kind: "not-plain", because: `"${first.text}" begins a compound command` };
    }
    if (/^[A-Za-z_]\w*\+?=/.test(first.text)) {
      return { kind: "not-plain", because: "it sets a variable" };
    }
  }
  return { kind: "plain", commands: full };
}

// POSIX.1-2024, 2.4, and bash's own.
const reserved: ReadonlySet<string> = new Set(
  (
    "if then else elif fi do done case esac while until for in select function time coproc " +
    "! { } [[ ]]"
  ).split(" "),
);

function isEmpty(command: Building): boolean {
  return command.words.length === 0 && command.redirects.length === 0;
}

function characterProblem(text: string): string | null {
  if (Buffer.byteLength(text) > 32_768) return "it is longer than 32 KiB";
  if (text.includes("\r")) return "it holds a carriage return";
  if (text.includes("\\\n")) return "it holds a line continuation";
  // Other and format characters: controls, directions, joiners, lone surrogates, private use.
  const strange = /[^\P{C}\t\n]|[\u2028\u2029]/u.exec(text)?.[0];
  if (strange === undefined) return null;
  const code = (strange.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return `it holds the invisible character U+${code}`;
}

type Token =
  | { readonly kind: "word"; readonly word: PlainWord; readonly end: number }
  | { readonly kind: "redirect"; readonly redirect: PlainRedirect | null; readonly end: number }
  | { readonly kind: "join"; readonly text: string; readonly end: number }
  | { readonly kind: "blank"; readonly end: number };

const blank = /[ \t]+/y;
const join = /&&|\|\||;|\||\n/y;
const redirectHead = /\d?(?:>>|>\||>|<)(?![<>&(|])[ \t]*/y;
const duplicate = /\d?[<>]&\d(?![^\s;|&<>])/y;
// What means itself outside of quotes, in every shell.
const bare = /[\w./:@%+,=^-]+/y;
const single = /'[^']*'/y;
const double = /"(?:[^"\\$`]|\\[\\"$`]|\\(?![\\"$`\n]))*"/y;
const escaped = /\\[!-~ ]/y;

/** The next token, or in words why there is none that is understood. */
function nextToken(text: string, at: number): Token | string {
  const space = match(blank, text, at);
  if (space !== null) return { kind: "blank", end: at + space.length };
  if (text.startsWith(";;", at) || text.startsWith("|&", at) || text.startsWith("||&", at)) {
    return 'it holds ";;" or "|&"';
  }
  const joining = match(join, text, at);
  if (joining !== null) return { kind: "join", text: joining, end: at + joining.length };
  const copied = match(duplicate, text, at);
  if (copied !== null) return { kind: "redirect", redirect: null, end: at + copied.length };
  const head = match(redirectHead, text, at);
  if (head === null) return readWord(text, at);
  const target = readWord(text, at + head.length);
  if (typeof target === "string") return target;
  const use = head.includes("<") ? "read" : "write";
  return { kind: "redirect", redirect: { use, target: target.word }, end: target.end };
}

function readWord(text: string, start: number): Extract<Token, { kind: "word" }> | string {
  let at = start;
  let value = "";
  const home = /~(?=[/\s;|&<>]|$)/y;
  const tilde = match(home, text, at) !== null;
  if (tilde) {
    at += 1;
    value = "~";
  }
  for (;;) {
    const piece =
      match(bare, text, at) ??
      match(single, text, at) ??
      match(double, text, at) ??
      match(escaped, text, at);
    if (piece === null) break;
    value += meaningOf(piece);
    at += piece.length;
  }
  if (at === start || !/[\s;|&<>]/.test(text.charAt(at) || " ")) return problemAt(text, at);
  return { kind: "word", word: { text: value, tilde }, end: at };
}

function meaningOf(piece: string): string {
  if (piece.startsWith("'")) return piece.slice(1, -1);
  if (piece.startsWith('"')) return piece.slice(1, -1).replaceAll(/\\([\\"$`])/g, "$1");
  return piece.startsWith("\\") ? piece.slice(1) : piece;
}

function problemAt(text: string, at: number): string {
  const character = text.charAt(at);
  const known: Readonly<Record<string, string>> = {
    "": "it ends too early",
    $: "it holds an expansion ($)",
    "`": "it holds a command substitution",
    "&": "it starts a background job (&)",
    "(": "it holds a subshell, a function or a list",
    ")": "it holds a subshell, a function or a list",
    "{": "it holds braces",
    "}": "it holds braces",
    "*": "it holds a pattern (*)",
    "?": "it holds a pattern (?)",
    "[": "it holds a pattern ([)",
    "]": "it holds a pattern (])",
    "~": "it holds the home of somebody (~)",
    "#": "it holds a comment",
    "!": "it holds a !",
    "<": "it holds a here-document or a redirection that is not understood",
    ">": "it holds a redirection that is not understood",
    "'": "a quote is not closed",
    '"': /"[^"]*[$`]/y.test(text.slice(at)) ? "it holds an expansion ($)" : "a quote is not closed",
  };
  return (
    known[character] ?? `it holds the character ${JSON.stringify(character)} outside of quotes`
  );
}

function match(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
}
