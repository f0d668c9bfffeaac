// The live list on a terminal, and what it is where there is none: one text for each that comes up.

import { messageOf } from "@openclaw-worker/base";
import type { Grant, Verdict } from "@openclaw-worker/protocol";
import { exitCodes } from "../failure.ts";
import type { Host } from "../host.ts";
import { paintOf } from "../paint.ts";
import {
  openScreen,
  press,
  screenLines,
  withNote,
  withSize,
  withWaiting,
  type Screen,
} from "./screen.ts";
import { approvalText, escaped, type Shown } from "./text.ts";

export interface Choice {
  readonly verdict: Verdict;
  readonly grant: Grant | null;
}

/** Where approvals come from and decisions go: this computer's worker, or the server. */
export interface ApprovalSource {
  /** All that wait, again after each change, until the signal is aborted. Throws when it is lost. */
  watch(signal: AbortSignal): AsyncIterable<readonly Shown[]>;
  /** Resolves with a sentence about what became of it; rejects with why it could not be said. */
  decide(shown: Shown, choice: Choice): Promise<string>;
}

/** Shows what waits until the person leaves. Resolves with the exit code. */
export async function liveList(host: Host, source: ApprovalSource): Promise<number> {
  const ended = new AbortController();
  const signal = AbortSignal.any([host.signal, ended.signal]);
  let screen = openScreen(sizeOf(host));
  const draw = drawing(host);
  const show = (next: Screen): void => {
    screen = next;
    draw(screen);
  };
  const now = (): number => host.clock.now();
  const decide = async (shown: Shown, choice: Choice): Promise<void> => {
    const told = await source.decide(shown, choice).catch(messageOf);
    show(withNote(screen, escaped(told)));
  };
  const watching = (async () => {
    for await (const waiting of source.watch(signal)) show(withWaiting(screen, waiting, now()));
  })();
  const typing = (async () => {
    for await (const key of host.stdin.keys(signal)) {
      const step = press(withSize(screen, sizeOf(host), now()), key, now());
      show(step.screen);
      if (step.wish.kind === "quit") return;
      if (step.wish.kind === "decide") void decide(step.wish.shown, step.wish);
    }
  })();
  host.stdout.write(enter);
  try {
    // Times run down on the screen.
    using _ticking = host.clock.every(1_000, () => show(withSize(screen, sizeOf(host), now())));
    await Promise.race([watching, typing]);
    return exitCodes.ok;
  } catch (thrown) {
    if (host.signal.aborted) return exitCodes.ok;
    throw thrown;
  } finally {
    ended.abort();
    await Promise.allSettled([watching, typing]);
    host.stdout.write(leave);
  }
}

/** Prints each that comes up, once: as text, or as one JSON object a line. */
export async function followList(
  host: Host,
  source: ApprovalSource,
  { json }: { readonly json: boolean },
): Promise<number> {
  const told = new Set<string>();
  const paint = paintOf(host, host.stdout);
  try {
    for await (const waiting of source.watch(host.signal)) {
      for (const shown of waiting.filter(({ request }) => !told.has(request.id))) {
        told.add(shown.request.id);
        const text = approvalText(shown, { now: host.clock.now(), paint });
        host.stdout.write(json ? `${JSON.stringify(shown)}\n` : `${shown.request.id}\n${text}\n`);
      }
    }
  } catch (thrown) {
    if (!host.signal.aborted) throw thrown;
  }
  return exitCodes.ok;
}

// The other screen of the terminal (xterm's 1049): what stood there before comes back.
const enter = "\u001B[?1049h\u001B[?25l";
const leave = "\u001B[?25h\u001B[?1049l";

/** Writes only when something changed: a terminal over a thin line does not flicker. */
function drawing(host: Host): (screen: Screen) => void {
  const paint = paintOf(host, host.stdout);
  let before = "";
  return (screen) => {
    const lines = screenLines(screen, host.clock.now(), paint);
    const text = lines.map((line) => `${line}\u001B[K\r\n`).join("");
    if (text === before) return;
    before = text;
    host.stdout.write(`\u001B[H${text}\u001B[J`);
  };
}

function sizeOf({ stdout }: Host): { readonly columns: number; readonly rows: number } {
  return { columns: stdout.columns, rows: stdout.rows };
}
