import type { PollAnswer } from "@openclaw-worker/protocol";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import type { Store } from "../../src/store/store.ts";
import { askOf, ended, introductionOf, operator, signedDecision } from "../asks.ts";
import { startMs } from "../clock.ts";
import { command, dayMs, leaseMs } from "../orders.ts";
import { heldBy, never, openQueueStage, pollOf, send, takeTask, type QueueStage } from "./stage.ts";

const instance = "home-instance";
const poll = (fields: object = {}) =>
  pollOf("home", { instance, introduces: true, capacity: 0, ...fields });

async function introduce({ queue }: QueueStage, fields: object = {}): Promise<void> {
  await queue.beat({ worker: introductionOf("home"), held: [], ...fields });
}

/** A worker that holds a task and asks. */
async function asking(stage: QueueStage, ttlMs: number = dayMs) {
  await introduce(stage);
  await send(stage.queue, command("git push", { ttlMs }));
  const held = heldBy(await takeTask(stage.queue, poll({ capacity: 1 })));
  const ask = { ...askOf(held), instance };
  await stage.queue.approvals.ask(ask);
  return { held, ask };
}

function decide({ queue }: QueueStage, ask: Awaited<ReturnType<typeof asking>>["ask"]) {
  const id = ask.request.id;
  return queue.approvals.decide({ id, ...signedDecision(ask), by: operator, mayApprove: false });
}

const brought = ({ decisions, stop }: PollAnswer) => [decisions.length, stop !== null];

describe("decisions on their way", () => {
  test("a parked poll gets a decision at once, word for word", async () => {
    await using stage = await openQueueStage();
    const { ask } = await asking(stage);
    const parked = stage.queue.poll(poll());
    assert.equal(await decide(stage, ask), "waiting");
    // No time passes on this stage: only a wake-up can have answered it.
    assert.deepEqual((await parked).decisions, [{ type: "approval", ...signedDecision(ask) }]);
  });

  test("between two polls it waits for the next one", async () => {
    await using stage = await openQueueStage();
    const { ask } = await asking(stage);
    await decide(stage, ask);
    assert.deepEqual(brought(await stage.queue.poll(poll())), [1, false]);
  });

  test("an answer that was lost is given again soon, a few times, then with whatever comes", async () => {
    await using stage = await openQueueStage();
    const { clock, queue } = stage;
    const { ask } = await asking(stage);
    await decide(stage, ask);
    let answers = 0;
    for (; answers < 5; answers += 1) {
      const parked = queue.poll(poll());
      clock.advance(answers === 0 ? 0 : 2_000);
      assert.deepEqual(brought(await parked), [1, false]);
    }
    let over = false;
    const parked = queue.poll(poll()).finally(() => (over = true));
    await clock.pass(20_000);
    assert.equal(over, false);
    await clock.pass(5_000);
    assert.deepEqual(brought(await parked), [1, false]);
  });

  test("when the worker has told how it ended nothing more is sent", async () => {
    await using stage = await openQueueStage();
    const { ask } = await asking(stage);
    await decide(stage, ask);
    await stage.queue.poll(poll());
    await stage.queue.approvals.ask(ended(ask));
    const parked = stage.queue.poll(poll());
    await stage.clock.pass(25_000);
    assert.deepEqual(brought(await parked), [0, false]);
  });

  test("what expired on its way is not delivered", async () => {
    await using stage = await openQueueStage();
    const { ask } = await asking(stage);
    const id = ask.request.id;
    const short = signedDecision(ask, { expiresAt: startMs + 1_000 });
    await stage.queue.approvals.decide({ id, ...short, by: operator, mayApprove: false });
    await stage.clock.pass(1_000);
    const parked = stage.queue.poll(poll());
    await stage.clock.pass(25_000);
    assert.deepEqual(brought(await parked), [0, false]);
  });

  test("a poll that hung up was handed nothing: the next one gets it at once", async () => {
    await using stage = await openQueueStage();
    const { ask } = await asking(stage);
    const line = new AbortController();
    const dead = stage.queue.poll(poll({ gone: line.signal }));
    line.abort(new Error("hung up"));
    await decide(stage, ask);
    assert.deepEqual(brought(await dead), [0, false]);
    assert.deepEqual(brought(await stage.queue.poll(poll())), [1, false]);
  });

  test("a server that was started again still delivers", async () => {
    const kept = keptStore();
    {
      await using before = await openQueueStage({ store: kept.store });
      await decide(before, (await asking(before)).ask);
      await before.queue.halts.order("home", "enough", operator);
    }
    await using after = await openQueueStage({ store: kept.store });
    const unknown = await after.queue.poll(poll());
    assert.deepEqual([unknown.unknown, ...brought(unknown)], [true, 0, false]);
    await introduce(after);
    assert.deepEqual(brought(await after.queue.poll(poll())), [1, true]);
    await kept.close();
  });

  test("another worker and an old one are told nothing", async () => {
    await using stage = await openQueueStage();
    const { ask } = await asking(stage);
    await decide(stage, ask);
    const others = [
      stage.queue.poll(pollOf("other", { capacity: 0 })),
      stage.queue.poll(pollOf("home", { instance: "old-1", capacity: null })),
    ];
    await stage.clock.pass(25_000);
    for (const answer of await Promise.all(others)) assert.deepEqual(brought(answer), [0, false]);
  });
});

