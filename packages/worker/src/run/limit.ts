import type { Clock } from "@openclaw-worker/base";
import { reportOf, type Report } from "@openclaw-worker/protocol";

/** Why a task is ended before its own end. */
export type Cut = "timeout" | "cancelled" | "flood";

/** One signal for a run; the first reason wins. */
export interface RunLimit extends Disposable {
  readonly signal: AbortSignal;
  /** Null while nothing has ended the run. */
  readonly cut: Cut | null;
  readonly timeoutMs: number;
  end(cut: Cut): void;
}

const lateMs = 1_000;
const catchUpMs = 250;

export function startLimit(clock: Clock, timeoutMs: number, cancel: AbortSignal): RunLimit {
  const controller = new AbortController();
  let cut: Cut | null = null;
  const end = (reason: Cut): void => {
    if (cut !== null) return;
    cut = reason;
    controller.abort(new Error(reason));
  };
  const cancelled = (): void => end("cancelled");
  if (cancel.aborted) cancelled();
  else cancel.addEventListener("abort", cancelled, { once: true });
  const dueAt = clock.monotonic() + timeoutMs;
  // A timer that fires late means that this process stood still: the task may have ended meanwhile,
  // and its end is then read before the time is called over.
  let timer = clock.after(timeoutMs, () => {
    if (clock.monotonic() - dueAt < lateMs) return end("timeout");
    timer = clock.after(catchUpMs, () => end("timeout"));
  });
  return {
    signal: controller.signal,
    timeoutMs,
    end,
    get cut() {
      return cut;
    },
    [Symbol.dispose]() {
      timer.cancel();
      cancel.removeEventListener("abort", cancelled);
    },
  };
}

/** The report of a run that was cut, without output. */
export function cutReport(cut: Cut, timeoutMs: number, killBytes: number): Report {
  if (cut === "timeout") return reportOf("timeout", `Timeout after ${timeoutMs} ms`);
  if (cut === "cancelled") return reportOf("cancelled", "Cancelled");
  return reportOf("failed", `The task printed more than ${killBytes} bytes and was ended`);
}

/** The smaller of the worker's own limit and the policy's, which may say nothing. */
export function smaller(own: number, policys: number | undefined): number {
  return Math.min(own, policys ?? own);
}
