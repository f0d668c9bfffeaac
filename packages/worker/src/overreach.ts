// Fields with which a server would like to have a say in what it has none: they are read by nobody,
// and it is written down that they came.

import type { Log } from "@openclaw-worker/base";
import { createLies } from "./approval/lies.ts";
import type { Notes } from "./note.ts";

export interface Overreach {
  /** The names of a poll answer's fields. Each is told of once in the life of a connection. */
  inAnswer(names: readonly string[]): void;
  /** A task as it came. */
  inTask(value: unknown, taskId: string): void;
  /** The connection is a new one. */
  renew(): void;
}

/** What a policy is made of, who is trusted, and what was decided: in lower case. */
const powers: ReadonlySet<string> = new Set(
  (
    "policy policies rules rule roots default host trust limits submitters submitter actions cage sandbox outside " +
    "allow allowed allowlist ask deny permissions grant grants approval approvals approved approvedby " +
    "key keys approver approvers publickey identity resume"
  ).split(" "),
);

export function createOverreach(log: Log, notes: Notes): Overreach {
  const lies = createLies(log, notes);
  let connection = 0;
  const found = (names: readonly string[]): readonly string[] =>
    names.filter((name) => powers.has(name.toLowerCase())).toSorted();
  return {
    inAnswer(names) {
      for (const field of found(names)) {
        const because = `nothing that comes over the network changes it (${field})`;
        lies.tell("field", { connection, field }, { because, data: { field } });
      }
    },
    inTask(value, taskId) {
      if (typeof value !== "object" || value === null) return;
      const fields = found(Object.keys(value));
      if (fields.length === 0) return;
      const because = `a task does not say that of itself (${fields.join(", ")})`;
      lies.tell("field", { taskId, fields }, { because, data: { fields }, taskId });
    },
    renew: () => void (connection += 1),
  };
}
