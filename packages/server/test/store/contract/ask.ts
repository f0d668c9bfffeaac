import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Ask, TaskId } from "@openclaw-worker/protocol";
import type { Store } from "../../../src/store/store.ts";
import { askOf, ended, envelopeOf, operator } from "../../asks.ts";
import { startMs } from "../../clock.ts";
import { command, put, settleWith, strangerId, takeOne } from "../../orders.ts";
import type { Open } from "../contract.ts";

const bounds = { at: startMs, perTaskMax: 10, waitingMax: 10 };
const noted = { kind: "noted", changed: true };
const known = { kind: "noted", changed: false };

async function asking(store: Store): Promise<Ask> {
  await put(store, command("git push", { reason: "release day" }));
  const ask = askOf(await takeOne(store));
  assert.deepEqual(await store.ask({ ask, ...bounds }), noted);
  return ask;
}

async function stateOf(store: Store, ask: Ask): Promise<string | undefined> {
  return (await store.approval(ask.request.id))?.state;
}

async function phaseOf(store: Store, id: TaskId) {
  const task = await store.get(id);
  return [task?.phase, task?.approval];
}

function decide(
  store: Store,
  ask: Ask,
  fields: { readonly max?: number; readonly nonce?: string } = {},
) {
  const { max = 8, nonce } = fields;
  return store.decide({
    id: ask.request.id,
    envelope: envelopeOf(ask, nonce === undefined ? {} : { nonce }),
    expiresAt: ask.request.expiresAt,
    at: startMs,
    max,
    action: { by: operator, action: "approval.once", target: ask.request.id, at: startMs },
  });
}

