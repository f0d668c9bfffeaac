// Results that the server does not take: the disk that keeps them has a limit too.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { createLog, systemClock } from "@openclaw-worker/base";
import { newTaskId, type Held } from "@openclaw-worker/protocol";
import { openJournal } from "../../src/journal.ts";
import { undeliveredBytesMax, watchJournal } from "../../src/journal-watch.ts";
import { createSlots } from "../../src/slots.ts";
import { temporaryFolder } from "../stage.ts";

function held(digit: number): Held {
  return { taskId: newTaskId(digit, new Uint8Array(10)), fence: 1 };
}

test("the journal knows how much waits for the server, also after a restart", () => {
  const folder = temporaryFolder();
  using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
  const options = { file: path.join(folder, "journal.sqlite"), clock: systemClock() };
  const told: number[] = [];
  {
    using journal = openJournal(options);
    using _told = journal.onUndelivered((bytes) => void told.push(bytes));
    journal.finish(held(1), '"é"');
    journal.finish(held(2), Buffer.from('"12345678"'));
    journal.finish(held(1), '"é12"');
    journal.delivered(held(2).taskId);
    journal.delivered(held(2).taskId);
    assert.equal(journal.onUndelivered(() => {})[Symbol.dispose](), undefined);
  }
  assert.deepEqual(told, [0, 4, 14, 16, 6, 6]);
  using journal = openJournal(options);
  using _told = journal.onUndelivered((bytes) => void told.push(bytes));
  assert.equal(told.at(-1), 6);
  assert.equal(Buffer.from(journal.report(held(1).taskId) ?? []).toString(), '"é12"');
  assert.equal(journal.report(held(9).taskId), null);
  journal.begin(held(3));
  journal.loseBegun();
  assert.ok((told.at(-1) ?? 0) > 6);
});

test("no task is taken while too many results wait, and they are again when most have left", () => {
  const folder = temporaryFolder();
  using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
  const clock = systemClock();
  using journal = openJournal({ file: path.join(folder, "journal.sqlite"), clock });
  const lines: string[] = [];
  const write = (line: string): void => void lines.push(line);
  const log = createLog({ clock, write, level: "info", format: "text" });
  const slots = createSlots(3);
  let changes = 0;
  using _watch = watchJournal({ clock, log, journal, slots, onChange: () => (changes += 1) });
  const text = Buffer.alloc(undeliveredBytesMax / 8, " ");
  for (let at = 1; at <= 8; at += 1) assert.equal(journal.finish(held(at), text), null);
  assert.deepEqual([slots.free(), changes], [3, 0]);
  journal.finish(held(9), "{}");
  assert.deepEqual([slots.free(), changes], [0, 1]);
  assert.match(lines[0] ?? "", /no tasks are taken: the server has not confirmed 256 MiB/);
  journal.delivered(held(1).taskId);
  assert.equal(slots.free(), 0, "one that has left makes no room for a storm of openings");
  for (const at of [9, 2]) journal.delivered(held(at).taskId);
  assert.deepEqual([slots.free(), changes], [3, 2]);
  assert.match(lines[1] ?? "", /tasks are taken again: 192 MiB/);
});
