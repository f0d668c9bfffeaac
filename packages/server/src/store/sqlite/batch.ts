// Group commit: operations that arrive in one turn of the event loop share one transaction and one
// fsync, and every one of them is answered after it.
//
// When one operation throws, the whole transaction is rolled back and the others run again without
// it. That is sound because an operation's only effect is on the database.

import { Problem } from "@openclaw-worker/protocol";
import type { DatabaseSync } from "node:sqlite";

export interface Batch {
  /** Runs `operation` in the next transaction; resolves with its value once that is on disk. */
  write<T>(operation: () => T): Promise<T>;
  /** Commits everything that is waiting, now, and takes nothing more. */
  close(): void;
}

interface Waiting {
  readonly run: () => void;
  readonly committed: () => void;
  readonly failed: (error: unknown) => void;
}

/** Operations in one transaction: bounds how long the event loop stands still. */
const operationsMax = 2_000;

export function openBatch(db: DatabaseSync): Batch {
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  const waiting: Waiting[] = [];
  let planned = false;
  let closed = false;

  const plan = (): void => {
    if (planned || waiting.length === 0) return;
    planned = true;
    setImmediate(flush);
  };

  const flush = (): void => {
    planned = false;
    const group = waiting.splice(0, operationsMax);
    plan();
    runGroup(group);
  };

  return {
    write<T>(operation: () => T): Promise<T> {
      if (closed) return Promise.reject(new Problem("stopping"));
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      const outcome: { value?: { readonly of: T } } = {};
      waiting.push({
        run: () => {
          outcome.value = { of: operation() };
        },
        committed: () => {
          if (outcome.value !== undefined) resolve(outcome.value.of);
        },
        failed: reject,
      });
      plan();
      return promise;
    },
    close() {
      closed = true;
      while (waiting.length > 0) flush();
    },
  };

  function runGroup(group: readonly Waiting[]): void {
    let left = group;
    while (left.length > 0) {
      const culprit = runOperations(left);
      if (culprit === null) return finish(left);
      left = left.filter((one) => one !== culprit);
    }
  }

  /** The operation that threw, after a rollback; or null when all have run. */
  function runOperations(group: readonly Waiting[]): Waiting | null {
    let current = group[0] ?? null;
    try {
      begin.run();
      for (const one of group) {
        current = one;
        one.run();
      }
      return null;
    } catch (error) {
      rollBack();
      current?.failed(unavailable(error));
      return current;
    }
  }

  function finish(group: readonly Waiting[]): void {
    try {
      commit.run();
    } catch (error) {
      rollBack();
      for (const one of group) one.failed(unavailable(error));
      return;
    }
    for (const one of group) one.committed();
  }

  function rollBack(): void {
    if (db.isTransaction) db.exec("ROLLBACK");
  }
}

function unavailable(cause: unknown): Problem {
  return new Problem("store-unavailable", {
    line: "The store could not write: the disk may be full or broken. Nothing was accepted.",
    cause,
    retryAfterSeconds: 5,
  });
}
