// A task's life:
//
//   pending ──claim──▶ running/claimed ──started──▶ running/started ──settle──▶ completed | failed
//      ▲                    │                             │
//      └──── lease over ────┘                             └── lease over ──▶ failed (lost)
//
// `lost` is the only end that a later result of the same attempt may replace.

import { z } from "zod";

export const statusSchema = z.enum(["pending", "running", "completed", "failed"]);
export type Status = z.infer<typeof statusSchema>;

export const phaseSchema = z.enum(["claimed", "started", "awaiting-approval"]);
export type Phase = z.infer<typeof phaseSchema>;

/** How a task ended. */
export const outcomeSchema = z.enum([
  "done",
  "refused",
  "timeout",
  "cancelled",
  "expired",
  "lost",
  "failed",
]);
export type Outcome = z.infer<typeof outcomeSchema>;

/** The exit code of a task that did not end by itself. `done` carries the program's own. */
export const exitCodeOf: Readonly<Record<Exclude<Outcome, "done">, number>> = {
  timeout: 124,
  refused: 126,
  cancelled: 130,
  expired: -1,
  lost: -1,
  failed: -1,
};

/** `completed` is a program that ran and exited 0; everything else is `failed`. */
export function statusOf(outcome: Outcome, exitCode: number): "completed" | "failed" {
  return outcome === "done" && exitCode === 0 ? "completed" : "failed";
}

/** The state of a task as the table below knows it. */
export type State = "pending" | "claimed" | "started" | "lost" | "finished";
export type Move = "claim" | "giveBack" | "start" | "lose" | "settle" | "cancel" | "expire";

/** Which move is legal in which state, and where it leads. What is not here does not happen. */
export const moves: Readonly<Record<State, Readonly<Partial<Record<Move, State>>>>> = {
  pending: { claim: "claimed", cancel: "finished", expire: "finished" },
  claimed: {
    start: "started",
    giveBack: "pending",
    settle: "finished",
    lose: "lost",
    cancel: "finished",
  },
  started: { settle: "finished", lose: "lost" },
  lost: { settle: "finished" },
  finished: {},
};
