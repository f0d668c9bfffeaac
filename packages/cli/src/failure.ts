import { messageOf } from "@openclaw-worker/base";
import type { Paint } from "./paint.ts";

/** Exit codes of our own; a program's own code is passed through. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 69,
  cancelled: 130,
} as const;

export interface FailureOptions {
  readonly why: string;
  /** What to do about it; a command is shown as it is typed. */
  readonly remedy: string;
  readonly exitCode?: number;
  readonly cause?: unknown;
}

/** Ends a command: what happened, why, and what to do, in words for a person. */
export class Failure extends Error {
  readonly why: string;
  readonly remedy: string;
  readonly exitCode: number;

  constructor(what: string, options: FailureOptions) {
    super(what, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "Failure";
    this.why = options.why;
    this.remedy = options.remedy;
    this.exitCode = options.exitCode ?? exitCodes.failed;
  }
}

export function usageFailure(what: string, why: string, remedy: string): Failure {
  return new Failure(what, { why, remedy, exitCode: exitCodes.usage });
}

/** The three lines, ready to print. */
export function failureText(failure: Failure, paint: Paint): string {
  const indented = (text: string): string => text.replaceAll("\n", "\n       ");
  return (
    `${paint.red(failure.message)}\n` +
    `  why: ${indented(failure.why)}\n` +
    `  do:  ${indented(failure.remedy)}\n`
  );
}

/** Whatever was thrown, as a Failure. Known failures of other packages keep their own words. */
export function toFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  if (isTold(thrown)) {
    const [what = thrown.message] = thrown.message.split(": ");
    const exitCode = thrown.code === "unreachable" ? exitCodes.unreachable : exitCodes.failed;
    return new Failure(what, { why: thrown.why, remedy: thrown.remedy, exitCode, cause: thrown });
  }
  return new Failure("Something went wrong", {
    why: messageOf(thrown),
    remedy: "Run `openclaw-worker doctor`; if it finds nothing, report this as a bug.",
    cause: thrown,
  });
}

interface Told {
  readonly message: string;
  readonly code: string;
  readonly why: string;
  readonly remedy: string;
}

// The client's errors, known by their shape: importing its class would load it for every command.
function isTold(thrown: unknown): thrown is Error & Told {
  return (
    thrown instanceof Error &&
    "code" in thrown &&
    typeof thrown.code === "string" &&
    "why" in thrown &&
    typeof thrown.why === "string" &&
    "remedy" in thrown &&
    typeof thrown.remedy === "string"
  );
}
