// A word of a command, as far as it can be known without running anything.

import type { Word, WordPart } from "unbash";

export interface Arg {
  /** What the program is given; null when only the shell will know. */
  readonly text: string | null;
  /** The known beginning and end of a word that is not known wholly. */
  readonly head: string;
  readonly tail: string;
  /** It may become several words, or none. */
  readonly splits: boolean;
  /** An unquoted `~` or `~/` begins it: the shell puts the home there. */
  readonly tilde: boolean;
  /** What it most likely is when read as a path: `$HOME/x` is `~/x`. Null: no better than `text`. */
  readonly likely: string | null;
}

/** A word whose text is known. */
export function literal(text: string): Arg {
  return { text, head: text, tail: text, splits: false, tilde: false, likely: null };
}

/** Any number of words that nobody knows. */
export const anything: Arg = {
  text: null,
  head: "",
  tail: "",
  splits: true,
  tilde: false,
  likely: null,
};

export function argOf(word: Word): Arg {
  const home = /^~[^/]*/.exec(word.text)?.[0];
  // `~ann`, `~+`: whatever the shell makes of it.
  if (home !== undefined && home !== "~") {
    return { ...anything, tail: word.value.slice(home.length), splits: false };
  }
  const tilde = home === "~";
  if (word.parts === undefined) return { ...literal(word.value), tilde };
  const known = piecesOf(word.parts);
  if (known.every(({ text }) => text !== null)) {
    return { ...literal(known.map(({ text }) => text).join("")), tilde };
  }
  const gap = known.findIndex(({ text }) => text === null);
  const lastGap = known.findLastIndex(({ text }) => text === null);
  return {
    text: null,
    head: joined(known.slice(0, gap)),
    tail: joined(known.slice(lastGap + 1)),
    splits: known.some(({ splits }) => splits),
    tilde,
    likely: likelyPath(known),
  };
}

/** The home and the working folder by their variables' names. */
function likelyPath(known: readonly Piece[]): string | null {
  const [first, ...rest] = known;
  if (first?.stands === undefined || rest.some(({ text }) => text === null)) return null;
  return `${first.stands}${joined(rest)}`;
}

/** A part of a word: its text, or null for what only the shell will know. */
interface Piece {
  readonly text: string | null;
  readonly splits: boolean;
  readonly stands?: string | undefined;
}

const stands: Readonly<Record<string, string>> = {
  $HOME: "~",
  // oxlint-disable-next-line no-template-curly-in-string -- the shell's words, not ours
  "${HOME}": "~",
  $PWD: ".",
  // oxlint-disable-next-line no-template-curly-in-string
  "${PWD}": ".",
};

function piecesOf(parts: readonly WordPart[]): readonly Piece[] {
  return parts.flatMap((part): readonly Piece[] => {
    switch (part.type) {
      case "Literal":
      case "SingleQuoted":
      case "AnsiCQuoted":
        return [{ text: part.value, splits: false }];
      case "DoubleQuoted":
      case "LocaleString":
        return part.parts.map((child) =>
          child.type === "Literal"
            ? { text: child.value, splits: false }
            : // "$@" and its like become many words even in quotes.
              { text: null, splits: /[@*]/.test(child.text), stands: stands[child.text] },
        );
      case "SimpleExpansion":
      case "ParameterExpansion":
      case "CommandExpansion":
      case "ArithmeticExpansion":
      case "ProcessSubstitution":
      case "Glob":
      case "ExtendedGlob":
      case "BraceExpansion":
        return [{ text: null, splits: true, stands: stands[part.text] }];
    }
  });
}

function joined(pieces: readonly Piece[]): string {
  return pieces.map(({ text }) => text ?? "").join("");
}
