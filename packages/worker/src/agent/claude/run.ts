// One task of Claude Code: one process of the user's own, unmodified program, every tool call of
// which goes through the gate.

import { messageOf, type Clock } from "@openclaw-worker/base";
import { reportOf, type Report } from "@openclaw-worker/protocol";
import type { AgentEvent, Gate } from "../call.ts";
import type { AgentProcess, StartAgent } from "../program.ts";
import { startStopwatch } from "../stopwatch.ts";
import { argvOf, type ClaudeWish } from "./argv.ts";
import { costOf, type Costs } from "./cost.ts";
import { missingReport, reportEnding, type ClaudeCut } from "./ending.ts";
import { dismiss, endsSoon, endsWithin } from "./stop.ts";
import { Talk } from "./talk.ts";

export type { ClaudeWish };

export interface ClaudeParts {
  /** Starts the program, in whatever cage it belongs. */
  readonly start: StartAgent;
  readonly gate: Gate;
  /** For a live view; must not throw. */
  readonly tell: (event: AgentEvent) => void;
  readonly costs: Costs;
  readonly clock: Clock;
  /** Aborted: the turn is interrupted, then the process is ended. */
  readonly signal: AbortSignal;
}

// A model that thinks still streams; a minute without a byte is a dead connection, five are certain.
const silenceMsDefault = 300_000;
const drainMs = 500;

/**
 * Runs one prompt to its end and never throws. `stdout` is Claude's final text; `metadata` is
 * {agent, sessionId, model, numTurns, costUsd, usage, denials}, where `costUsd` is this task's own,
 * or null when it ended without saying. Resolves when the process is gone, so that the next task of
 * the session may start; one at a time is the caller's to keep (order.ts).
 */
export async function runClaude(wish: ClaudeWish, parts: ClaudeParts): Promise<Report> {
  const { clock } = parts;
  const startedAt = clock.now();
  const begin = clock.monotonic();
  const report = await attempt(wish, parts).catch((thrown: unknown) =>
    reportOf("failed", `The worker could not run Claude Code: ${messageOf(thrown)}`),
  );
  return { ...report, startedAt, durationMs: Math.max(0, clock.monotonic() - begin) };
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

async function attempt(wish: ClaudeWish, parts: ClaudeParts): Promise<Report> {
  if (parts.signal.aborted) return reportOf("cancelled", "Cancelled");
  if (!uuid.test(wish.sessionId)) {
    return {
      ...reportOf("failed", `${JSON.stringify(wish.sessionId)} is no session id of Claude Code`),
      hint: "It is a UUID, or the first characters of one that this computer has",
    };
  }
  let child: AgentProcess;
  try {
    child = await parts.start(argvOf(wish), wish.env, wish.cwd);
  } catch (thrown) {
    return missingReport(wish.program, messageOf(thrown));
  }
  let gently = false;
  try {
    const { report, hasResult } = await converse(wish, parts, child);
    gently = hasResult;
    return report;
  } finally {
    await dismiss(child, parts.clock, { gently });
  }
}

async function converse(
  wish: ClaudeWish,
  parts: ClaudeParts,
  child: AgentProcess,
): Promise<{ readonly report: Report; readonly hasResult: boolean }> {
  const { clock, signal } = parts;
  const silenceMs = wish.silenceMs ?? silenceMsDefault;
  const cutting = Promise.withResolvers<ClaudeCut>();
  using running = startStopwatch(clock, wish.timeoutMs, () => cutting.resolve("timeout"));
  using silence = startStopwatch(clock, silenceMs, () => cutting.resolve("silent"));
  const cancelled = (): void => cutting.resolve("cancelled");
  signal.addEventListener("abort", cancelled, { once: true });
  if (signal.aborted) cancelled();
  const talk = new Talk({
    child,
    prompt: wish.prompt,
    gate: parts.gate,
    tell: parts.tell,
    onLine: () => silence.restart(),
    onBusy(what, busy) {
      for (const watch of what === "deciding" ? [running, silence] : [silence]) {
        if (busy) watch.pause();
        else watch.resume();
      }
    },
    onUnauthorized: () => cutting.resolve("unauthorized"),
    onUnasked: () => cutting.resolve("unasked"),
  });
  const said = talk.begin();
  // Something that it started may hold its output open for ever.
  const gone = child.exited.then(() => endsWithin(said, clock, drainMs));
  const ended = Promise.race([said, gone]).then(() => null);
  const cut = await Promise.race([ended, cutting.promise]);
  signal.removeEventListener("abort", cancelled);
  if (cut !== null) {
    talk.interrupt();
    await endsSoon(ended, clock);
  }
  const hasResult = talk.result !== null;
  const knowsExit = cut === null && !hasResult && (await endsSoon(child.exited, clock));
  const exitCode = knowsExit ? await child.exited : null;
  const stderr = child.stderr();
  const report = reportEnding({ wish, talk, cut, exitCode, stderr, silenceMs });
  return { report: { ...report, metadata: metadataOf(wish, talk, parts.costs) }, hasResult };
}

function metadataOf(wish: ClaudeWish, talk: Talk, costs: Costs): Record<string, unknown> {
  const { result } = talk;
  const { sessionId } = wish;
  const cost = result === null ? null : costOf(result, costs.read(sessionId));
  if (cost?.mark != null) costs.write(sessionId, cost.mark);
  const ours = new Set(talk.denials.map(({ toolUseId }) => toolUseId));
  const theirs = (result?.permission_denials ?? [])
    .filter(({ tool_use_id: id }) => !ours.has(id))
    .map(({ tool_name: tool, tool_use_id: toolUseId }) => ({
      tool,
      toolUseId,
      why: "Claude Code's own settings refuse it",
    }));
  return {
    agent: "claude",
    sessionId,
    model: talk.model === "" ? null : talk.model,
    numTurns: result?.num_turns ?? null,
    costUsd: cost?.costUsd ?? null,
    usage: result?.usage ?? null,
    denials: [...talk.denials, ...theirs],
  };
}
