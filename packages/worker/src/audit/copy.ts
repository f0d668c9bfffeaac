// Sends the log to the server, which keeps a copy and is its witness: what was copied cannot be
// changed here any more without being seen there. It costs tasks nothing: it goes its own way, at most
// once a second, and only when there is something new.

import { createBackoff, messageOf, type Clock, type Log } from "@openclaw-worker/base";
import type { AuditCopy } from "@openclaw-worker/protocol";
import type { Audit } from "./log.ts";

/** The server's answer: how many entries it has; `alarm` says what does not fit. */
export interface Copied {
  readonly size: number;
  readonly alarm: string | null;
}

export interface CopyParts {
  readonly audit: Audit;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** Null: the server did not take it now. */
  readonly send: (copy: AuditCopy, signal: AbortSignal) => Promise<Copied | null>;
}

const pauseMs = 1_000;
const firstRetryMs = 1_000;
const longestRetryMs = 60_000;
const entriesMax = 1_000;
const bytesMax = 1_048_576;

/** Copies until the signal is aborted. Never rejects. */
export async function copyAudit(parts: CopyParts, signal: AbortSignal): Promise<void> {
  const { audit, clock, log, random } = parts;
  const backoff = createBackoff({
    clock,
    firstMs: firstRetryMs,
    longestMs: longestRetryMs,
    random,
  });
  // Where the server is, it says itself: the first message only asks.
  let theirs: number | null = null;
  let alarm: string | null = null;
  while (!signal.aborted) {
    if (theirs !== null) await news(audit, theirs, signal);
    if (signal.aborted) return;
    const answer: Copied | null = await step(parts, theirs, signal).catch((thrown: unknown) => {
      log.warn(`the audit log could not be copied: ${messageOf(thrown)}`);
      return null;
    });
    const moved = answer !== null && (theirs === null || answer.size > theirs);
    if (answer !== null) {
      const found = problemOf(answer, audit.size(), theirs);
      if (found !== null && found !== alarm) raise(found, parts);
      [theirs, alarm] = [answer.size, found];
    }
    // A server that takes nothing is not asked in a hurry, whatever it answers.
    if (moved && alarm === null) backoff.reset();
    const wait = moved && alarm === null ? clock.sleep(pauseMs, signal) : backoff.wait(signal);
    await wait.catch(() => {});
  }
}

async function step(
  { audit, send }: CopyParts,
  theirs: number | null,
  signal: AbortSignal,
): Promise<Copied | null> {
  const size = audit.size();
  const from = Math.min(theirs ?? size, size);
  const entries = theirs === null ? [] : await audit.page({ from, entriesMax, bytesMax });
  const to = from + entries.length;
  const consistency = [...audit.consistency(from, to)];
  return send({ from, entries: [...entries], head: audit.head(to), consistency }, signal);
}

/** Resolves when there is something that the server does not have. */
async function news(audit: Audit, theirs: number, signal: AbortSignal): Promise<void> {
  if (audit.size() !== theirs) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = (): void => resolve();
  signal.addEventListener("abort", stop, { once: true });
  using _following = audit.follow(() => {
    if (audit.size() !== theirs) resolve();
  });
  await promise;
  signal.removeEventListener("abort", stop);
}

function problemOf(answer: Copied, size: number, before: number | null): string | null {
  if (answer.alarm !== null) return `the server says of our audit log: ${answer.alarm}`;
  if (before !== null && answer.size < before) {
    return `the server had ${before} entries of our audit log, and says now that it has ${answer.size}`;
  }
  return answer.size > size
    ? `the server says that our audit log has ${answer.size} entries, and it has ${size}: it was cut here, or the server lies`
    : null;
}

function raise(found: string, { audit, log }: CopyParts): void {
  log.error(`AUDIT ALARM: ${found.slice(0, 1_000)}. Look: openclaw-worker audit verify --server`);
  audit.note("refused", { what: "audit copy", because: found });
}
