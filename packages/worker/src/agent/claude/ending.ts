// What the end of a claude process means, as a report: in words that a person can act on.

import { reportOf, type Report } from "@openclaw-worker/protocol";
import type { ClaudeWish } from "./argv.ts";
import type { Talk } from "./talk.ts";
import type { ClaudeResult } from "./wire.ts";

/** Why we ended it before its own end. */
export type ClaudeCut = "cancelled" | "timeout" | "silent" | "unauthorized" | "unasked";

export interface Ending {
  readonly wish: ClaudeWish;
  readonly talk: Talk;
  readonly cut: ClaudeCut | null;
  /** Its exit code, when it ended before it said how. */
  readonly exitCode: number | null;
  readonly stderr: string;
  readonly silenceMs: number;
}

const words = {
  signedOut: "Claude Code is not signed in on this computer",
  signIn:
    "In a terminal on this computer, as the worker's user: claude auth login. Where the worker " +
    "cannot see that login (a macOS service): claude setup-token, and give the worker its token",
  missing: "Claude Code could not be started",
  install:
    "Install it on this computer, or name its program in the worker's settings, then try again",
  overloaded: "The model is overloaded",
  unasked: "Claude Code ran a tool without asking this worker, and was ended",
  hooksOff:
    "Its settings on this computer switch hooks off (disableAllHooks, allowManagedHooksOnly): this " +
    "worker cannot drive it safely like that",
  later: "Try again later, or name a fallback model",
} as const;

/** Every end is a report; none throws. */
export function reportEnding(ending: Ending): Report {
  const { cut, talk, wish } = ending;
  // A result that came before the interrupt did is an end of its own.
  const { result } = talk;
  const isWhole = result !== null && !result.is_error && cut !== "unasked";
  if (result !== null && (cut === null || isWhole)) return reportResult(result, ending);
  const said = { stdout: talk.lastText };
  const again = `The session ${wish.sessionId} can be resumed`;
  switch (cut) {
    case "cancelled":
      return { ...reportOf("cancelled", "Cancelled"), ...said, hint: again };
    case "timeout":
      return {
        ...reportOf("timeout", `Timeout after ${wish.timeoutMs} ms`),
        ...said,
        hint: `${again}, with a longer timeout`,
      };
    case "silent":
      return {
        ...reportOf("timeout", `Claude said nothing for ${ending.silenceMs} ms`),
        ...said,
        hint: `Look at this computer's connection to the model's API. ${again}`,
      };
    case "unauthorized":
      return { ...reportOf("failed", words.signedOut), hint: words.signIn };
    case "unasked":
      return { ...reportOf("failed", words.unasked), ...said, hint: words.hooksOff };
    case null:
      return reportSilentEnd(ending);
  }
}

function reportResult(result: ClaudeResult, ending: Ending): Report {
  const { talk } = ending;
  if (!result.is_error) {
    const stdout = result.result ?? talk.lastText;
    return { stdout, stderr: "", exitCode: 0, error: null, outcome: "done" };
  }
  const stopped = stopSentence(result, ending);
  if (stopped !== null) {
    return {
      stdout: talk.lastText,
      stderr: "",
      exitCode: 1,
      outcome: "done",
      error: stopped,
      hint: `The session ${ending.wish.sessionId} can be resumed`,
    };
  }
  const said = [result.result, ...(result.errors ?? [])].filter(Boolean).join("\n");
  return reportFailure(said, ending);
}

/** It ran, and stopped at a limit that the task set; null when that is not what happened. */
function stopSentence({ subtype, num_turns: turns }: ClaudeResult, ending: Ending): string | null {
  const { maxTurns, maxBudgetUsd } = ending.wish;
  if (subtype === "error_max_turns") return `Claude stopped after ${maxTurns ?? turns} turns`;
  if (subtype === "error_max_budget_usd") return `Claude stopped at the budget of $${maxBudgetUsd}`;
  return null;
}

/** It ended without a result: it could not begin, or it was killed. */
function reportSilentEnd(ending: Ending): Report {
  const { talk, exitCode, stderr } = ending;
  if (exitCode === 127 && !talk.answered) {
    return missingReport(ending.wish.program, stderr.trim());
  }
  const said = [...talk.noise, stderr.trim()].filter(Boolean).join("\n");
  const sentence = `Claude Code ended without a result (exit code ${exitCode})`;
  return reportFailure(said === "" ? sentence : `${sentence}: ${said}`, ending);
}

/** The program is not there, or is none. */
export function missingReport(program: string, because: string): Report {
  const why = because === "" ? "" : `: ${because}`;
  return { ...reportOf("failed", `${words.missing} (${program})${why}`), hint: words.install };
}

function reportFailure(said: string, { talk, wish }: Ending): Report {
  const status = talk.result?.api_error_status ?? null;
  const failed = (error: string, hint: string): Report => ({
    ...reportOf("failed", error),
    stdout: "",
    stderr: said,
    hint,
  });
  if (/No conversation found with session ID/i.test(said)) {
    return failed(
      `Claude has no session ${wish.sessionId} of the folder ${wish.cwd}`,
      "List this computer's sessions; one is only found from the folder that it was begun in",
    );
  }
  if (/Session ID \S+ is already in use/i.test(said)) {
    return failed(
      `Claude has a session ${wish.sessionId} already`,
      "Resume it, or take a new session id",
    );
  }
  const signedOut =
    /not logged in|invalid api key|please run \/login|authentication_error|oauth token/i;
  if (status === 401 || talk.apiError === "authentication_failed" || signedOut.test(said)) {
    return failed(words.signedOut, words.signIn);
  }
  if (status === 529 || /\b529\b|overloaded/i.test(said)) {
    return failed(words.overloaded, words.later);
  }
  if (status === 429 || talk.apiError === "rate_limit") {
    return failed("The account's limit at the model's API is reached", "Try again later");
  }
  if (talk.apiError === "billing_error") {
    return failed(
      "The model's API refuses for reasons of billing",
      "Look at the account's billing",
    );
  }
  return failed(said === "" ? "Claude Code failed and did not say why" : said.slice(0, 2_000), "");
}
