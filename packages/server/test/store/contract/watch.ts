import { newTaskId, submission, type TaskProof } from "@openclaw-worker/protocol";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { verifyChain } from "../../../src/audit/chain.ts";
import { approver, operator, signedResume, stoppedBy } from "../../asks.ts";
import { startMs } from "../../clock.ts";
import { command, old, order, put, strangerId, take } from "../../orders.ts";
import type { Open } from "../contract.ts";

const idAt = (at: number) => newTaskId(at, randomBytes(10));
const orderAt = (at: number) => ({ id: idAt(at), by: "api", reason: "enough", at });
const action = { by: operator, action: "worker.stop", target: "home", at: startMs };

export function watchContract(open: Open): void {
  describe("stop", () => {
    test("an order stands until the worker says that it is stopped by it or a newer one", async () => {
      await using store = await open();
      const first = orderAt(startMs);
      await store.orderStop({ worker: "home", order: first, action });
      assert.deepEqual(await store.halts(), [{ worker: "home", order: first, stopped: null }]);
      const older = stoppedBy(idAt(startMs - 5_000));
      assert.deepEqual(
        (await store.saveStopped({ worker: "home", stopped: older, seen: null, at: startMs }))
          .order,
        first,
      );
      const newer = stoppedBy(idAt(startMs + 5_000));
      const record = { worker: "home", order: null, stopped: newer };
      assert.deepEqual(
        await store.saveStopped({ worker: "home", stopped: newer, seen: null, at: startMs }),
        record,
      );
      assert.deepEqual(await store.halts(), [record]);
      const ended = await store.saveStopped({
        worker: "home",
        stopped: null,
        seen: null,
        at: startMs,
      });
      assert.deepEqual([ended.order, ended.stopped], [null, null]);
      const types = (await store.events(10)).map(({ type }) => type);
      assert.deepEqual(types, ["worker.stopped", "worker.stopped", "worker.resumed"]);
    });

    test("a worker that works does not confirm an order by saying so", async () => {
      await using store = await open();
      const order = orderAt(startMs);
      await store.orderStop({ worker: "home", order });
      assert.deepEqual(
        (await store.saveStopped({ worker: "home", stopped: null, seen: null, at: startMs })).order,
        order,
      );
      const other = orderAt(startMs - 5_000).id;
      const saying = { worker: "home", stopped: null, at: startMs };
      assert.deepEqual((await store.saveStopped({ ...saying, seen: other })).order, order);
      await store.liftStop("home", action);
      assert.deepEqual(await store.halts(), [{ worker: "home", order: null, stopped: null }]);
      assert.equal((await store.actions(null, 10)).length, 1);
    });

    test("a worker that was resumed before it could say so confirms by what it has seen", async () => {
      await using store = await open();
      const order = orderAt(startMs);
      await store.orderStop({ worker: "home", order });
      const told = { worker: "home", stopped: null, seen: order.id, at: startMs };
      assert.deepEqual(await store.saveStopped(told), {
        worker: "home",
        order: null,
        stopped: null,
      });
    });

    test("a resume waits while that stop stands, and no longer", async () => {
      await using store = await open();
      const stopped = stoppedBy(idAt(startMs));
      await store.saveStopped({ worker: "home", stopped: stopped, seen: null, at: startMs });
      const { resume, signature } = signedResume(stopped.id);
      const message = {
        worker: "home",
        stopId: stopped.id,
        envelope: { type: "resume" as const, resume, signature },
        expiresAt: resume.expiresAt,
        at: startMs,
        max: 1,
        action,
      };
      const letter = await store.sendResume(message);
      assert.deepEqual(await store.letters(), [letter]);
      assert.deepEqual(await store.sendResume(message), letter);
      const other = { ...resume, nonce: "another-nonce-of-22-ch" };
      const second = { ...message, envelope: { ...message.envelope, resume: other } };
      assert.equal(await store.sendResume(second), null);
      await store.saveStopped({ worker: "home", stopped: null, seen: null, at: startMs });
      assert.deepEqual(await store.letters(), []);
    });
  });

  describe("witness", () => {
    const change = {
      worker: "home",
      version: 0,
      known: '{"a":1}',
      from: 0,
      entries: ["e0", "e1"],
      nodesFrom: 0,
      nodes: [Buffer.alloc(32, 1), Buffer.alloc(32, 2), Buffer.alloc(32, 3)],
      alarm: null,
      at: startMs,
    };

    test("entries and nodes are added to the version that was judged, and to no other", async () => {
      await using store = await open();
      assert.equal(await store.witness("home"), null);
      assert.equal(await store.saveWitness(change), "saved");
      assert.equal(await store.saveWitness({ ...change, from: 2, nodesFrom: 3 }), "raced");
      assert.deepEqual(await store.witness("home"), {
        version: 1,
        known: change.known,
        alarm: null,
      });
      const more = {
        ...change,
        version: 1,
        known: '{"a":2}',
        from: 2,
        entries: ["e2"],
        nodesFrom: 3,
      };
      assert.equal(await store.saveWitness({ ...more, nodes: [Buffer.alloc(32, 4)] }), "saved");
      assert.deepEqual(await store.auditEntries("home", 1, 10), ["e1", "e2"]);
      assert.deepEqual(await store.auditEntries("home", 0, 1), ["e0"]);
      assert.deepEqual(await store.auditEntries("other", 0, 10), []);
      const nodes = await store.auditNodes("home", [3, 0, 9]);
      assert.deepEqual(
        [...nodes],
        [
          [3, Buffer.alloc(32, 4)],
          [0, Buffer.alloc(32, 1)],
        ],
      );
    });

    test("the first alarm stays with its evidence, what was known stays, each new one is an event", async () => {
      await using store = await open();
      await store.saveWitness(change);
      const nothing = { ...change, known: null, entries: [], nodes: [] };
      const alarm = (text: string) => ({ text, evidence: `"${text}"` });
      await store.saveWitness({ ...nothing, version: 1, alarm: alarm("cut") });
      await store.saveWitness({ ...nothing, version: 2, alarm: alarm("cut"), at: startMs + 1 });
      await store.saveWitness({ ...nothing, version: 3, alarm: alarm("forked"), at: startMs + 2 });
      assert.deepEqual(await store.witness("home"), {
        version: 4,
        known: change.known,
        alarm: { text: "cut", evidence: '"cut"', at: startMs },
      });
      assert.deepEqual([...(await store.alarms())], [["home", "cut"]]);
      const alarms = (await store.events(10)).filter(({ type }) => type === "audit.alarm");
      assert.equal(alarms.length, 2);
    });
  });

  describe("actions", () => {
    test("what verbs did is chained in order, and what changed nothing is not there", async () => {
      await using store = await open();
      const id = strangerId();
      const submit = {
        ...order(command()),
        id,
        action: { ...action, action: "task.submit", target: id },
      };
      await Promise.all([
        store.submit(submit),
        store.orderStop({ worker: "home", order: orderAt(startMs), action }),
        store.act({ ...action, action: "auth.refused" }),
        store.cancel(id, startMs, { ...action, action: "task.cancel", target: id }),
        store.cancel(id, startMs, { ...action, action: "task.cancel", target: id }),
        store.cancel(strangerId(), startMs, action),
      ]);
      const entries = await store.actions(0, 100);
      assert.deepEqual(
        entries.map(({ seq, action: name, actor, from }) => [seq, name, actor, from]),
        ["task.submit", "worker.stop", "auth.refused", "task.cancel"].map((name, seq) => [
          seq,
          name,
          operator.name,
          operator.from,
        ]),
      );
      assert.equal(verifyChain(entries, null), null);
      assert.deepEqual(await store.actions(null, 2), entries.slice(2));
      assert.deepEqual(await store.actions(1, 2), entries.slice(1, 3));
      const forged = entries.map((entry) => (entry.seq === 1 ? { ...entry, target: "x" } : entry));
      assert.equal(verifyChain(forged, null)?.seq, 1);
    });
  });

  describe("signed tasks", () => {
    const spec = { kind: "command", command: "ls" } as const;
    const proof: TaskProof = {
      key: approver.public.fingerprint,
      nonce: "0123456789abcdefghijkl",
      issuedAt: startMs,
      expiresAt: startMs + 1_000,
      audience: { labels: [] },
      value: "A".repeat(86),
    };

    test("reason, proof and needs reach the worker as they came; an old worker never sees them", async () => {
      await using store = await open();
      const needs = { network: ["example.com"] };
      await put(store, { ...submission(spec, undefined, { reason: "why" }), proof });
      await put(store, submission({ ...spec, needs }, undefined, {}));
      assert.deepEqual(await take(store, old, { max: 10 }), []);
      const [signed, needy] = await take(store, undefined, { max: 10 });
      assert.deepEqual([signed?.proof, signed?.reason, signed?.spec], [proof, "why", spec]);
      assert.deepEqual(needy?.spec, { ...spec, needs });
      assert.equal(needy?.proof, undefined);
    });

    test("the id of a signed task is its key: the same body is the same task, another is none", async () => {
      await using store = await open();
      const id = strangerId();
      const signed = { ...submission(spec, undefined, { idempotencyKey: "k1" }), id, proof };
      const first = { ...order(signed, { digest: "1" }), id };
      assert.equal((await store.submit(first)).kind, "created");
      const otherKey = { ...signed, idempotencyKey: "k2" };
      assert.deepEqual(await store.submit({ ...first, submission: otherKey }), {
        kind: "same",
        id,
        sessionId: null,
      });
      assert.equal((await store.submit({ ...first, digest: "2" })).kind, "conflict");
      assert.equal((await store.counts()).byStatus.pending, 1);
    });
  });
}
