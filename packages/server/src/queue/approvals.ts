// Approvals on the server's side: shown, waited for, and decisions carried to the worker. Nothing is
// judged here but what the worker could not know: whose word an unsigned decision is.

import type { Clock } from "@openclaw-worker/base";
import {
  digestOf,
  limits,
  Problem,
  type Approval,
  type ApprovalState,
  type Ask,
  type Decision,
  type Signature,
} from "@openclaw-worker/protocol";
import type { Actor } from "../store/action.ts";
import type { ApprovalFilter, ApprovalPage } from "../store/approval.ts";
import type { Store } from "../store/store.ts";
import type { Mail } from "./mail.ts";

export interface ApprovalsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly mail: Mail;
  readonly parkedMax: number;
  /** Wakes the polls of this worker. */
  readonly deliver: (worker: string) => void;
}

export interface DecideMessage {
  readonly id: string;
  readonly decision: Decision;
  readonly signature?: Signature | undefined;
  readonly by: Actor;
  /** The token's own word counts as an approver's. */
  readonly mayApprove: boolean;
}

export interface Approvals {
  /** A worker asks, or tells how it ended. */
  ask(ask: Ask): Promise<void>;
  decide(message: DecideMessage): Promise<ApprovalState>;
  get(id: string): Promise<Approval>;
  /** What the filter finds; when that is nothing, waits up to `waitMs` until there is something. */
  list(filter: ApprovalFilter, waitMs: number, gone: AbortSignal): Promise<ApprovalPage>;
  /** Remembers what waited before a restart. */
  restore(waiting: readonly Approval[]): void;
  /** A task ended: what waited for it was withdrawn. */
  ended(taskId: string): void;
  /** The store may have withdrawn some; these tasks have asked. */
  changed(taskIds?: readonly string[]): void;
  dismiss(): void;
}

export function createApprovals(options: ApprovalsOptions): Approvals {
  const { store, clock, mail } = options;
  const watchers = new Set<() => void>();
  // Tasks that asked: most never do, and their ends need wake nobody here.
  const asking = new Set<string>();
  let dismissed = false;
  const tellAll = (): void => {
    const told = [...watchers];
    watchers.clear();
    for (const tell of told) tell();
  };

  return {
    ask,
    decide,
    get,
    list,
    restore(waiting) {
      for (const { taskId } of waiting) asking.add(taskId);
    },
    ended(taskId) {
      if (asking.delete(taskId)) tellAll();
    },
    changed(taskIds = []) {
      for (const taskId of taskIds) asking.add(taskId);
      tellAll();
    },
    dismiss() {
      dismissed = true;
      tellAll();
    },
  };

  async function ask(message: Ask): Promise<void> {
    const { request, digest, taskId } = message;
    if (request.taskId !== taskId)
      throw new Problem("invalid-request", { line: "request.taskId: must be taskId" });
    if (digestOf(request) !== digest)
      throw new Problem("invalid-request", { line: "digest: is not the request's" });
    const asked = await store.ask({
      ask: message,
      at: clock.now(),
      perTaskMax: limits.approvalsPerTaskMax,
      waitingMax: limits.approvalsWaitingMax,
    });
    switch (asked.kind) {
      case "unknown":
        throw new Problem("task-not-found");
      case "stale":
        throw new Problem("stale-attempt", {
          line: "This task is not held by this worker process in this attempt, or the approval is another one's",
        });
      case "full":
        throw new Problem("queue-full", { line: asked.line, retryAfterSeconds: 30 });
      case "noted":
        if (message.state === "waiting") asking.add(taskId);
        else mail.forget(request.id);
        if (asked.changed) tellAll();
    }
  }

  async function decide(message: DecideMessage): Promise<ApprovalState> {
    const { id, decision, signature, by } = message;
    const approval = await get(id);
    const { request, digest } = approval;
    if (signature === undefined && !message.mayApprove)
      throw new Problem("forbidden", { line: unsigned });
    const isAbout =
      decision.approvalId === id &&
      decision.worker === request.worker &&
      decision.digest === digest;
    if (!isAbout)
      throw new Problem("invalid-request", {
        line: "decision: approvalId, worker and digest must be those of the approval",
      });
    const at = clock.now();
    if (decision.expiresAt <= at)
      throw new Problem("invalid-request", { line: "decision: it has expired" });
    const decided = await store.decide({
      id,
      envelope: {
        type: "approval",
        decision,
        ...(signature === undefined ? { by: "token" } : { signature }),
      },
      expiresAt: Math.min(decision.expiresAt, request.expiresAt),
      at,
      max: limits.envelopesMax,
      action: { by, action: `approval.${decision.verdict}`, target: id, at },
    });
    switch (decided.kind) {
      case "unknown":
        throw new Problem("approval-not-found");
      case "full":
        throw new Problem("queue-full", {
          line: `${limits.envelopesMax} decisions about this approval are on their way already.`,
        });
      case "over":
        throw new Problem("approval-decided", { line: overLine(decided.approval) });
      case "sent":
        mail.post(decided.letter);
        options.deliver(request.worker);
        return approval.state;
    }
  }

  async function get(id: string): Promise<Approval> {
    const approval = await store.approval(id);
    if (approval === null) throw new Problem("approval-not-found");
    return approval;
  }

  async function list(
    filter: ApprovalFilter,
    waitMs: number,
    gone: AbortSignal,
  ): Promise<ApprovalPage> {
    const until = clock.monotonic() + waitMs;
    let seen = filter.after;
    for (;;) {
      // Watched before it is looked at: nothing comes between.
      const { promise, resolve } = Promise.withResolvers<void>();
      const leftMs = until - clock.monotonic();
      if (leftMs > 0 && watchers.size >= options.parkedMax) throw new Problem("too-many-waiting");
      watchers.add(resolve);
      const leave = (): void => resolve();
      gone.addEventListener("abort", leave, { once: true });
      using _timer = clock.after(Math.max(0, leftMs), resolve);
      try {
        const page = await store.approvals({ ...filter, after: seen });
        if (page.approvals.length > 0 || leftMs <= 0 || gone.aborted || dismissed) return page;
        seen = page.cursor;
        await promise;
      } finally {
        watchers.delete(resolve);
        gone.removeEventListener("abort", leave);
      }
    }
  }
}

const unsigned =
  "This token may not approve. Sign the decision with a key that is enrolled on the worker " +
  "(openclaw-worker approvals), or approve at that computer.";

function overLine({ state, decidedBy, updatedAt, request }: Approval): string {
  if (state === "waiting")
    return `This approval expired at ${new Date(request.expiresAt).toISOString()}.`;
  const by = decidedBy === null ? "" : ` by ${decidedBy}`;
  return `This approval is over: ${state}${by}, ${new Date(updatedAt).toISOString()}.`;
}
