// What the queue asks of a store: atomic verbs without opinions. Every engine passes the contract
// suite in test/store. A verb's promise resolves when its change is on disk (fsync), never before; it
// rejects with Problem store-unavailable when it could not be written, `stopping` after the end.
//
// Times are handed in, in milliseconds: leases run by the queue's steady clock (`now`, `leaseUntil`),
// which a jump of the wall clock does not move; everything else is wall time (`at`, `deliverBy`). A
// store that is shared takes from them only how long a lease lasts, and runs it by a clock of its own.

import type {
  Approval,
  Claimant,
  Held,
  Kind,
  Phase,
  Report,
  Result,
  Spec,
  Status,
  Submission,
  Task,
  TaskId,
} from "@openclaw-worker/protocol";
import type { ActionEntry } from "../audit/chain.ts";
import type { NewAction } from "./action.ts";
import type {
  ApprovalFilter,
  ApprovalPage,
  Asked,
  AskRequest,
  Decided,
  DecideRequest,
  HaltRecord,
  Letter,
  OrderStop,
  ResumeRequest,
  SaveStopped,
} from "./approval.ts";
import type { Shared } from "./shared.ts";
import type { WitnessChange, WitnessRecord } from "./witness.ts";
import type { WorkerRecord } from "./worker.ts";

export type { WorkerRecord } from "./worker.ts";

export interface Store extends AsyncDisposable {
  /** Null: this process has the store for itself. */
  readonly shared: Shared | null;
  /** Puts a task into the queue. The same idempotency key with the same body is the same task. */
  submit(order: NewTask): Promise<Submitted>;
  /** Hands out up to `max` tasks that the claimant may take: highest priority first, then oldest. */
  claim(request: ClaimRequest): Promise<readonly Task[]>;
  /** Claimed and not started tasks of this instance go back to where they stood in the queue. */
  giveBack(instance: string, held: readonly Held[], at: number): Promise<Readied>;
  /** The worker begins. Anything but `started` means: do not run it. */
  start(held: Held, at: number): Promise<"started" | "stale" | "unknown">;
  /** Renews the leases of what this instance holds; says what it holds no longer, and what to cancel. */
  renew(request: RenewRequest): Promise<Renewed>;
  /** Takes a worker's report. */
  settle(request: SettleRequest): Promise<Settled>;
  /** Ends a task that has not begun; marks one that has. */
  cancel(id: TaskId, at: number, action?: NewAction): Promise<Cancelled>;
  /** Ends what expired, frees what was claimed by a worker that vanished, marks begun ones `lost`. */
  sweep(now: number, at: number): Promise<Swept>;
  /** Gives every held task a whole lease: after a start, and after this process stood still. */
  forgive(leaseUntil: number): Promise<void>;
  /** Marks a finished task as read. Need not be durable when it resolves. */
  markRead(id: TaskId, at: number): Promise<boolean>;
  /**
   * Forgets what ended before `endedBefore`, at most `max` of each: finished tasks, approvals that
   * wait no more, envelopes that expired; and the oldest events and actions over their limits.
   * Copies of audit logs are kept. Says how many tasks it forgot.
   */
  prune(endedBefore: number, max: number): Promise<number>;
  /** Appends an event to the log of events. */
  note(event: NewEvent): Promise<void>;
  saveWorker(worker: WorkerRecord): Promise<void>;

  /**
   * Keeps an approval that a worker asks for, or how it ended. The task must be held by that worker
   * process, in that attempt. An approval that ended never waits again, and its first end stays. Ends
   * of tasks and attempts withdraw what waits for them.
   */
  ask(request: AskRequest): Promise<Asked>;
  /** Keeps a decision for the worker that asked. The same envelope again is the same letter. */
  decide(request: DecideRequest): Promise<Decided>;
  /** Keeps a resume for a stopped worker; null when `max` of them wait already. */
  sendResume(request: ResumeRequest): Promise<Letter | null>;
  /** Keeps a stop until the worker confirms it; a newer one takes the place of an older. */
  orderStop(request: OrderStop): Promise<void>;
  /** Takes an order back that its worker can never confirm. */
  liftStop(worker: string, action?: NewAction): Promise<void>;
  /**
   * What a worker says of itself. An order is confirmed by its id, or a newer one, as the stop in
   * force or the one that was seen (ids sort by time). Ends letters about other stops.
   */
  saveStopped(request: SaveStopped): Promise<HaltRecord>;
  /** Adds to a worker's witness record, if it is still at the version that was judged. */
  saveWitness(change: WitnessChange): Promise<"saved" | "raced">;
  /** Appends to the log of actions what no other verb carries. */
  act(action: NewAction): Promise<void>;

