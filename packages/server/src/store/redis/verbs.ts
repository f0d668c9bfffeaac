// A task's life, in the store's verbs.

import type { Clock } from "@openclaw-worker/base";
import {
  reportOf,
  sessionOf,
  toResult,
  type Held,
  type Report,
  type Result,
  type TaskId,
} from "@openclaw-worker/protocol";
import type { NewAction } from "../action.ts";
import {
  summaryOf,
  type Cancelled,
  type ClaimRequest,
  type NewTask,
  type RenewRequest,
  type Settled,
  type SettleRequest,
  type Store,
  type Submitted,
  type Swept,
} from "../store.ts";
import type { Argument, Connection } from "./connection.ts";
import * as hold from "./lua/hold.ts";
import * as life from "./lua/life.ts";
import { holderOf, idOf, joined, resultOf, taskOf } from "./records.ts";
import { listOf, numberOf, numberOrNull, rowsOf, textOf } from "./replies.ts";

export interface Parts {
  readonly connection: Connection;
  readonly clock: Clock;
  /** An action on its way into the store, as text; it is linked to the chain soon after. */
  readonly actionText: (action: NewAction | undefined) => string;
}

type LifeVerbs = Pick<
  Store,
  | "submit"
  | "claim"
  | "giveBack"
  | "start"
  | "renew"
  | "settle"
  | "cancel"
  | "sweep"
  | "forgive"
  | "nextSweep"
>;

