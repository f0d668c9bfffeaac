import assert from "node:assert/strict";
import { rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { systemClock, type Clock } from "@openclaw-worker/base";
import { limits, newTaskId, type Held } from "@openclaw-worker/protocol";
import { openJournal, type Journal } from "../src/journal.ts";
import { temporaryFolder } from "./stage.ts";

interface Desk extends Disposable {
  readonly file: string;
  aheadMs: number;
  open(): Journal;
}

function openDesk(): Desk {
  const folder = temporaryFolder();
  const real = systemClock();
  const desk = {
    file: path.join(folder, "journal.sqlite"),
    aheadMs: 0,
    open: () => openJournal({ file: desk.file, clock }),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
  const clock: Clock = { ...real, now: () => real.now() + desk.aheadMs };
  return desk;
}

function held(digit: number, fence = 1): Held {
  return { taskId: newTaskId(digit, new Uint8Array(10)), fence };
}

test("the journal is readable by its owner only, and so are its parts", () => {
  using desk = openDesk();
  using journal = desk.open();
  journal.begin(held(1));
  for (const part of ["", "-wal", "-shm"])
    assert.equal(statSync(`${desk.file}${part}`).mode & 0o777, 0o600);
});

test("what was begun is remembered by the next process, and ends as lost there", () => {
  using desk = openDesk();
  {
    using journal = desk.open();
    assert.equal(journal.begin(held(1)), null);
    assert.equal(journal.begin(held(2)), null);
    assert.equal(journal.finish(held(2), '{"stdout":"x"}'), null);
    journal.delivered(held(2).taskId);
    assert.equal(journal.begin(held(3)), null);
    assert.equal(journal.notRun(held(3).taskId), null);
  }
  using journal = desk.open();
  assert.deepEqual(journal.recall(held(1).taskId), { kind: "begun" });
  assert.equal(journal.loseBegun(), 1);
  assert.deepEqual(journal.undelivered(), [held(1)]);
  const memory = journal.recall(held(1).taskId);
  assert.ok(memory.kind === "finished" && memory.text?.includes("may have run in part"));
  assert.deepEqual(journal.recall(held(2).taskId), { kind: "finished", text: '{"stdout":"x"}' });
  assert.deepEqual(journal.recall(held(3).taskId), { kind: "new" });
  assert.deepEqual(journal.recall(held(4).taskId), { kind: "new" });
});

test("a begin that comes twice changes nothing that is already finished", () => {
  using desk = openDesk();
  using journal = desk.open();
  journal.finish(held(1), "{}");
  journal.begin(held(1, 2));
  assert.deepEqual(journal.recall(held(1).taskId), { kind: "finished", text: "{}" });
});

test("delivered entries go after the retention time, undelivered ones never", () => {
  using desk = openDesk();
  using journal = desk.open();
  journal.finish(held(1), "{}");
  journal.finish(held(2), "{}");
  journal.delivered(held(1).taskId);
  journal.probe();
  desk.aheadMs = limits.retentionMs + 1_000;
  journal.prune();
  assert.equal(journal.recall(held(1).taskId).kind, "new");
  assert.deepEqual(journal.undelivered(), [held(2)]);
});

test("a long result is not kept once it was delivered, but that it ran is", () => {
  using desk = openDesk();
  using journal = desk.open();
  journal.finish(held(1), JSON.stringify({ stdout: "x".repeat(100_000) }));
  journal.delivered(held(1).taskId);
  journal.probe();
  assert.deepEqual(journal.recall(held(1).taskId), { kind: "finished", text: null });
});

test("a disk that takes nothing is told in a sentence, and works again when it does", () => {
  using desk = openDesk();
  using journal = desk.open();
  using other = new DatabaseSync(desk.file);
  other.exec("BEGIN IMMEDIATE");
  assert.match(journal.begin(held(1)) ?? "", /locked/);
  assert.match(journal.probe() ?? "", /locked/);
  other.exec("ROLLBACK");
  assert.equal(journal.probe(), null);
  assert.equal(journal.recall(held(1).taskId).kind, "new");
});

test("a damaged journal and one of a newer version are not used", () => {
  using desk = openDesk();
  {
    using _journal = desk.open();
    using raw = new DatabaseSync(desk.file);
    raw.exec("PRAGMA user_version = 99");
  }
  assert.throws(() => desk.open(), /newer version/);
  writeFileSync(desk.file, "this is no database, whatever its name says\n".repeat(100));
  assert.throws(() => desk.open(), /not a database/);
});
