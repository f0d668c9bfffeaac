// The checker is what the crash tests stand on: each promise is broken here on purpose, and must be
// found.

import assert from "node:assert/strict";
import { test } from "node:test";
import { violations, type Event, type History, type Rule } from "./history.ts";

const accepted: Event = { kind: "accepted", marker: "m1", taskId: "t1" };
const began: Event = { kind: "began", taskId: "t1", worker: "desk", proof: "p1" };
const confirmed: Event = { kind: "confirmed", taskId: "t1", proof: "p1" };
const read: Event = { kind: "read", taskId: "t1", outcome: "done", proof: "p1" };
const readLost: Event = { kind: "read", taskId: "t1", outcome: "lost", proof: "" };

const good: History = {
  events: [accepted, began, confirmed, read],
  standings: [{ marker: "m1", taskId: "t1", ending: { outcome: "done", proof: "p1" } }],
  faithful: ["desk"],
};

function endingWith(outcome: string, proof: string): History["standings"] {
  return [{ marker: "m1", taskId: "t1", ending: { outcome, proof } }];
}

test("a history in which all went well breaks no promise", () => {
  assert.deepEqual(violations(good), []);
});

test("a lost task that nobody ran, and one whose late result replaced lost, break no promise", () => {
  assert.deepEqual(
    violations({ events: [accepted, readLost], standings: endingWith("lost", ""), faithful: [] }),
    [],
  );
  assert.deepEqual(
    violations({
      ...good,
      events: [accepted, began, readLost, confirmed, readLost, read].toSpliced(4, 1),
    }),
    [],
  );
});

test("a task of an unanswered submit may exist or not", () => {
  const other = { marker: "m2", taskId: "t2", ending: { outcome: "lost", proof: "" } };
  assert.deepEqual(violations({ ...good, standings: [...good.standings, other] }), []);
});

const planted: readonly (readonly [name: string, rule: Rule, history: History])[] = [
  [
    "an accepted task that is gone",
    "accepted task is gone",
    { ...good, events: [accepted], standings: [] },
  ],
  [
    "a task that never ends",
    "task never ended",
    { ...good, events: [accepted], standings: [{ marker: "m1", taskId: "t1", ending: null }] },
  ],
  [
    "a submit that made two tasks",
    "one submit made two tasks",
    {
      ...good,
      standings: [
        ...good.standings,
        { marker: "m1", taskId: "t2", ending: { outcome: "lost", proof: "" } },
      ],
    },
  ],
  [
    "an id that was given out twice",
    "two submits share a task",
    { ...good, events: [...good.events, { kind: "accepted", marker: "m2", taskId: "t1" }] },
  ],
  [
    "a task that ran twice",
    "task ran twice",
    { ...good, events: [...good.events, { ...began, proof: "p2" }] },
  ],
  [
    "a task that ran twice at two workers",
    "task ran twice",
    { ...good, events: [...good.events, { ...began, worker: "other", proof: "p2" }] },
  ],
  [
    "a confirmed result that is gone",
    "confirmed result is gone",
    { ...good, standings: endingWith("lost", ""), faithful: [] },
  ],
  [
    "a confirmed result that became another one",
    "confirmed result is gone",
    { ...good, standings: endingWith("done", "p2") },
  ],
  [
    "a run of a living worker that nobody heard of",
    "run of a living worker is gone",
    { ...good, events: [accepted, began], standings: endingWith("lost", "") },
  ],
  [
    "a result that changed after it was read",
    "result changed",
    { ...good, events: [...good.events, { ...read, proof: "p2" }] },
  ],
  [
    "a result that was lost after it was read",
    "result changed",
    { ...good, events: [...good.events, readLost, read] },
  ],
  ["a result that no run made", "result without a run", { ...good, events: [accepted] }],
  [
    "a task that expired",
    "strange ending",
    { ...good, events: [accepted], standings: endingWith("expired", "") },
  ],
];

for (const [name, rule, history] of planted) {
  test(`${name} is found`, () => {
    const rules = violations(history).map((violation) => violation.rule);
    assert.ok(rules.includes(rule), `found only: ${rules.join(", ") || "nothing"}`);
  });
}
