// Does a command rule name a command? Two questions, because rules that loosen and rules that
// narrow must err to different sides:
//
//   allows   every word is known and equal, in order; only a `*` at the end is free
//   narrows  the program by its last name as well; options may stand between the words; a word
//            that only the shell knows makes the answer "perhaps"

import type { Arg } from "./arg.ts";
import { matchesName } from "./glob.ts";
import { baseName } from "./programs.ts";
import type { Token } from "./rule.ts";

/** How many words of the command the rule names itself, or null when it does not fit. */
export function allows(tokens: readonly Token[], words: readonly string[]): number | null {
  const free = tokens.at(-1)?.kind === "rest";
  const fixed = free ? tokens.slice(0, -1) : tokens;
  if (free ? words.length < fixed.length : words.length !== fixed.length) return null;
  const fits = fixed.every((token, at) => token.kind === "word" && token.text === words[at]);
  return fits ? fixed.length : null;
}

export type Narrows = "yes" | "perhaps" | "no";

/** Reads the words once, with the set of places in the rule that they may have reached. */
export function narrows(tokens: readonly Token[], words: readonly Arg[]): Narrows {
  let certain: ReadonlySet<number> = reach([placeOf(0, false)], tokens);
  let possible = certain;
  for (const [index, word] of words.entries()) {
    certain = step({ tokens, word, index, guess: false }, certain);
    const next = step({ tokens, word, index, guess: true }, possible);
    // A word that may become many may become all the rest of the rule.
    if (next.has(anywhere)) return certainlyEnds(certain, tokens) ? "yes" : "perhaps";
    possible = next;
    if (possible.size === 0) return "no";
  }
  if (certainlyEnds(certain, tokens)) return "yes";
  return certainlyEnds(possible, tokens) ? "perhaps" : "no";
}

const anywhere = -1;

/** A place in the rule, and whether an option was just passed over (its value may follow). */
function placeOf(token: number, afterOption: boolean): number {
  return token * 2 + (afterOption ? 1 : 0);
}

interface Step {
  readonly tokens: readonly Token[];
  readonly word: Arg;
  readonly index: number;
  /** Whether a word that is not known may be the one that the rule names. */
  readonly guess: boolean;
}

function step(by: Step, places: ReadonlySet<number>): ReadonlySet<number> {
  const { tokens, word, index, guess } = by;
  const next: number[] = [];
  for (const place of places) {
    const at = place >> 1;
    const afterOption = (place & 1) === 1;
    const token = tokens[at];
    if (token === undefined) continue;
    if (token.kind === "rest") next.push(placeOf(at, false));
    else if (
      word.text === null ? guess && maybe(token, word, index) : is(token, word.text, index)
    ) {
      next.push(placeOf(at + 1, false));
      if (guess && word.text === null && word.splits) next.push(anywhere);
    }
    if (guess && word.splits) next.push(place);
    if (at === 0 || index === 0) continue;
    // `git -C there push` is a `git push`: options and their values do not hide a word.
    if (afterOption) next.push(placeOf(at, false));
    if (word.text === null ? guess : word.text.startsWith("-")) next.push(placeOf(at, true));
  }
  return reach(next, tokens);
}

/** A `*` may stand for no word at all. */
function reach(places: readonly number[], tokens: readonly Token[]): ReadonlySet<number> {
  const all = new Set(places);
  for (const place of all) {
    if (place >= 0 && tokens[place >> 1]?.kind === "rest")
      all.add(placeOf((place >> 1) + 1, false));
  }
  return all;
}

function certainlyEnds(places: ReadonlySet<number>, tokens: readonly Token[]): boolean {
  return places.has(placeOf(tokens.length, false)) || places.has(placeOf(tokens.length, true));
}

function is(token: Exclude<Token, { kind: "rest" }>, text: string, index: number): boolean {
  // The program is compared without case: some disks take SUDO for sudo.
  const [wanted, word] =
    index === 0 ? [token.text.toLowerCase(), text.toLowerCase()] : [token.text, text];
  const same = (a: string, b: string): boolean =>
    token.kind === "like" ? matchesName(a, b) : a === b;
  if (same(wanted, word)) return true;
  if (index > 0) return false;
  if (wanted.includes("/") && word.includes("/")) return same(wanted, normal(word));
  return same(baseName(wanted), baseName(word));
}

function normal(path: string): string {
  return path.replaceAll(/\/(?:\.?\/)+/g, "/");
}

function maybe(token: Exclude<Token, { kind: "rest" }>, word: Arg, index: number): boolean {
  if (token.kind === "like") return true;
  if (index > 0) return couldBe(token.text, word);
  const wanted = baseName(token.text.toLowerCase());
  const tail = word.tail.toLowerCase();
  // What is not known may hold a `/`: then only the end of the word tells.
  return tail.includes("/") ? baseName(tail) === wanted : wanted.endsWith(tail);
}

function couldBe(text: string, word: Arg): boolean {
  if (word.splits) return text.startsWith(word.head) || word.head.startsWith(text);
  const known = word.head.length + word.tail.length;
  return text.length >= known && text.startsWith(word.head) && text.endsWith(word.tail);
}
