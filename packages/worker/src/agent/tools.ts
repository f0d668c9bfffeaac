// What a tool call of Claude Code means, in the questions that a policy can answer. Pure: nothing
// here looks at a disk. Names of files are judged as text; symbolic links, the names that a search
// finds below its folder, and what a command really does are the cage's business.

import path from "node:path";
import { z } from "zod";
import { expandHome, isWithin } from "../policy/paths.ts";
import type { Question } from "../policy/question.ts";
import type { Root } from "../policy/roots.ts";
import type { ToolCall } from "./call.ts";

export interface ToolGround {
  /** Absolute home folder of the worker's user: what `~/` means. */
  readonly home: string;
  readonly roots: readonly Root[];
  /** Absolute folder that the session works in, where a call does not say its own. */
  readonly cwd: string;
}

/** What a call asks for. */
export type Asking =
  /** Every one of these must be allowed. */
  | { readonly kind: "questions"; readonly questions: readonly Question[] }
  /** Nothing outside of the session's own memory. */
  | { readonly kind: "inward" }
  /** The agent wants words of a person: an answer, or a yes to its plan. */
  | { readonly kind: "for-a-person"; readonly what: string }
  /** No rule can name it. */
  | { readonly kind: "beyond-rules"; readonly because: string }
  /** It makes no sense, and so cannot be judged. */
  | { readonly kind: "unreadable"; readonly because: string };

/** Reads a call; what it does not know is `beyond-rules`. */
export function readCall(call: ToolCall, ground: ToolGround): Asking {
  const reader = Object.hasOwn(readers, call.tool) ? readers[call.tool] : undefined;
  if (reader !== undefined) return reader(call, ground);
  if (inward.has(call.tool)) return { kind: "inward" };
  const forPerson = Object.hasOwn(forPeople, call.tool) ? forPeople[call.tool] : undefined;
  if (forPerson !== undefined) return { kind: "for-a-person", what: forPerson };
  const what = call.tool.startsWith("mcp__")
    ? "a tool of an MCP server"
    : "no tool that rules name";
  return { kind: "beyond-rules", because: `${JSON.stringify(call.tool)} is ${what}` };
}

// Lists of its own tasks, and what its own earlier commands have printed.
const inward: ReadonlySet<string> = new Set([
  "BashOutput",
  "EnterPlanMode",
  "KillBash",
  "KillShell",
  "TaskCreate",
  "TaskGet",
  "TaskList",
  "TaskOutput",
  "TaskStop",
  "TaskUpdate",
  "TodoRead",
  "TodoWrite",
  "ToolSearch",
]);

const forPeople: Readonly<Record<string, string>> = {
  AskUserQuestion: "Claude asks a question",
  ExitPlanMode: "Claude shows a plan and asks whether to go on",
};

type Reader = (call: ToolCall, ground: ToolGround) => Asking;

const readers: Readonly<Record<string, Reader>> = {
  Bash: readCommand,
  Read: fileReader("file_path", "read"),
  NotebookRead: fileReader("notebook_path", "read"),
  LS: fileReader("path", "read"),
  Write: fileReader("file_path", "edit"),
  Edit: fileReader("file_path", "replace"),
  MultiEdit: fileReader("file_path", "replace"),
  NotebookEdit: fileReader("notebook_path", "replace"),
  Glob: readGlob,
  Grep: readGrep,
  WebFetch: readFetch,
  WebSearch: () => one({ kind: "domain", domain: anyDomain }),
  SandboxNetworkAccess: readHost,
  Agent: readAgent,
  Task: readAgent,
};

/** A search may name any page of the web: only a rule for every domain covers it. */
export const anyDomain = "*";

const commandSchema = z.object({
  command: z.string().min(1),
  dangerouslyDisableSandbox: z.boolean().optional(),
});

function readCommand(call: ToolCall, ground: ToolGround): Asking {
  const input = commandSchema.safeParse(call.input).data;
  if (input === undefined) return unreadable("Bash without a command");
  if (input.dangerouslyDisableSandbox === true) {
    return {
      kind: "beyond-rules",
      because: "the command wants to leave Claude Code's own sandbox",
    };
  }
  const cwd = locate(".", call, ground);
  if (cwd === null || input.command.includes("\0")) return unreadable("a NUL character");
  return one({ kind: "command", command: input.command, cwd, fed: false, hasEnv: false });
}