describe("a task that waits for a person", () => {
  test("is kept by beats that call it asking, past its ttl, and never begins by them", async () => {
    await using stage = await openQueueStage();
    const { held } = await asking(stage, leaseMs * 2);
    for (let beats = 0; beats < 4; beats += 1) {
      await stage.clock.pass(leaseMs - 1);
      const beat = await stage.queue.beat({ instance, held: [], asking: [held] });
      assert.deepEqual([beat.cancel, beat.stale], [[], []]);
    }
    const record = await stage.store.get(held.taskId);
    assert.deepEqual([record?.status, record?.phase], ["running", "awaiting-approval"]);
  });

  test("is cancelled at once, and its worker told by the parked poll", async () => {
    await using stage = await openQueueStage();
    const { held, ask } = await asking(stage);
    const parked = stage.queue.poll(poll());
    assert.equal((await stage.queue.cancel(held.taskId)).kind, "ended");
    assert.deepEqual((await parked).cancel, [held]);
    assert.equal((await stage.queue.approvals.get(ask.request.id)).state, "withdrawn");
    await assert.rejects(decide(stage, ask), { code: "approval-decided" });
  });
});

describe("waiting for approvals", () => {
  test("a reader hears of a new one, of its end, and of one that is withdrawn", async () => {
    await using stage = await openQueueStage();
    const { approvals } = stage.queue;
    const first = approvals.list({ max: 10 }, 60_000, never);
    const { held, ask } = await asking(stage);
    const page = await first;
    assert.deepEqual(
      page.approvals.map(({ id, state }) => [id, state]),
      [[ask.request.id, "waiting"]],
    );
    const second = approvals.list({ after: page.cursor, max: 10 }, 60_000, never);
    await stage.queue.leave(instance, [held]);
    const [approval] = (await second).approvals;
    assert.equal(approval?.state, "withdrawn");
  });

  test("a reader of one state is not woken for another, and waits no longer than it said", async () => {
    await using stage = await openQueueStage();
    const { approvals } = stage.queue;
    const { ask } = await asking(stage);
    const { cursor } = await approvals.list({ max: 10 }, 0, never);
    const waiting = approvals.list({ state: "waiting", after: cursor, max: 10 }, 5_000, never);
    await approvals.ask(ended(ask));
    await stage.clock.pass(5_000);
    assert.deepEqual((await waiting).approvals, []);
  });

  test("the end of the server, or of the connection, answers who waits", async () => {
    await using stage = await openQueueStage();
    const line = new AbortController();
    const pages = [
      stage.queue.approvals.list({ max: 10 }, 600_000, line.signal),
      stage.queue.approvals.list({ max: 10 }, 600_000, never),
    ];
    await new Promise((resolve) => setImmediate(resolve));
    line.abort(new Error("hung up"));
    stage.queue.stop();
    for (const page of await Promise.all(pages)) assert.deepEqual(page.approvals, []);
  });
});

/** A store that outlives its queue. */
function keptStore(): { readonly store: Store; readonly close: () => PromiseLike<void> } {
  const store = openSqliteStore(":memory:");
  return {
    store: { ...store, async [Symbol.asyncDispose]() {} },
    close: () => store[Symbol.asyncDispose](),
  };
}