export function askContract(open: Open): void {
  describe("ask", () => {
    test("an approval is kept whole, with the submitter's reason, and the task says that it waits", async () => {
      await using store = await open();
      const ask = await asking(store);
      const { instance: _, fence: __, ...shown } = ask;
      assert.deepEqual(await store.approval(ask.request.id), {
        ...shown,
        id: ask.request.id,
        reason: "release day",
        updatedAt: startMs,
      });
      assert.deepEqual(await phaseOf(store, ask.taskId), ["awaiting-approval", ask.request.id]);
      await store.ask({ ask: ended(ask), ...bounds });
      assert.deepEqual(await phaseOf(store, ask.taskId), ["claimed", null]);
      assert.equal((await store.approval(ask.request.id))?.decidedBy, "key anna");
      const events = (await store.events(10)).map(({ type }) => type);
      assert.deepEqual(events, ["task.created", "approval.asked", "approval.decided"]);
    });

    test("said twice it is one; what ended waits no more, and its first end stays", async () => {
      await using store = await open();
      const ask = await asking(store);
      assert.deepEqual(await store.ask({ ask, ...bounds }), known);
      assert.deepEqual(await store.ask({ ask: ended(ask, "denied"), ...bounds }), noted);
      assert.deepEqual(await store.ask({ ask, ...bounds }), known);
      assert.deepEqual(await store.ask({ ask: ended(ask, "allowed"), ...bounds }), known);
      assert.equal(await stateOf(store, ask), "denied");
    });

    test("only for a task that this worker process holds, in this attempt", async () => {
      await using store = await open();
      await put(store, command());
      const held = await takeOne(store);
      const ask = askOf(held);
      const stale = { kind: "stale" };
      const tried: readonly Ask[] = [
        { ...ask, instance: "another" },
        askOf({ ...held, fence: 2 }),
        askOf(held, { worker: "other" }),
        { ...ask, request: { ...ask.request, taskId: strangerId() } },
      ];
      for (const one of tried) assert.deepEqual(await store.ask({ ask: one, ...bounds }), stale);
      const stranger = askOf({ taskId: strangerId(), fence: 1 });
      assert.deepEqual(await store.ask({ ask: stranger, ...bounds }), { kind: "unknown" });
      await settleWith(store, held);
      assert.deepEqual(await store.ask({ ask, ...bounds }), stale);
      assert.deepEqual((await store.approvals({ max: 10 })).approvals, []);
    });

    test("nobody takes over the id of another approval", async () => {
      await using store = await open();
      const ask = await asking(store);
      await put(store, command());
      const other = askOf(await takeOne(store), { request: ask.request });
      assert.deepEqual(await store.ask({ ask: ended(other), ...bounds }), { kind: "stale" });
      const changed = { ...ask, digest: "0".repeat(64) };
      assert.deepEqual(await store.ask({ ask: ended(changed), ...bounds }), { kind: "stale" });
      assert.equal(await stateOf(store, ask), "waiting");
    });

    test("every end of a task or an attempt withdraws what waits for it", async () => {
      await using store = await open();
      const ends: readonly ((ask: Ask) => Promise<unknown>)[] = [
        (ask) => settleWith(store, ask),
        (ask) => store.cancel(ask.taskId, startMs),
        (ask) => store.giveBack("home", [ask], startMs),
        () => store.sweep(Number.MAX_SAFE_INTEGER, startMs),
      ];
      for (const end of ends) {
        const ask = await asking(store);
        await decide(store, ask);
        await end(ask);
        assert.equal(await stateOf(store, ask), "withdrawn");
        assert.equal((await store.get(ask.taskId))?.approval, null);
        assert.deepEqual(await store.letters(), []);
        await store.cancel(ask.taskId, startMs);
      }
    });

    test("of several that wait the task names one until all are over", async () => {
      await using store = await open();
      const first = await asking(store);
      const second = askOf(first);
      await store.ask({ ask: second, ...bounds });
      assert.deepEqual(await phaseOf(store, first.taskId), [
        "awaiting-approval",
        second.request.id,
      ]);
      await store.ask({ ask: ended(second), ...bounds });
      assert.deepEqual(await phaseOf(store, first.taskId), ["awaiting-approval", first.request.id]);
      assert.equal(await store.start(first, startMs), "started");
      assert.deepEqual(await phaseOf(store, first.taskId), ["started", null]);
    });

    test("a task asks so often and no more, a worker has so many waiting and no more", async () => {
      await using store = await open();
      const ask = await asking(store);
      const few = { at: startMs, perTaskMax: 2, waitingMax: 1 };
      const kinds = [
        (await store.ask({ ask: askOf(ask), ...few })).kind,
        (await store.ask({ ask: ended(ask), ...few })).kind,
        (await store.ask({ ask: askOf(ask), ...few })).kind,
        (await store.ask({ ask: askOf(ask), ...few })).kind,
      ];
      assert.deepEqual(kinds, ["full", "noted", "noted", "full"]);
    });

    test("a cursor sees each change once, the latest state of each, also after pruning", async () => {
      await using store = await open();
      const [first, second] = [await asking(store), await asking(store)];
      const ids = (page: Awaited<ReturnType<Store["approvals"]>>) =>
        page.approvals.map(({ id }) => id);
      const all = await store.approvals({ max: 10 });
      assert.deepEqual(ids(all), [first.request.id, second.request.id]);
      assert.deepEqual(ids(await store.approvals({ after: all.cursor, max: 10 })), []);
      await store.ask({ ask: ended(first), ...bounds });
      const next = await store.approvals({ after: all.cursor, max: 10 });
      assert.deepEqual(ids(next), [first.request.id]);
      const cut = await store.approvals({ after: 0, max: 1 });
      assert.deepEqual(ids(cut), [second.request.id]);
      assert.deepEqual(ids(await store.approvals({ after: cut.cursor, max: 1 })), [
        first.request.id,
      ]);
      assert.deepEqual(ids(await store.approvals({ state: "waiting", max: 10 })), [
        second.request.id,
      ]);

      assert.equal(await store.prune(startMs + 1, 10), 0);
      assert.equal(await store.approval(first.request.id), null);
      assert.equal(await stateOf(store, second), "waiting");
      const third = await asking(store);
      assert.deepEqual(ids(await store.approvals({ after: next.cursor, max: 10 })), [
        third.request.id,
      ]);
    });
  });

  describe("decide", () => {
    test("a decision waits for its worker until the approval is over", async () => {
      await using store = await open();
      const ask = await asking(store);
      const sent = await decide(store, ask);
      assert.ok(sent.kind === "sent" && sent.isNew);
      assert.deepEqual(await store.letters(), [sent.letter]);
      assert.deepEqual(
        [sent.letter.worker, sent.letter.about, sent.letter.envelope],
        ["home", ask.request.id, envelopeOf(ask)],
      );
      const again = await decide(store, ask);
      assert.ok(again.kind === "sent" && !again.isNew && again.letter.id === sent.letter.id);
      assert.equal((await store.actions(null, 10)).length, 1);
      await store.ask({ ask: ended(ask), ...bounds });
      assert.deepEqual(await store.letters(), []);
      const late = await decide(store, ask);
      assert.equal(late.kind === "over" && late.approval.state, "allowed");
    });

    test("several may be on their way, so many and no more; an unknown approval gets none", async () => {
      await using store = await open();
      const ask = await asking(store);
      const kinds = [
        (await decide(store, ask, { max: 2 })).kind,
        (await decide(store, ask, { max: 2, nonce: "another-nonce-of-22-ch" })).kind,
        (await decide(store, ask, { max: 2, nonce: "a-third-nonce-of-22-ch" })).kind,
        (await decide(store, askOf(ask))).kind,
      ];
      assert.deepEqual(kinds, ["sent", "sent", "full", "unknown"]);
    });

    test("what has expired is over, and its envelopes are pruned", async () => {
      await using store = await open();
      const ask = await asking(store);
      await decide(store, ask);
      const { expiresAt } = ask.request;
      const late = await store.decide({
        id: ask.request.id,
        envelope: envelopeOf(ask),
        expiresAt,
        at: expiresAt,
        max: 8,
      });
      assert.equal(late.kind, "over");
      await store.prune(expiresAt + 1, 10);
      assert.deepEqual(await store.letters(), []);
    });
  });
}
