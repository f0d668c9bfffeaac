// The commands inside a command: `sudo -u ann timeout 5 rm x` holds `timeout 5 rm x` and `rm x`.
// Used by rules that narrow, so it errs towards seeing too many: an option may or may not take the
// next word as its value, and both readings are looked at.

import { anything, type Arg } from "./arg.ts";
import {
  commandOptions,
  interpreters,
  knownName,
  shells,
  wrappers,
  type Wrapper,
} from "./programs.ts";

export interface Inside {
  readonly commands: readonly (readonly Arg[])[];
  /** Texts that a shell will read. */
  readonly scripts: readonly string[];
  /** Texts that a shell may read, or that may be something else. */
  readonly guesses: readonly string[];
  /** Why what runs inside cannot be seen, or null. */
  readonly hidden: string | null;
}

/** What is fed to a command on standard input by the command line itself. */
export interface Feed {
  /** The text of a here-document or here-string; null when it is not known; undefined: none. */
  readonly text: string | null | undefined;
}

export function inside(words: readonly Arg[], feed: Feed): Inside {
  const program = words[0]?.text ?? null;
  if (program === null) return nothing;
  const name = knownName(program);
  if (shells.has(name)) return insideShell(words, feed);
  if (program === "." || program === "source") {
    return words[1]?.text === null ? hiddenIn("a file whose name is not known is run") : nothing;
  }
  const options = commandOptions.get(name) ?? [];
  const after = afterOptions(words, options);
  if (after.length > placesMax) return hiddenIn("it holds too many options of one program");
  const wrapper = wrappers.get(name);
  const wrapped = wrapper === undefined ? nothing : insideWrapper(words, wrapper);
  return {
    ...wrapped,
    commands: [...wrapped.commands, ...after],
    guesses: [
      ...wrapped.guesses,
      ...after.flatMap(([first]) => blankText(first)),
      ...(wrapper === undefined && options.length === 0 ? [] : attachedTexts(words)),
      ...(name === "git" ? aliases(words) : []),
    ],
  };
}

/** More places where a command may begin are not looked at. */
const placesMax = 64;

/** Whether a program takes code of its own language, which may hold any command as a text. */
export function takesCode(program: string): boolean {
  return interpreters.has(knownName(program));
}

const nothing: Inside = { commands: [], scripts: [], guesses: [], hidden: null };

function hiddenIn(why: string): Inside {
  return { ...nothing, hidden: why };
}

function insideShell(words: readonly Arg[], feed: Feed): Inside {
  const operands = starts(words, { operands: 0 }).map((start) => words[start]);
  const takesText = words.slice(1).some((word) => isBundleWith(word, "c"));
  if (takesText) {
    const known = operands.flatMap((word) => word?.text ?? []);
    const hidden = operands.some((word) => word?.text === null);
    return {
      ...nothing,
      scripts: known,
      hidden: hidden ? "a shell is given a text that is not known" : null,
    };
  }
  const file = operands[0];
  if (file?.text === null) return hiddenIn("a shell is given a file whose name is not known");
  const reads = file === undefined || words.some((word) => isBundleWith(word, "s"));
  const isInput = /^(?:-|\/dev\/(?:stdin|fd\/\d+)|\/proc\/self\/fd\/\d+)$/.test(file?.text ?? "-");
  if (!reads && !isInput) return nothing;
  if (typeof feed.text === "string") return { ...nothing, scripts: [feed.text] };
  return hiddenIn("a shell reads commands from its standard input");
}

function isBundleWith(word: Arg, letter: string): boolean {
  return word.text !== null && /^[-+][A-Za-z]+$/.test(word.text) && word.text.includes(letter);
}

function insideWrapper(words: readonly Arg[], wrapper: Wrapper): Inside {
  const places = starts(words, wrapper);
  if (places.length > placesMax) return hiddenIn("it holds too many options of one program");
  const commands = places.map((place) =>
    wrapper.feeds === true ? fed(words, place) : words.slice(place),
  );
  const guesses = places.flatMap((place) => blankText(words[place]));
  const joins = wrapper.joins === true ? commands.flatMap((command) => joinedText(command)) : [];
  const unknown =
    wrapper.joins === true && commands.some((command) => command.some(({ text }) => text === null));
  return {
    commands,
    scripts: [],
    guesses: [...guesses, ...joins],
    hidden: unknown ? "a shell is given a text that is not known" : null,
  };
}