// Leases are handed in by the steady clock of this process, which says nothing to another one. Only
// how long they last leaves this process: the scripts add that to the lease clock, which all share.
export function lifeVerbs({ connection, clock, actionText }: Parts): LifeVerbs {
  const fromNow = (leaseUntil: number): number => leaseUntil - clock.monotonic();
  return {
    submit,
    claim,
    settle,
    cancel,
    sweep,
    renew,
    async giveBack(instance, held, at) {
      if (held.length === 0) return [];
      const args = [instance, at, ...counted(held)];
      return listOf(await connection.run(hold.giveBack, args)).map(textOf);
    },
    async start({ taskId, fence }, at) {
      const answer = textOf(await connection.run(hold.start, [taskId, fence, at]));
      return answer === "started" || answer === "stale" ? answer : "unknown";
    },
    async forgive(leaseUntil) {
      await connection.run(hold.forgive, [fromNow(leaseUntil)]);
    },
    async nextSweep() {
      const [lease, deliver] = listOf(await connection.run(hold.nextSweep, []));
      const leaseIn = numberOrNull(lease);
      return {
        leaseUntil: leaseIn === null ? null : clock.monotonic() + leaseIn,
        deliverBy: numberOrNull(deliver),
      };
    },
  };

  async function submit(order: NewTask): Promise<Submitted> {
    const { id, submission, selector, digest, deliverBy, at, queuedMax, action } = order;
    const { spec, priority, timeoutMs, idempotencyKey, metadata, reason, proof } = submission;
    const reply = await connection.run(life.submit, [
      id,
      submission.id === undefined ? 0 : 1,
      jsonOrEmpty(idempotencyKey),
      digest,
      spec.kind,
      selector,
      priority,
      sessionOf(spec) ?? "",
      timeoutMs,
      at,
      deliverBy,
      queuedMax,
      summaryOf(spec),
      JSON.stringify(spec),
      jsonOrEmpty(metadata),
      jsonOrEmpty(reason),
      jsonOrEmpty(proof),
      actionText(action),
    ]);
    const [kind, first, second] = listOf(reply);
    switch (textOf(kind)) {
      case "created":
        return { kind: "created", id, ready: numberOf(first) === 1 };
      case "same": {
        const sessionId = second === null ? null : textOf(second);
        return { kind: "same", id: idOf(first), sessionId };
      }
      case "full":
        return { kind: "full", queued: numberOf(first) };
      default:
        return { kind: "conflict" };
    }
  }

  async function claim({ claimant, instance, max, bytesMax, leaseUntil, at }: ClaimRequest) {
    const { name, labels, leased } = claimant;
    const bounds = [max, bytesMax ?? Number.MAX_SAFE_INTEGER];
    const args = [name, instance, leased ? 1 : 0, ...bounds, fromNow(leaseUntil), at];
    const reply = await connection.run(life.claim, [...args, labels.length, ...labels]);
    return rowsOf(reply).map(taskOf);
  }

  async function renew({ instance, held, leaseUntil }: RenewRequest) {
    const head = [instance === null ? 0 : 1, instance ?? "", fromNow(leaseUntil)];
    const reply = await connection.run(hold.renew, [...head, ...counted(held)]);
    const [cancelled = [], stale = []] = rowsOf(reply).map((places) =>
      places.flatMap((place) => held[numberOf(place)] ?? []),
    );
    return { cancel: cancelled, stale };
  }

  async function settle({ taskId, fence, report, at }: SettleRequest): Promise<Settled> {
    const { status, outcome, exitCode } = outcomeOf(report, taskId, at);
    const ending = [status, outcome, exitCode, JSON.stringify(report), at];
    const reply = await connection.run(hold.settle, [taskId, fence ?? "", ...ending]);
    const [kind, worker, metadata, readied] = listOf(reply);
    switch (textOf(kind)) {
      case "settled":
        return {
          kind: "settled",
          result: joined(report, { taskId, at, worker, metadata }),
          readied: listOf(readied).map(textOf),
        };
      case "duplicate":
        return { kind: "duplicate" };
      case "stale":
        return { kind: "stale" };
      default:
        return { kind: "unknown" };
    }
  }

  async function cancel(id: TaskId, at: number, action?: NewAction): Promise<Cancelled> {
    const report = reportOf("cancelled", "Cancelled");
    const args = [id, at, actionText(action), JSON.stringify(report)];
    const [kind, first, worker, metadata, readied] = listOf(
      await connection.run(hold.cancel, args),
    );
    switch (textOf(kind)) {
      case "asked":
        return { kind: "asked", holder: holderOf(id, first) };
      case "over":
        return { kind: "over", result: resultOf(id, textOf(first)) };
      case "ended":
        return {
          kind: "ended",
          holder: first === null ? null : holderOf(id, first),
          result: joined(report, { taskId: id, at, worker, metadata }),
          readied: listOf(readied).map(textOf),
        };
      default:
        return { kind: "unknown" };
    }
  }

  async function sweep(now: number, at: number): Promise<Swept> {
    // The worker's name is known in there only: the report is handed in with a gap for it.
    const [head = "", tail = ""] = JSON.stringify(lostReport(gap)).split(gap);
    const args = [now - clock.monotonic(), at, head, tail, JSON.stringify(expiredReport)];
    const [ended, readied] = listOf(await connection.run(hold.sweep, args));
    return {
      ended: rowsOf(ended).map((row) => sweptResult(row, at)),
      readied: listOf(readied).map(textOf),
    };
  }
}

const gap = "{worker}";
const expiredReport = reportOf(
  "expired",
  "Expired: no worker took this task before its ttlMs was over. It never ran.",
);

function lostReport(worker: string): Report {
  return reportOf(
    "lost",
    `Worker ${worker} vanished while this task was running; it may have run in part. ` +
      "It is not run again. If the worker comes back with the result, it is shown here.",
  );
}

function sweptResult(row: readonly unknown[], at: number): Result {
  const [outcome, id, worker, metadata] = row;
  const name = String(JSON.parse(textOf(worker)));
  const report = textOf(outcome) === "lost" ? lostReport(name) : expiredReport;
  return joined(report, { taskId: textOf(id), at, worker, metadata });
}

function outcomeOf(report: Report, taskId: string, completedAt: number): Result {
  return toResult(report, { taskId, completedAt, worker: null });
}

function counted(held: readonly Held[]): readonly Argument[] {
  return [held.length, ...held.flatMap(({ taskId, fence }) => [taskId, fence])];
}

function jsonOrEmpty(value: unknown): string {
  return value === undefined ? "" : JSON.stringify(value);
}
