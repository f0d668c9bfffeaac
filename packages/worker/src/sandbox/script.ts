// The shell text that runs inside a cage before a task does.
//
// A warm cage waits in the first stage: it says `r` on file descriptor 3 and reads a message. That
// is the second stage: it enters the folder, says `s` (or `c` when there is no such folder), closes
// the descriptor, and becomes the task. Everything the host puts into
// these texts is single-quoted, so the shell never interprets it.

import { never } from "@openclaw-worker/base";
import type { Placed } from "../job.ts";
import type { ProcessLimits } from "./limits.ts";

export type ProcessTask = Extract<Placed, { readonly kind: "command" | "exec" }>;

export interface FirstStage {
  /** Environment of every task in this cage. */
  readonly variables: Readonly<Record<string, string>>;
  readonly limits: ProcessLimits;
}

/** What a cage runs while it waits. It starts no program but `mkdir`, once. */
export function firstStage(stage: FirstStage): string {
  const exports = Object.entries(stage.variables).map(
    ([name, value]) => `export ${name}=${quote(value)}`,
  );
  return [
    // A descriptor that somebody left open across exec would be a way out of the cage.
    "for f in /proc/self/fd/*; do f=${f##*/};",
    'case $f in 0|1|2|3|255) ;; *) eval "exec $f>&-" ;; esac; done; unset f',
    ...limitLines(stage.limits),
    "unset OLDPWD",
    ...exports,
    '[ -d "$HOME" ] || /usr/bin/mkdir -p -m 700 -- "$HOME"',
    // The shell's own `read` starts no program, so a waiting cage is one process. Without the NUL
    // at its end this is half a message, of a worker that died while it wrote.
    "printf r >&3; IFS= read -r -d '' -u 3 s || exit 125",
    'eval "$s"',
  ].join("\n");
}

/** The shell's own words for the limits; hard ones, so that nobody in the cage can raise them. */
function limitLines(limits: ProcessLimits): readonly string[] {
  const { processes, fileKib, openFiles, dataKib } = limits;
  return [
    // A lower limit that the machine has already stays.
    'lower() { [ "$(ulimit -H "$1")" != unlimited ] && [ "$(ulimit -H "$1")" -le "$2" ] || ulimit "$1" "$2"; }',
    "ulimit -c 0",
    ...(processes === null ? [] : [`lower -u ${processes}`]),
    ...(fileKib === null ? [] : [`lower -f ${fileKib}`]),
    `lower -n ${openFiles}`,
    `lower -d ${dataKib}`,
    "unset -f lower",
    // When the machine runs out of memory after all, the kernel ends tasks before the worker.
    "{ printf 1000 >/proc/self/oom_score_adj; } 2>/dev/null",
  ];
}

/**
 * What turns a waiting cage into the task, or a sentence why that cannot be. A command runs in the
 * waiting bash itself, as `bash --noprofile --norc -c` would run it.
 */
export function secondStage(
  task: ProcessTask,
  cwd: string,
): { readonly script: string } | { readonly impossible: string } {
  const env = Object.entries(task.env ?? {});
  const words = task.kind === "exec" ? task.argv : [task.command];
  if ([cwd, ...words, ...env.map(([, value]) => value)].some((text) => text.includes("\0"))) {
    return { impossible: "The task contains a NUL character, which no program can be given" };
  }
  const special = env.filter(([name]) => bashOwns(name));
  if (special.length > 0 && task.kind === "exec" && task.argv[0]?.includes("=")) {
    return { impossible: "A program whose name contains '=' cannot be given these variables" };
  }
  const regular = env.filter(([name]) => !bashOwns(name));
  const script = [
    ...(task.stdin === undefined ? ["exec </dev/null"] : []),
    `cd -- ${quote(cwd)} 2>/dev/null || { printf c >&3; exit 1; }`,
    "printf s >&3; exec 3>&-; unset s OLDPWD",
    ...regular.map(([name, value]) => `export ${name}=${quote(value)}`),
    become(task, special),
  ].join("\n");
  return { script };
}

function become(task: ProcessTask, special: readonly (readonly [string, string])[]): string {
  const env =
    special.length === 0
      ? ""
      : `/usr/bin/env -- ${special.map(([name, value]) => quote(`${name}=${value}`)).join(" ")} `;
  switch (task.kind) {
    case "command":
      if (env === "") return `eval -- ${quote(task.command)}`;
      return `exec ${env}/bin/bash --noprofile --norc -c ${quote(task.command)}`;
    case "exec":
      return `exec ${env === "" ? "-- " : env}${task.argv.map(quote).join(" ")}`;
    default:
      return never(task);
  }
}

/** The bytes that hand a second stage to a waiting cage, after which the channel ends. */
export function messageOf(script: string): string {
  if (script.length <= readableMax) return `${script}\0`;
  // `read` takes one byte at a time from a pipe; a long script comes through `cat`.
  const test = `case $s in *${quote(endOfScript)}) ;; *) exit 125 ;; esac`;
  return `s=$(exec /usr/bin/cat <&3); ${test}; eval "$s"\0${script}${endOfScript}`;
}

/** Longer scripts than this are quicker through `cat`. */
const readableMax = 4_096;
/** A comment, to the shell. Has no newline at its end, because $(…) drops those. */
const endOfScript = "\n#openclaw-worker: this is the end of the task";

/** Variables that bash sets, refuses or obeys by itself: they are given to a new process instead. */
function bashOwns(name: string): boolean {
  return /^(BASH.*|COMP_.*|DIRSTACK|E?UID|EPOCH.*|FUNCNAME|GROUPS|HIST.*|IFS|LINENO|MAIL.*|OLDPWD|OPT.*|PIPESTATUS|POSIXLY_CORRECT|PPID|PS[0-4]|PWD|S?RANDOM|SECONDS|SHELLOPTS|SHLVL|_)$/.test(
    name,
  );
}

/** `text` as one word of a POSIX shell, taken literally (POSIX.1-2024, 2.2.2). */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
