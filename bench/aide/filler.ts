// Fills a store with tasks that were submitted, run and settled, through the store's own verbs.

import { newTaskId, reportSchema, type Submission, type TaskId } from "@openclaw-worker/protocol";
import { openSqliteStore } from "@openclaw-worker/server";
import { randomBytes } from "node:crypto";
import { serve } from "./serve.ts";

// Four operations each, and the store's transactions take up to 2,000.
const perTransaction = 490;
const instance = "filler-instance";

serve({
  async fill(params) {
    await using store = openSqliteStore(params.text("file"));
    const count = params.number("count");
    const report = reportSchema.parse({
      stdout: "hi\n",
      exitCode: 0,
      outcome: "done",
      durationMs: 3,
    });
    const claimant = { name: "filler", labels: [], leased: true };
    for (let done = 0; done < count;) {
      const size = Math.min(perTransaction, count - done);
      const at = Date.now();
      const ids = Array.from({ length: size }, () => newTaskId(at, randomBytes(10)));
      // All asked for in one turn of the event loop: one transaction.
      const submits = ids.map((id) => store.submit(orderOf(id, at)));
      const claim = store.claim({ claimant, instance, max: size, leaseUntil: at, at });
      const starts = ids.map((taskId) => store.start({ taskId, fence: 1 }, at));
      const settles = ids.map((taskId) => store.settle({ taskId, fence: 1, report, at }));
      await Promise.all([...submits, claim, ...starts]);
      const last = (await Promise.all(settles)).find((one) => one.kind !== "settled");
      if (last !== undefined) throw new Error(`a task was not settled: ${last.kind}`);
      done += size;
    }
  },
});

const submission: Submission = {
  spec: {
    kind: "command",
    command: "echo hi",
  },
  timeoutMs: 3e4,
  labels: [],
  priority: 0,
  ttlMs: 36e5,
};

function orderOf(id: TaskId, at: number) {
  const deliverBy = at + 3_600_000;
  return { id, submission, selector: "0*", digest: "", deliverBy, at, queuedMax: 1_000_000 };
}
