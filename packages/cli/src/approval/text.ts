// What a person is shown before they say yes: what the digest covers (of what a task brings, variables
// and input, by its own digest), and nothing that could steer the terminal or look like something else.

import { never } from "@openclaw-worker/base";
import type { ApprovalRequest, Deed } from "@openclaw-worker/protocol";
import { durationText } from "../duration.ts";
import type { Paint } from "../paint.ts";

/** An approval as both sources (this computer's worker, the server) give it. */
export interface Shown {
  readonly request: ApprovalRequest;
  readonly digest: string;
  /** The submitter's own words, or null. */
  readonly reason: string | null;
  /** Who signed the task; null: nobody did. Absent: this side does not know. */
  readonly submitter?: string | null;
}

/**
 * Text in which every character that cannot be seen, or looks like another, is written ‹U+202E›.
 * The sign ‹ itself is written so too: two different texts never look alike.
 */
export function escaped(text: string): string {
  return text.replaceAll(unseen, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    return `‹U+${code}›`;
  });
}

// Controls and formats (bidi, zero width), separators but the plain space, private and unassigned
// characters, lone surrogates, combining marks, fillers that print as nothing, and ‹ itself.
const unseen = /[\p{C}\p{M}\u2028\u2029\u115F\u1160\u3164\uFFA0\u2800‹]|(?! )\p{Z}/gu;

/** The deed as lines: each is escaped; a line break in it is a line here. */
export function deedLines(deed: Deed): readonly string[] {
  switch (deed.kind) {
    case "command":
      return escapedLines(deed.command);
    case "exec":
      return [
        deed.argv
          .map((word) => JSON.stringify(word))
          .map(escaped)
          .join(" "),
      ];
    case "read":
    case "list":
      return [`${deed.kind} ${escaped(deed.path)}`];
    case "write":
      return [`write ${escaped(deed.path)}`, `${deed.bytes} bytes, SHA-256 ${deed.sha256}`];
    case "edit": {
      const every = deed.replaceAll ? " (every place)" : "";
      return [
        `edit ${escaped(deed.path)}${every}`,
        ...escapedLines(deed.oldString).map((line) => `- ${line}`),
        ...escapedLines(deed.newString).map((line) => `+ ${line}`),
      ];
    }
    case "tool":
      return [`${escaped(deed.agent)} wants ${escaped(deed.tool)}`, ...escapedLines(deed.input)];
    default:
      return never(deed);
  }
}

/** One line for lists; a long one is cut and says so. */
export function deedSummary(deed: Deed, width: number): string {
  const [first = "", ...more] = deedLines(deed);
  const text = more.length === 0 ? first : `${first} … (${more.length + 1} lines)`;
  return text.length > width ? `${text.slice(0, Math.max(1, width - 1))}…` : text;
}

/** The whole approval, for a terminal or a pipe. */
export function approvalText(shown: Shown, { now, paint }: { now: number; paint: Paint }): string {
  const { request, digest, reason } = shown;
  const { cage, deed } = request;
  const lines = deedLines(deed);
  const size = lengthOf(deed);
  const rows: readonly (readonly [string, string])[] = [
    ["on", `${escaped(request.worker)}, in ${escaped(request.cwd)}`],
    ["cage", cageText(cage)],
    ...listed("may write", cage.write),
    ...listed("may read", cage.read),
    ...listed("may reach", cage.domains),
    ...Object.entries(request.env).map(
      ([name, sha256]) =>
        ["variable", `${escaped(name)} (SHA-256 of its value ${sha256})`] as const,
    ),
    ...(request.stdin === null ? [] : [["stdin", `SHA-256 ${request.stdin}`] as const]),
    ...request.files.map(
      ({ path, sha256 }) => ["file", `${escaped(path)} (SHA-256 ${sha256})`] as const,
    ),
    ...(shown.submitter === undefined ? [] : [["from", signerText(shown.submitter)] as const]),
    ["rule", request.rule === null ? "the policy's default" : escaped(request.rule)],
    ["task", `${request.taskId}, attempt ${request.attempt}`],
    ...(reason === null
      ? []
      : [["they say", `“${escaped(reason)}” (the submitter's words, unproved)`] as const]),
    ["digest", digest],
    ["ends in", durationText(Math.max(0, request.expiresAt - now))],
  ];
  const body = lines.map((line) => `  ${paint.bold(line)}\n`).join("");
  const about = rows.map(([name, text]) => `  ${paint.dim(name.padEnd(10))} ${text}\n`).join("");
  return `${body}  ${paint.dim(`${deed.kind}, ${size} characters`)}\n${about}`;
}

function signerText(submitter: string | null): string {
  return submitter === null ? "nobody signed it" : `${escaped(submitter)}, who signed it`;
}

function cageText(cage: ApprovalRequest["cage"]): string {
  if (cage.outside) return "NONE: it would run outside of the cage, with all that you may do";
  return cage.domains.length === 0 ? "yes, without network" : "yes, with network";
}

function listed(name: string, values: readonly string[]): readonly (readonly [string, string])[] {
  return values.length === 0 ? [] : [[name, values.map(escaped).join(", ")]];
}

function lengthOf(deed: Deed): number {
  switch (deed.kind) {
    case "command":
      return deed.command.length;
    case "exec":
      return deed.argv.join(" ").length;
    case "tool":
      return deed.input.length;
    case "edit":
      return deed.oldString.length + deed.newString.length;
    case "read":
    case "list":
    case "write":
      return deed.path.length;
    default:
      return never(deed);
  }
}

function escapedLines(text: string): readonly string[] {
  return text.split("\n").map(escaped);
}
