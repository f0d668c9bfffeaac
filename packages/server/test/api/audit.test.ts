import {
  growTree,
  leafHash,
  newPrivateKey,
  signDocument,
  verifyInclusion,
  type AuditCopy,
  type PrivateKey,
} from "@openclaw-worker/protocol";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import { introductionOf } from "../asks.ts";
import { temporaryFolder } from "../folder.ts";
import { assertProblem, openApiStage, type ApiStage } from "./stage.ts";

const key = newPrivateKey();
const entryOf = (seq: number, word = "x") => `{"seq":${seq},"word":"${word}"}`;
const entriesTo = (size: number) => Array.from({ length: size }, (_, seq) => entryOf(seq));

/** A copy as an honest worker sends it: what it has from `from` on, and the head over all. */
function copyOf(entries: readonly string[], from = 0, by: PrivateKey = key): AuditCopy {
  const tree = growTree();
  for (const entry of entries) tree.append(leafHash(entry));
  const checkpoint = {
    version: 1 as const,
    worker: "home",
    log: "ab".repeat(16),
    size: entries.length,
    root: tree.root().toString("hex"),
    at: entries.length,
  };
  const signature = signDocument("checkpoint", checkpoint, by);
  const head = { checkpoint, signature, publicKey: by.public.text };
  return { from, entries: entries.slice(from), head, consistency: [] };
}

function introduce(stage: ApiStage, publicKey: string | undefined = key.public.text) {
  return stage.post("/worker/beat", { worker: introductionOf("home", { publicKey }), held: [] });
}

describe("copies of audit logs", () => {
  test("grow entry by entry, are shown with their head, and each entry is proved", async () => {
    await using stage = await openApiStage();
    await introduce(stage);
    const all = entriesTo(13);
    for (const size of [3, 4, 13]) {
      const have = (await stage.get("/audit?worker=home")).body.size ?? 0;
      const answer = await stage.post("/worker/audit", copyOf(all.slice(0, size), have));
      assert.deepEqual(answer.body, { size, alarm: null });
    }
    const { head } = copyOf(all);
    const page = (await stage.get("/audit?worker=home&from=10&limit=2")).body;
    assert.deepEqual(page, {
      worker: "home",
      log: head.checkpoint.log,
      size: 13,
      entries: all.slice(10, 12),
      head,
    });
    assert.deepEqual((await stage.get("/audit/checkpoint?worker=home")).body, head);
    for (const [seq, entry] of all.entries()) {
      const proof = (await stage.get(`/audit/proof?worker=home&seq=${seq}`)).body;
      assert.equal(proof.entry, entry);
      assert.ok(
        verifyInclusion({
          leaf: leafHash(entry),
          index: seq,
          size: 13,
          root: Buffer.from(head.checkpoint.root, "hex"),
          proof: proof.proof.map((hash: string) => Buffer.from(hash, "hex")),
        }),
      );
    }
    assertProblem(await stage.get("/audit/proof?worker=home&seq=13"), 404, /No entry 13/);
    assertProblem(await stage.get("/audit?worker=nobody"), 404, "Worker not found");
    assertProblem(await stage.get("/audit"), 400);
  });

  test("a second history is an alarm that stays, and takes nothing's place", async () => {
    await using stage = await openApiStage();
    await introduce(stage);
    const honest = entriesTo(4);
    await stage.post("/worker/audit", copyOf(honest));
    const forked = [...entriesTo(3), entryOf(3, "another")];
    const answer = (await stage.post("/worker/audit", copyOf(forked))).body;
    assert.equal(answer.size, 4);
    assert.match(answer.alarm, /two histories/);
    await introduce(stage);
    assert.match((await stage.get("/workers/home")).body.alarm, /two histories/);
    assert.deepEqual((await stage.get("/audit?worker=home")).body.entries, honest);
    const { events } = (await stage.get("/events")).body;
    const alarms = events.filter(({ type }: { type: string }) => type === "audit.alarm");
    assert.equal(alarms.length, 1);
  });

  test("another key than the worker told first is an alarm, also before the first copy", async () => {
    await using stage = await openApiStage();
    await introduce(stage);
    const other = newPrivateKey();
    await introduce(stage, other.public.text);
    assert.equal((await stage.get("/workers/home")).body.fingerprint, key.public.fingerprint);
    const answer = (await stage.post("/worker/audit", copyOf(entriesTo(2), 0, other))).body;
    assert.deepEqual([answer.size, /another key/.test(answer.alarm)], [0, true]);
    assertProblem(await stage.get("/audit?worker=home"), 404, "No audit copy");
  });

  test("two copies at once are both answered, and kept once", async () => {
    await using stage = await openApiStage();
    await introduce(stage);
    const all = entriesTo(50);
    const answers = await Promise.all(
      [10, 50, 30].map((size) => stage.post("/worker/audit", copyOf(all.slice(0, size)))),
    );
    assert.ok(answers.every(({ status, body }) => status === 200 && body.alarm === null));
    assert.deepEqual((await stage.get("/audit?worker=home")).body.entries, all);
  });

  test("outlive the server, and the worker's key too", async () => {
    using folder = temporaryFolder();
    const open = () => openApiStage({ store: openSqliteStore(`${folder.path}/tasks.db`) });
    {
      await using before = await open();
      await introduce(before);
      await before.post("/worker/audit", copyOf(entriesTo(5)));
    }
    await using after = await open();
    const answer = (await after.post("/worker/audit", copyOf(entriesTo(8), 5))).body;
    assert.deepEqual(answer, { size: 8, alarm: null });
    assert.equal((await after.get("/workers/home")).body.fingerprint, key.public.fingerprint);
    assert.deepEqual((await after.get("/audit?worker=home")).body.entries, entriesTo(8));
  });
});