  get(id: TaskId): Promise<TaskRecord | null>;
  result(id: TaskId): Promise<Result | null>;
  list(filter: ListFilter): Promise<readonly TaskRecord[]>;
  counts(): Promise<Counts>;
  sessions(filter: SessionFilter): Promise<readonly SessionRecord[]>;
  events(max: number): Promise<readonly EventRecord[]>;
  eventCounts(): Promise<Readonly<Record<string, number>>>;
  workers(): Promise<readonly WorkerRecord[]>;
  approval(id: string): Promise<Approval | null>;
  approvals(filter: ApprovalFilter): Promise<ApprovalPage>;
  /** All envelopes on their way. */
  letters(): Promise<readonly Letter[]>;
  halts(): Promise<readonly HaltRecord[]>;
  witness(worker: string): Promise<WitnessRecord | null>;
  /** Alarms that were raised, by worker. */
  alarms(): Promise<ReadonlyMap<string, string>>;
  /** Entries of the copy of a worker's audit log. */
  auditEntries(worker: string, from: number, max: number): Promise<readonly string[]>;
  /** Nodes of its tree, by their places; what is not there is left out. */
  auditNodes(worker: string, places: readonly number[]): Promise<ReadonlyMap<number, Buffer>>;
  /** Entries of the log of actions from `from` on; without it the latest. Oldest first. */
  actions(from: number | null, max: number): Promise<readonly ActionEntry[]>;
  /** Tasks of this instance whose cancel was asked for and that have not ended. */
  cancelsFor(instance: string): Promise<readonly Held[]>;
  /** When `sweep` has something to do next: the first lease's end (steady), the first expiry (wall). */
  nextSweep(): Promise<NextSweep>;
}

export interface NextSweep {
  readonly leaseUntil: number | null;
  readonly deliverBy: number | null;
}

export interface NewTask {
  readonly id: TaskId;
  readonly submission: Submission;
  readonly selector: string;
  /** Digest of the canonical body, compared when an idempotency key, or a signed id, is seen again. */
  readonly digest: string;
  readonly deliverBy: number;
  readonly at: number;
  readonly queuedMax: number;
  readonly action?: NewAction | undefined;
}

export type Submitted =
  | { readonly kind: "created"; readonly id: TaskId; readonly ready: boolean }
  | { readonly kind: "same"; readonly id: TaskId; readonly sessionId: string | null }
  | { readonly kind: "conflict" }
  | { readonly kind: "full"; readonly queued: number };

export interface ClaimRequest {
  readonly claimant: Claimant;
  readonly instance: string;
  readonly max: number;
  /**
   * What the tasks are together at most, in bytes of JSON; the first one comes whatever it is. The
   * next in order is not passed over for a smaller one. Absent: no bound.
   */
  readonly bytesMax?: number;
  /** End of the lease, by the steady clock. For an old worker the task's timeout is added to it. */
  readonly leaseUntil: number;
  readonly at: number;
}

/** Selectors that have a task ready again. */
export type Readied = readonly string[];

export interface RenewRequest {
  /** Null from a worker that names no instance: then the fence alone says whose a task is. */
  readonly instance: string | null;
  readonly held: readonly Held[];
  readonly leaseUntil: number;
}

export interface Renewed {
  readonly cancel: readonly Held[];
  readonly stale: readonly Held[];
}

export interface SettleRequest {
  readonly taskId: TaskId;
  /** The attempt; null from an old worker, which knows no attempts. */
  readonly fence: number | null;
  readonly report: Report;
  readonly at: number;
}

export type Settled =
  | { readonly kind: "settled"; readonly result: Result; readonly readied: Readied }
  | { readonly kind: "duplicate" | "stale" | "unknown" };

export type Cancelled =
  | {
      readonly kind: "ended";
      readonly result: Result;
      readonly readied: Readied;
      readonly holder: Holder | null;
    }
  | { readonly kind: "asked"; readonly holder: Holder }
  | { readonly kind: "over"; readonly result: Result }
  | { readonly kind: "unknown" };

/** Who holds a task. `leased`: speaks our protocol, so it can be told to stop. */
export interface Holder extends Held {
  readonly worker: string;
  readonly instance: string;
  readonly leased: boolean;
}

export interface Swept {
  readonly ended: readonly Result[];
  readonly readied: Readied;
}

export interface TaskRecord {
  readonly id: TaskId;
  readonly seq: number;
  readonly kind: Kind;
  readonly status: Status;
  readonly phase: Phase | null;
  readonly outcome: string | null;
  readonly exitCode: number | null;
  readonly selector: string;
  readonly priority: number;
  readonly session: string | null;
  readonly worker: string | null;
  readonly fence: number;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly completedAt: number | null;
  readonly cancelAsked: boolean;
  /** The approval that it waits for. */
  readonly approval: string | null;
  readonly timeoutMs: number;
  /** What it does, in one short line. */
  readonly summary: string;
}

export interface ListFilter {
  readonly status?: Status | undefined;
  readonly worker?: string | undefined;
  readonly kind?: Kind | undefined;
  /** Only tasks accepted before this one. */
  readonly beforeSeq?: number | undefined;
  readonly max: number;
}

export interface Counts {
  readonly byStatus: Readonly<Record<Status, number>>;
  readonly unread: number;
}

export interface SessionFilter {
  readonly kind?: Kind | undefined;
  readonly max: number;
}

export interface SessionRecord {
  readonly sessionId: string;
  readonly kind: Kind;
  readonly taskCount: number;
  readonly unfinished: number;
  readonly lastActivity: number;
}

export interface NewEvent {
  readonly type: string;
  readonly taskId: string | null;
  readonly at: number;
  readonly details?: unknown;
}

export interface EventRecord {
  readonly id: number;
  readonly type: string;
  readonly createdAt: number;
  readonly taskId: string | null;
  readonly details?: unknown;
}

/** One short line that says what a task does; never the whole of it. */
export function summaryOf(spec: Spec): string {
  const text =
    spec.kind === "command"
      ? spec.command
      : spec.kind === "exec"
        ? spec.argv.join(" ")
        : "path" in spec
          ? spec.path
          : "prompt" in spec
            ? spec.prompt
            : spec.action;
  const line = text.replaceAll(/[\p{Cc}\s]+/gu, " ").trim();
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}
