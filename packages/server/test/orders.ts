// What tests put into a store or a queue, in one line each.

import {
  newTaskId,
  parseTaskId,
  reportOf,
  selectorOf,
  submission,
  type Claimant,
  type Held,
  type QueueFields,
  type Report,
  type Spec,
  type Submission,
  type Task,
  type TaskId,
} from "@openclaw-worker/protocol";
import { randomBytes } from "node:crypto";
import type { NewTask, Store } from "../src/store/store.ts";
import { startMs } from "./clock.ts";

export const dayMs = 86_400_000;
export const leaseMs = 30_000;

export function command(text = "echo hi", fields: QueueFields = {}): Submission {
  return submission({ kind: "command", command: text }, undefined, fields);
}

export function exec(fields: QueueFields = {}): Submission {
  return submission({ kind: "exec", argv: ["true"] }, undefined, fields);
}

export function prompt(sessionId: string, fields: QueueFields = {}): Submission {
  return submission({ kind: "claude-cli", prompt: "think", sessionId }, undefined, fields);
}

export interface OrderOptions {
  readonly at?: number;
  readonly queuedMax?: number;
  readonly digest?: string;
}

export function order(
  asked: Submission,
  { at = startMs, queuedMax = 100_000, digest = "" }: OrderOptions = {},
): NewTask {
  return {
    id: newTaskId(at, randomBytes(10)),
    submission: asked,
    selector: selectorOf(asked, asked.spec),
    digest,
    deliverBy: at + asked.ttlMs,
    at,
    queuedMax,
  };
}

/** Submits and returns the new task's id. */
export async function put(
  store: Store,
  asked: Submission,
  options: OrderOptions = {},
): Promise<TaskId> {
  const submitted = await store.submit(order(asked, options));
  if (submitted.kind !== "created") throw new Error(`not created: ${submitted.kind}`);
  return submitted.id;
}

export const home: Claimant = { name: "home", labels: [], leased: true };
export const old: Claimant = { name: "anonymous", labels: [], leased: false };

export interface TakeOptions {
  readonly max?: number;
  readonly bytesMax?: number;
  readonly at?: number;
  readonly leaseUntil?: number;
}

/** Claims as this worker; its name stands for its instance. */
export function take(
  store: Store,
  claimant: Claimant = home,
  { max = 1, at = startMs, leaseUntil = leaseMs, ...bound }: TakeOptions = {},
): Promise<readonly Task[]> {
  return store.claim({ claimant, instance: claimant.name, max, at, leaseUntil, ...bound });
}

/** Claims exactly one task. */
export async function takeOne(
  store: Store,
  claimant: Claimant = home,
  options: TakeOptions = {},
): Promise<Held> {
  const [task] = await take(store, claimant, options);
  if (task === undefined) throw new Error("nothing to take");
  return { taskId: task.id, fence: task.fence };
}

export const done: Report = {
  stdout: "hi\n",
  stderr: "",
  exitCode: 0,
  error: null,
  outcome: "done",
};
export const oldDone: Report = { stdout: "hi\n", stderr: "", exitCode: 0, error: null };
export const failed: Report = reportOf("failed", "it could not run");

export function settleWith(store: Store, held: Held, report: Report = done) {
  return store.settle({ ...held, report, at: startMs });
}

export function ids(tasks: readonly Task[]): readonly string[] {
  return tasks.map((task) => task.id);
}

export function commandOf(spec: Spec): string {
  return "command" in spec ? spec.command : spec.kind;
}

/** An id that no store has. */
export function strangerId(): TaskId {
  return newTaskId(startMs, randomBytes(10));
}

export function idOf(text: unknown): TaskId {
  const id = parseTaskId(String(text));
  if (id === null) throw new Error(`no task id: ${String(text)}`);
  return id;
}