/** `xargs -I% sh -c %`: words come at the end, or where a mark stands. */
function fed(words: readonly Arg[], place: number): readonly Arg[] {
  const marks = words.slice(1, place).flatMap(({ text }, at) => {
    const given = /^(?:-[IiJ]|--replace=?)([^]*)$/.exec(text ?? "")?.[1];
    if (given === undefined) return [];
    return given === "" ? [words[at + 2]?.text ?? "{}"] : [given];
  });
  const isMarked = (text: string): boolean =>
    ["{}", ...marks].some((mark) => mark !== "" && text.includes(mark));
  const unknown = words
    .slice(place)
    .map((word) => (word.text !== null && isMarked(word.text) ? anything : word));
  return [...unknown, anything];
}

/**
 * Where a command may begin behind a wrapper. Each option seen may have taken one of the words
 * that follow as its value, so that many more words are looked at.
 */
function starts(words: readonly Arg[], { operands }: Wrapper): readonly number[] {
  const places: number[] = [];
  let options = 0;
  let ended = false;
  for (let at = 1; at < words.length && places.length <= operands + options; at += 1) {
    const text = words[at]?.text ?? null;
    if (!ended && text === "--") ended = true;
    else if (!ended && text !== null && /^[-+]./.test(text)) options += 1;
    // `env A=b ls`: an assignment comes before the command.
    else if (text === null || !/^[A-Za-z_]\w*\+?=/.test(text)) places.push(at);
  }
  return places;
}

/** `env -S 'sudo ls'`, `su -c'sudo ls'`, `--command='sudo ls'`: a text in a word of its own. */
function attachedTexts(words: readonly Arg[]): readonly string[] {
  return words.slice(1).flatMap(({ text }) => {
    if (text === null || !text.startsWith("-")) return [];
    const value = /^--?[^=\s]*=([^]*)$/.exec(text)?.[1];
    const glued = /^-[A-Za-z]/.test(text) && /\s/.test(text) ? lettersOff(text) : [];
    // `--checkpoint-action=exec=sudo ls` has its text after the second sign.
    const deeper = value?.includes("=") === true ? [value.slice(value.indexOf("=") + 1)] : [];
    return [...(value === undefined ? [] : [value]), ...deeper, ...glued];
  });
}

/** `-vSsudo ls`: the text may begin after any of the first letters. */
function lettersOff(text: string): readonly string[] {
  const letters = /^-[A-Za-z]{1,4}/.exec(text)?.[0].length ?? 2;
  return Array.from({ length: letters - 1 }, (_, index) => text.slice(index + 2));
}

function blankText(word: Arg | undefined): readonly string[] {
  const text = word?.text ?? null;
  return text !== null && /[\s;|&$`]/.test(text) ? [text] : [];
}

function joinedText(words: readonly Arg[]): readonly string[] {
  const known = words.flatMap(({ text }) => text ?? []);
  return known.length === 0 ? [] : [known.join(" ")];
}

function afterOptions(
  words: readonly Arg[],
  options: readonly string[],
): readonly (readonly Arg[])[] {
  const places = words.flatMap(({ text }, at) =>
    text !== null && options.includes(text) ? [at + 1] : [],
  );
  return places.slice(0, placesMax + 1).flatMap((from) => {
    const end = words.findIndex(({ text }, at) => at >= from && (text === ";" || text === "+"));
    const command = words.slice(from, end === -1 ? words.length : end);
    return command.length === 0 ? [] : [command];
  });
}

/** git's aliases: `-c alias.x='!sudo ls'`. */
function aliases(words: readonly Arg[]): readonly string[] {
  return words.flatMap(({ text }) => {
    const bang = text === null ? -1 : text.indexOf("!");
    return text === null || bang < 0 ? [] : [text.slice(bang + 1)];
  });
}
