// A queue on a store in memory, with a clock that the test moves.

import { silentLog } from "@openclaw-worker/base";
import { limits, type Submission, type Task } from "@openclaw-worker/protocol";
import assert from "node:assert/strict";
import { openQueue, type Queue, type QueueOptions } from "../../src/queue/queue.ts";
import type { PollRequest } from "../../src/queue/polls.ts";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import type { Store } from "../../src/store/store.ts";
import { manualClock, type ManualClock } from "../clock.ts";
import { leaseMs } from "../orders.ts";

export interface QueueStage extends AsyncDisposable {
  readonly queue: Queue;
  readonly store: Store;
  readonly clock: ManualClock;
}

export async function openQueueStage(options: Partial<QueueOptions> = {}): Promise<QueueStage> {
  const store = options.store ?? openSqliteStore(":memory:");
  const clock = manualClock();
  const queue = await openQueue({
    store,
    clock,
    log: silentLog,
    leaseMs,
    retentionMs: limits.retentionMs,
    queuedTasksMax: limits.queuedTasksMax,
    parkedRequestsMax: limits.parkedRequestsMax,
    ...options,
  });
  return {
    queue,
    store,
    clock,
    async [Symbol.asyncDispose]() {
      await queue[Symbol.asyncDispose]();
      // The after-look: nothing of the queue is left behind.
      assert.equal(clock.timers, 0, "a timer was left behind");
    },
  };
}

export const never: AbortSignal = new AbortController().signal;

/** A poll of a leased worker without a process id; its name stands for it. */
export function pollOf(name: string, fields: Partial<PollRequest> = {}): PollRequest {
  return {
    name,
    instance: name,
    introduces: false,
    capacity: 1,
    order: 0,
    holdMs: 25_000,
    gone: never,
    ...fields,
  };
}

let oldPolls = 0;
/** A poll of an old worker. */
export function oldPollOf(fields: Partial<PollRequest> = {}): PollRequest {
  oldPolls += 1;
  return pollOf("anonymous", { instance: `old-${oldPolls}`, capacity: null, ...fields });
}

/** Submits, and gives the new task's id. */
export async function send(queue: Queue, submission: Submission): Promise<Task["id"]> {
  return (await queue.submit(submission)).id;
}

/** Polls and gives the only task that came. */
export async function takeTask(queue: Queue, request: PollRequest): Promise<Task> {
  const { tasks } = await queue.poll(request);
  assert.equal(tasks.length, 1);
  const [task] = tasks;
  assert.ok(task);
  return task;
}

export function heldBy(task: Task) {
  return { taskId: task.id, fence: task.fence };
}
