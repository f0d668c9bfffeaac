// A random walk: verbs in any order against a model that is simple enough to be believed. After
// each step the store must say what the model says.

import { moves, type Held, type Move, type State } from "@openclaw-worker/protocol";
import * as fc from "fast-check";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Store } from "../../../src/store/store.ts";
import { startMs } from "../../clock.ts";
import { command, done, home, prompt, put, take } from "../../orders.ts";
import type { Open } from "../contract.ts";

interface Modelled {
  state: State;
  fence: number;
  read: boolean;
  readonly session: string | null;
}

type Step =
  | { readonly verb: "submit"; readonly session: string | null; readonly priority: number }
  | { readonly verb: "claim"; readonly max: number }
  | { readonly verb: "sweep" }
  | {
      readonly verb: "start" | "giveBack" | "settle" | "cancel" | "markRead" | "oldSettle";
      readonly pick: number;
    };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    verb: fc.constant("submit" as const),
    session: fc.constantFrom(null, "a", "b"),
    priority: fc.integer({ min: -2, max: 2 }),
  }),
  fc.record({ verb: fc.constant("claim" as const), max: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ verb: fc.constant("sweep" as const) }),
  fc.record({
    verb: fc.constantFrom("start", "giveBack", "settle", "cancel", "markRead", "oldSettle"),
    pick: fc.nat(),
  }),
);

export function walkContract(open: Open): void {
  describe("walk", () => {
    test("whatever verbs come in whatever order, the store does what the table of moves allows", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
          await using store = await open();
          const model = new Map<string, Modelled>();
          for (const one of steps) {
            await act(store, model, one);
            await compare(store, model);
          }
        }),
        { numRuns: 60 },
      );
    });
  });
}

async function act(store: Store, model: Map<string, Modelled>, one: Step): Promise<void> {
  switch (one.verb) {
    case "submit": {
      const { session, priority } = one;
      const id = await put(
        store,
        session === null ? command("x", { priority }) : prompt(session, { priority }),
      );
      model.set(id, { state: "pending", fence: 0, read: false, session });
      return;
    }
    case "claim":
      for (const task of await take(store, home, { max: one.max, leaseUntil: 100 })) {
        const known = mustHave(model, task.id);
        known.fence += 1;
        assert.equal(task.fence, known.fence);
        assert.equal(headOfSession(model, task.id), task.id);
        move(known, "claim");
      }
      return;
    case "sweep":
      await store.sweep(100, startMs);
      for (const known of model.values()) {
        if (known.state === "claimed") move(known, "giveBack");
        else if (known.state === "started") move(known, "lose");
      }
      return;
    case "start":
    case "giveBack":
    case "settle":
    case "cancel":
    case "markRead":
    case "oldSettle":
      return actOn(store, model, one);
  }
}

async function actOn(
  store: Store,
  model: Map<string, Modelled>,
  { verb, pick }: Extract<Step, { readonly pick: number }>,
): Promise<void> {
  const records = await store.list({ max: 100 });
  const record = records[pick % Math.max(1, records.length)];
  if (record === undefined) return;
  const known = mustHave(model, record.id);
  const held: Held = { taskId: record.id, fence: known.fence };
  switch (verb) {
    case "start": {
      const answer = await store.start(held, startMs);
      const mayStart = known.state === "claimed" || known.state === "started";
      assert.equal(answer, mayStart ? "started" : "stale");
      if (known.state === "claimed") move(known, "start");
      return;
    }
    case "giveBack": {
      const readied = await store.giveBack("home", [held], startMs);
      assert.equal(readied.length, known.state === "claimed" ? 1 : 0);
      if (known.state === "claimed") move(known, "giveBack");
      return;
    }
    case "settle": {
      const { kind } = await store.settle({ ...held, report: done, at: startMs });
      // A task that waits again takes the result of its newest attempt: the work was done once.
      const takes = known.fence > 0 && known.state !== "finished";
      assert.equal(kind, takes ? "settled" : known.fence === 0 ? "stale" : "duplicate");
      if (!takes) return;
      known.state = "finished";
      known.read = false;
      return;
    }
    case "cancel": {
      const { kind } = await store.cancel(record.id, startMs);
      const ends = known.state === "pending" || known.state === "claimed";
      assert.equal(kind, ends ? "ended" : known.state === "started" ? "asked" : "over");
      if (ends) move(known, "cancel");
      return;
    }
    case "markRead": {
      const isOver = known.state === "finished" || known.state === "lost";
      assert.equal(await store.markRead(record.id, startMs), isOver && !known.read);
      if (isOver) known.read = true;
      return;
    }
    case "oldSettle":
      // No fence, but a leased attempt or none at all: never taken.
      assert.equal(
        (await store.settle({ ...held, fence: null, report: done, at: startMs })).kind,
        "stale",
      );
  }
}

async function compare(store: Store, model: Map<string, Modelled>): Promise<void> {
  const byStatus = { pending: 0, running: 0, completed: 0, failed: 0 };
  let unread = 0;
  const busy = new Map<string, number>();
  for (const record of await store.list({ max: 100 })) {
    const known = mustHave(model, record.id);
    byStatus[record.status] += 1;
    assert.equal(record.fence, known.fence);
    assert.equal(stateOf(record), known.state);
    const isOver = known.state === "finished" || known.state === "lost";
    assert.equal((await store.result(record.id)) !== null, isOver);
    if (isOver && !known.read) unread += 1;
    if (record.status === "running" && record.session !== null) {
      busy.set(record.session, (busy.get(record.session) ?? 0) + 1);
    }
  }
  assert.deepEqual(await store.counts(), { byStatus, unread });
  for (const count of busy.values()) assert.equal(count, 1);
}

function stateOf(record: {
  readonly status: string;
  readonly phase: string | null;
  readonly outcome: string | null;
}): string {
  if (record.status === "pending") return "pending";
  if (record.status === "running") return record.phase ?? "";
  return record.outcome === "lost" ? "lost" : "finished";
}

function move(known: Modelled, by: Move): void {
  const next = moves[known.state][by];
  assert.ok(next, `${by} is not legal in ${known.state}`);
  known.state = next;
}

function mustHave(model: Map<string, Modelled>, id: string): Modelled {
  const known = model.get(id);
  assert.ok(known, "the store has a task that nobody submitted");
  return known;
}

/** The first unfinished task of this one's session: only that one may be handed out. */
function headOfSession(model: Map<string, Modelled>, id: string): string {
  const session = mustHave(model, id).session;
  if (session === null) return id;
  for (const [key, one] of model) {
    if (one.session === session && one.state !== "finished" && one.state !== "lost") return key;
  }
  return id;
}
