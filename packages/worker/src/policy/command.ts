// What a command string holds, read by unbash and never run: every simple command at any depth
// (lists, substitutions, functions, here-documents), the commands inside wrappers, and every
// redirection. A value, made by a pure function.

import {
  forEachChild,
  parse,
  type Command,
  type Redirect,
  type Redirection,
  type SyntaxNode,
} from "unbash";
import { anything, argOf, literal, type Arg } from "./arg.ts";
import { inside, type Feed } from "./unwrap.ts";

export interface Analysis {
  /** Every command that may run, at any depth: the program first. */
  readonly commands: readonly (readonly Arg[])[];
  readonly redirects: readonly RedirectSeen[];
  /** Words that assignments, loops and tests hold beside the commands' own. */
  readonly words: readonly Arg[];
  /** Simple commands as they stand in the text, wrappers not seen through. */
  readonly written: readonly (readonly Arg[])[];
  /** Why some of what runs cannot be seen; empty when all of it was. */
  readonly hidden: readonly string[];
}

export interface RedirectSeen {
  readonly use: "read" | "write";
  readonly target: Arg;
}

/** What holds no command. */
export const nothingSeen: Analysis = {
  commands: [],
  redirects: [],
  words: [],
  written: [],
  hidden: [],
};

/** Longer commands are not looked at. */
const commandBytesMax = 32_768;
/** A text may hold another (`bash -c "bash -c …"`) this many times. */
const depthMax = 8;
/** Together with what is seen inside wrappers. */
const commandsMax = 4_096;
const wordsMax = 65_536;

/** Reads a command string. Never throws: what cannot be read is `hidden`. */
export function analyze(text: string): Analysis {
  const gathering = emptyGathering();
  read(gathering, text, { depth: 0, certain: true });
  return gathering;
}

/** The same for a program and its arguments, without a shell. */
export function analyzeArgv(argv: readonly string[]): Analysis {
  const gathering = emptyGathering();
  const words = argv.map(literal);
  gathering.written.push(words);
  add(gathering, words, { feed: { text: undefined }, depth: 0 });
  return gathering;
}

interface Gathering {
  readonly commands: (readonly Arg[])[];
  readonly redirects: RedirectSeen[];
  readonly words: Arg[];
  readonly written: (readonly Arg[])[];
  readonly hidden: string[];
  /** Words of all commands, those inside wrappers counted again. */
  seen: number;
}

function emptyGathering(): Gathering {
  return { commands: [], redirects: [], words: [], written: [], hidden: [], seen: 0 };
}

interface Reading {
  readonly depth: number;
  /** It is a shell's text for sure; a text that is only perhaps one may well be unreadable. */
  readonly certain: boolean;
}

function read(into: Gathering, text: string, reading: Reading): void {
  if (Buffer.byteLength(text) > commandBytesMax) {
    return void into.hidden.push(`it is longer than ${commandBytesMax} bytes`);
  }
  if (reading.depth > depthMax) return void into.hidden.push("texts of shells are nested too deep");
  try {
    visit(into, parse(text), reading);
  } catch {
    into.hidden.push("it cannot be read");
  }
}

function visit(into: Gathering, node: SyntaxNode, reading: Reading): void {
  if (node.type === "Script") {
    const [error] = node.errors ?? [];
    if (reading.certain && error !== undefined) {
      into.hidden.push(`bash would not read it (${error.message})`);
    }
  } else if (node.type === "Command") simple(into, node, reading);
  else if (node.type === "Redirect") redirect(into, node);
  else if (node.type === "Word") into.words.push(argOf(node));
  forEachChild(node, (child) => visit(into, child, reading));
}

function simple(into: Gathering, node: Command, { depth }: Reading): void {
  if (node.name === undefined) return;
  const words = [
    argOf(node.name),
    ...node.args.map((arg) => (arg.type === "Word" ? argOf(arg) : assignmentArg(arg.text))),
  ];
  if (depth === 0) into.written.push(words);
  add(into, words, { feed: feedOf(node.redirects), depth });
}

/** `make CC=x`: one word, known when nothing in it expands. */
function assignmentArg(text: string): Arg {
  return /^[\w.+=:/@%,^-]*$/.test(text) ? literal(text) : anything;
}

interface Adding {
  readonly feed: Feed;
  readonly depth: number;
}

function add(into: Gathering, words: readonly Arg[], { feed, depth }: Adding): void {
  into.seen += words.length;
  if (into.commands.length >= commandsMax || into.seen > wordsMax) {
    return void into.hidden.push("it holds too many commands");
  }
  if (depth > depthMax) return void into.hidden.push("commands are wrapped too deep");
  into.commands.push(words);
  const found = inside(words, feed);
  if (found.hidden !== null) into.hidden.push(found.hidden);
  for (const command of found.commands) {
    if (command.length > 0) add(into, command, { feed, depth: depth + 1 });
  }
  for (const text of found.scripts) read(into, text, { depth: depth + 1, certain: true });
  for (const text of found.guesses) read(into, text, { depth: depth + 1, certain: false });
}

function redirect(into: Gathering, node: Redirect): void {
  if (node.target === undefined) return;
  const target = argOf(node.target);
  const duplicates = node.operator === ">&" || node.operator === "<&";
  if (duplicates && target.text !== null && /^(?:\d+-?|-)$/.test(target.text)) return;
  if (node.operator === "<" || node.operator === "<>" || node.operator === "<&") {
    into.redirects.push({ use: "read", target });
  }
  if (node.operator !== "<" && node.operator !== "<&") {
    into.redirects.push({ use: "write", target });
  }
}

function feedOf(redirects: readonly Redirection[]): Feed {
  const last = redirects.findLast(({ type }) => type !== "Redirect");
  if (last === undefined) return { text: undefined };
  if (last.type === "HereDoc") {
    const known = last.delimiter?.quoted === true || last.body.parts === undefined;
    return { text: known ? last.body.text : null };
  }
  if (last.type === "HereString" && last.target !== undefined) {
    return { text: argOf(last.target).text };
  }
  return { text: null };
}
