// Looks a command up in the table of dangers.

import { dangers, sameAs } from "./danger.ts";
import type { Danger } from "./danger-shape.ts";
import { baseName } from "./programs.ts";

/**
 * The first word of a command that is dangerous with its program, or null.
 * @param from words before this index stand in the rule itself: its author has seen them
 */
export function dangerousWord(words: readonly string[], from: number): string | null {
  const danger = dangerOf(words[0] ?? "");
  if (danger === null) return null;
  const found = indexes(danger, words).find((index) => index >= from);
  return found === undefined ? null : (words[found] ?? null);
}

function dangerOf(program: string): Danger | null {
  const name = baseName(program).toLowerCase();
  // `gcc-12`, `pip3.11`: versions are the same program.
  const bare = name.replace(/(?<=\D)-?\d+(?:\.\d+)*$/, "");
  for (const known of [name, bare]) {
    const danger = dangers.get(sameAs.get(known) ?? known);
    if (danger !== undefined) return danger;
  }
  return null;
}

function indexes(danger: Danger, words: readonly string[]): readonly number[] {
  const plain = plainIndexes(words);
  const [first = words.length] = plain;
  const subcommand = words[first] ?? "";
  const under = danger.under?.[subcommand];
  return [
    ...flagged(danger, words, [1, words.length]),
    ...(danger.before === undefined
      ? []
      : flagged(danger.before, words, [1, subcommandEnd(words)])),
    ...(under === undefined ? [] : flagged(under, words, [first + 1, words.length])),
    ...commandIndexes(danger, words),
    ...(danger.operandsMax === undefined ? [] : plain.slice(danger.operandsMax)),
    ...(danger.bundleFirst === true && bundleHolds(words[1], danger.short) ? [1] : []),
    ...(danger.scripts === "sed" ? sedIndexes(words) : []),
  ].toSorted((a, b) => a - b);
}

function flagged(
  danger: Danger,
  words: readonly string[],
  [from, to]: readonly [number, number],
): readonly number[] {
  return words.flatMap((word, index) => {
    if (index < from || index >= to) return [];
    return isFlag(danger, word) ? [index] : [];
  });
}

function isFlag({ short, long, words, starts, assignments }: Danger, word: string): boolean {
  const name = word.replace(/=[^]*$/, "");
  if (words?.includes(word) === true || words?.includes(name) === true) return true;
  if (starts?.some((start) => word.startsWith(start)) === true) return true;
  if (assignments === true && /^[A-Za-z_.][\w.]*[:+?!]*=/.test(word)) return true;
  if (name.startsWith("--") && name.length > 2) {
    return long?.some((option) => option.startsWith(name.slice(2))) === true;
  }
  return /^-[^-]/.test(word) && bundleHolds(word.slice(1), short);
}

/** Whether a bundle of letters holds one of these; what follows a `=` is a value. */
function bundleHolds(bundle: string | undefined, letters: string | undefined): boolean {
  const held = bundle?.replace(/=[^]*$/, "") ?? "";
  return (letters ?? "").split("").some((letter) => held.includes(letter));
}

/** Words that are no options. */
function plainIndexes(words: readonly string[]): readonly number[] {
  return words.flatMap((word, index) => (index > 0 && !/^-./.test(word) ? [index] : []));
}

/** The first index at which the subcommand stands for sure: options may have taken values. */
function subcommandEnd(words: readonly string[]): number {
  let options = 0;
  let plain = 0;
  for (const [index, word] of words.entries()) {
    if (index === 0) continue;
    if (/^-./.test(word)) options += 1;
    else plain += 1;
    if (plain > options) return index;
  }
  return words.length;
}

function commandIndexes(
  { commands, depth = 1 }: Danger,
  words: readonly string[],
): readonly number[] {
  if (commands === undefined) return [];
  let options = 0;
  let plain = 0;
  return words.flatMap((word, index) => {
    if (index === 0) return [];
    if (/^-./.test(word)) {
      if (plain < depth + options) options += 1;
      return [];
    }
    plain += 1;
    return plain <= depth + options && commands.includes(word) ? [index] : [];
  });
}

// Options of sed that change nothing but how lines are read and printed.
const sedOptions =
  /^(?:-[nErsuz]+|--(?:quiet|silent|regexp-extended|separate|unbuffered|null-data|debug|posix))$/;
const sedPrint = /^(?:\d+|\$)?(?:,(?:\d+|\$))?[pdq=]$/;
const sedReplace =
  /^(?:\d+(?:,(?:\d+|\$))?)?s([/|,#:@])((?:(?!\1)[^\\\n])|\\[^\n])*\1((?:(?!\1)[^\\\n])|\\[^\n])*\1[gpI\d]*$/;

/** sed's scripts can run programs (`e`) and write files (`w`): all but the simplest count. */
function sedIndexes(words: readonly string[]): readonly number[] {
  const found: number[] = [];
  let hasScript = words.some((word) => /^-[nErsuz]*e$|^--expression=/.test(word));
  let nextIsScript = false;
  for (const [index, word] of words.entries()) {
    if (index === 0) continue;
    const attached = /^--expression=([^]*)$/.exec(word)?.[1];
    if (nextIsScript || attached !== undefined) {
      nextIsScript = false;
      if (!isHarmlessSed(attached ?? word)) found.push(index);
    } else if (/^-[nErsuz]*e$/.test(word)) nextIsScript = true;
    else if (/^-./.test(word)) {
      if (!sedOptions.test(word)) found.push(index);
    } else if (!hasScript) {
      hasScript = true;
      if (!isHarmlessSed(word)) found.push(index);
    }
  }
  return found;
}

function isHarmlessSed(script: string): boolean {
  return sedPrint.test(script) || sedReplace.test(script);
}