function fileReader(field: string, kind: "read" | "edit" | "replace"): Reader {
  return (call, ground) => {
    const name = z.string().min(1).safeParse(call.input[field]).data;
    if (name === undefined) return unreadable(`${call.tool} without ${field}`);
    const place = locate(name, call, ground);
    return place === null ? unreadable("a NUL character") : one({ kind, path: place });
  };
}

const globSchema = z.object({ pattern: z.string().min(1), path: z.string().optional() });

function readGlob(call: ToolCall, ground: ToolGround): Asking {
  const input = globSchema.safeParse(call.input).data;
  if (input === undefined) return unreadable("Glob without a pattern");
  const names = input.pattern.split("/");
  const magic = names.findIndex((name) => /[*?[\]{}()!+@\\]/.test(name));
  const fixed = magic === -1 ? names : names.slice(0, magic);
  const free = magic === -1 ? [] : names.slice(magic);
  // `{a,../b}` climbs as well as a plain `..` does.
  if (free.some((name) => name.includes("..")) || /\{[^}]*\//.test(input.pattern)) {
    return { kind: "beyond-rules", because: "the pattern may climb out of its folder" };
  }
  const base = locate(input.path ?? ".", call, ground);
  if (base === null) return unreadable("a NUL character");
  const below = fixed.join("/");
  const start = input.pattern.startsWith("/") && below === "" ? "/" : below;
  const place = start === "" ? base : locate(start, { ...call, cwd: base }, ground);
  return place === null ? unreadable("a NUL character") : one({ kind: "read", path: place });
}

const grepSchema = z.object({ path: z.string().optional() });

function readGrep(call: ToolCall, ground: ToolGround): Asking {
  const input = grepSchema.safeParse(call.input).data;
  if (input === undefined) return unreadable("Grep with a path that is no text");
  const place = locate(input.path ?? ".", call, ground);
  return place === null ? unreadable("a NUL character") : one({ kind: "read", path: place });
}

function readFetch(call: ToolCall): Asking {
  const text = z.string().safeParse(call.input["url"]).data ?? "";
  const url = URL.parse(text) ?? URL.parse(`https://${text}`);
  if (url === null || url.hostname === "" || !/^https?:$/.test(url.protocol)) {
    return unreadable(`${JSON.stringify(text.slice(0, 200))} is no address of the web`);
  }
  return one({ kind: "domain", domain: url.hostname });
}

/** Claude Code's own sandbox, where the user has it on, asks for a host. */
function readHost(call: ToolCall): Asking {
  const host = z.string().min(1).max(253).safeParse(call.input["host"]).data;
  return host === undefined ? unreadable("no host") : one({ kind: "domain", domain: host });
}

function readAgent(call: ToolCall, ground: ToolGround): Asking {
  if (call.input["isolation"] !== undefined) {
    return { kind: "beyond-rules", because: "an agent in a place of its own" };
  }
  const name = z.string().min(1).safeParse(call.input["subagent_type"]).data ?? "general-purpose";
  const cwd = locate(".", call, ground);
  return cwd === null ? unreadable("a NUL character") : one({ kind: "agent", name, cwd });
}

function one(question: Question): Asking {
  return { kind: "questions", questions: [question] };
}

function unreadable(because: string): Asking {
  return { kind: "unreadable", because };
}

/** The one absolute path that a name stands for, by the roots' real paths; null with a NUL. */
function locate(name: string, call: ToolCall, { home, roots, cwd }: ToolGround): string | null {
  if (name.includes("\0")) return null;
  const from = path.resolve(cwd, call.cwd);
  const absolute = path.resolve(from, expandHome(name, home));
  const root = roots
    .filter(({ named }) => isWithin(absolute, named))
    .toSorted((a, b) => b.named.length - a.named.length)[0];
  return root === undefined ? absolute : path.join(root.path, absolute.slice(root.named.length));
}
