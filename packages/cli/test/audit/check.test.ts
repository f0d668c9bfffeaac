import assert from "node:assert/strict";
import {
  appendFileSync,
  copyFileSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { auditFiles, newPrivateKey } from "@openclaw-worker/protocol";
import { checkLog, type Verdict } from "../../src/audit/check.ts";
import { readBare, readExported, writeExport } from "../../src/audit/exported.ts";
import { readFolder } from "../../src/audit/folder.ts";
import { grow, makeFolder, type LogFolder } from "./log.ts";

const count = 200;
const side = { name: "audit.hashes", what: "side" } as const;
let log: LogFolder;
let exported: string;
const right = new Map<string, Buffer>();

before(async () => {
  log = makeFolder();
  await grow(log, count);
  exported = path.join(log.home, "audit.export");
  await writeExport(log.folder, exported);
  for (const name of Object.values(auditFiles)) right.set(name, readFileSync(log.file(name)));
  right.set("export", readFileSync(exported));
});
after(() => log[Symbol.dispose]());

function bytesOf(name: string): Buffer {
  const bytes = right.get(name);
  assert.ok(bytes !== undefined);
  return bytes;
}

const checkFolder = (): Promise<Verdict> =>
  checkLog(readFolder(log.folder), { key: null, noted: side });
const checkExport = (): Promise<Verdict> =>
  checkLog(readExported(exported), { key: null, noted: side });

/** The verdict with other bytes in one file; everything is as it was afterwards. */
async function withBytes(name: string, bytes: Buffer): Promise<Verdict> {
  const file = name === "export" ? exported : log.file(name);
  writeFileSync(file, bytes);
  try {
    return await (name === "export" ? checkExport() : checkFolder());
  } finally {
    writeFileSync(file, bytesOf(name));
  }
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ (1 + ((at * 37) % 255));
  return copy;
}

/** Number of the line that holds this byte. */
function lineAt(bytes: Buffer, at: number): number {
  return bytes.subarray(0, at).filter((byte) => byte === 10).length;
}

test("a log that nobody touched is right, in its folder and exported", async () => {
  for (const verdict of [await checkFolder(), await checkExport()]) {
    assert.equal(verdict.problem, null);
    assert.deepEqual([verdict.entries, verdict.signed], [count, count]);
    assert.equal(verdict.key, log.key.public.fingerprint);
  }
});

test("every changed byte of an entry is found, and the entry is named", async () => {
  const bytes = bytesOf(auditFiles.entries);
  const middle = Math.floor(bytes.length / 2);
  const places = [
    ...range(0, 2_000),
    ...range(middle, middle + 500),
    ...range(bytes.length - 500, bytes.length),
  ];
  for (const at of places) {
    const { problem } = await withBytes(auditFiles.entries, flipped(bytes, at));
    assert.equal(problem?.seq, lineAt(bytes, at), `byte ${at}: ${problem?.why}`);
  }
});

test("every changed byte of a signed head is found", async () => {
  const bytes = bytesOf(auditFiles.heads);
  for (let at = 0; at < bytes.length; at += 2) {
    const { problem } = await withBytes(auditFiles.heads, flipped(bytes, at));
    assert.notEqual(problem, null, `byte ${at} of line ${lineAt(bytes, at)}`);
  }
});

test("every changed hash beside the log is found, and told from a changed entry", async () => {
  const bytes = bytesOf(auditFiles.hashes);
  const owners: number[] = [];
  for (let seq = 0; seq < count; seq += 1) {
    owners.push(seq);
    for (let rest = seq; rest % 2 === 1; rest = (rest - 1) / 2) owners.push(seq);
  }
  for (let at = 0; at < bytes.length; at += 29) {
    const { problem } = await withBytes(auditFiles.hashes, flipped(bytes, at));
    assert.deepEqual([problem?.what, problem?.seq], ["side", owners[Math.floor(at / 32)]]);
  }
});

test("every changed byte of an exported log is found, and the entry is named", async () => {
  const bytes = bytesOf("export");
  const lines = bytes.toString().split("\n");
  for (let at = 0; at < bytes.length; at += at < 1_500 || at > bytes.length - 150 ? 1 : 97) {
    const { problem } = await withBytes("export", flipped(bytes, at));
    const line = lineAt(bytes, at);
    const seq = lines.slice(0, line).filter(isEntryLine).length;
    assert.notEqual(problem, null, `byte ${at}`);
    if (isEntryLine(lines[line] ?? "")) assert.equal(problem?.seq, seq, problem?.why);
  }
});

for (const name of [auditFiles.entries, "export"]) {
  const kind = name === "export" ? "an exported log" : "the log";
  const isEntry = (line: string): boolean => name !== "export" || isEntryLine(line);

  test(`an entry that is dropped, doubled or moved in ${kind} is named`, async () => {
    const lines = bytesOf(name).toString().split("\n").slice(0, -1);
    const seqs = lines.flatMap((line, index) => (isEntry(line) ? [index] : []));
    for (const seq of [0, 1, 57, 99, 150, 198]) {
      const [at, next] = [seqs[seq] ?? 0, seqs[seq + 1] ?? 0];
      const line = lines[at] ?? "";
      const dropped = await withBytes(name, join(lines.toSpliced(at, 1)));
      assert.equal(dropped.problem?.seq, seq, dropped.problem?.why);
      const doubled = await withBytes(name, join(lines.toSpliced(at, 0, line)));
      assert.equal(doubled.problem?.seq, seq + 1, doubled.problem?.why);
      const moved = await withBytes(name, join(lines.with(at, lines[next] ?? "").with(next, line)));
      assert.equal(moved.problem?.seq, seq, moved.problem?.why);
    }
  });

  test(`${kind} that is cut anywhere is found, and where it ends is named`, async () => {
    const bytes = bytesOf(name);
    for (let at = 0; at < bytes.length; at += 131) {
      const { problem } = await withBytes(name, bytes.subarray(0, at));
      assert.notEqual(problem, null, `cut at ${at}`);
      const whole = bytes.subarray(0, at).toString().split("\n").slice(0, -1).filter(isEntry);
      assert.equal(problem?.seq, name === "export" && at < 400 ? 0 : whole.length, problem?.why);
    }
  });
}

test("entries that were rewritten with fitting hashes are found by the signed heads, and the stretch is named", async () => {
  const lines = bytesOf(auditFiles.entries).toString().split("\n");
  const changed = lines.with(120, (lines[120] ?? "").replace("allow", "refuse"));
  rmSync(log.file(auditFiles.hashes));
  try {
    const { problem } = await withBytes(auditFiles.entries, Buffer.from(changed.join("\n")));
    assert.deepEqual([problem?.what, problem?.seq], ["hash", 100]);
    assert.match(problem?.why ?? "", /one of the entries 100 to 149/);
  } finally {
    writeFileSync(log.file(auditFiles.hashes), bytesOf(auditFiles.hashes));
  }
});

test("a history that was written anew by another key is found by the key", async () => {
  using other = makeFolder({ key: newPrivateKey() });
  await grow(other, 10);
  const { public: key } = log.key;
  const verdict = await checkLog(readFolder(other.folder), { key: key.fingerprint, noted: side });
  assert.equal(verdict.problem?.what, "signature");
});

test("a log that was put back, or begun anew with the same key, is found by a receipt of what was", async () => {
  using worker = makeFolder();
  await grow(worker, 30, 10);
  const backup = Object.values(auditFiles).map(
    (name) => [name, readFileSync(worker.file(name))] as const,
  );
  const receipt = await grow(worker, 10, 10);
  const known = [{ checkpoint: receipt.head.checkpoint, from: "the receipt" }];
  const check = (): Promise<Verdict> =>
    checkLog(readFolder(worker.folder), { key: null, noted: side, known });
  assert.equal((await check()).problem, null);
  for (const [name, bytes] of backup) writeFileSync(worker.file(name), bytes);
  const back = await check();
  assert.deepEqual([back.problem?.what, back.problem?.seq], ["cut", 30]);
  await grow(worker, 20, 10);
  assert.equal((await check()).problem?.what, "history");
  for (const name of Object.values(auditFiles)) rmSync(worker.file(name));
  await grow(worker, 60, 10);
  assert.equal((await check()).problem?.what, "history");
});

test("what a running or killed worker has not signed or finished is told, and is no alarm", async () => {
  using worker = makeFolder();
  await grow(worker, 10, 10);
  const heads = readFileSync(worker.file(auditFiles.heads));
  await grow(worker, 5, 5);
  writeFileSync(worker.file(auditFiles.heads), Buffer.concat([heads, Buffer.from('{"bytes":99')]));
  appendFileSync(worker.file(auditFiles.entries), '{"at":12');
  const verdict = await checkLog(readFolder(worker.folder), { key: null, noted: side });
  assert.equal(verdict.problem, null);
  assert.deepEqual([verdict.entries, verdict.signed, verdict.rest], [15, 10, 8]);
});

test("entries alone prove nothing", async () => {
  const copy = path.join(log.home, "copy.jsonl");
  copyFileSync(log.file(auditFiles.entries), copy);
  const verdict = await checkLog(readBare(copy), { key: null, noted: side });
  assert.equal(verdict.problem?.what, "signature");
});

test("a log without its heads, or without its entries, is no good log", async () => {
  const none = await withBytes(auditFiles.heads, Buffer.alloc(0));
  assert.equal(none.problem?.what, "signature");
  const empty = await withBytes(auditFiles.entries, Buffer.alloc(0));
  assert.deepEqual([empty.problem?.what, empty.problem?.seq], ["cut", 0]);
});

test("a long log is checked in a little memory", async () => {
  using worker = makeFolder();
  await grow(worker, 60_000, 20_000);
  truncateSync(worker.file(auditFiles.hashes), 1_000_000);
  const told: number[] = [];
  const verdict = await checkLog(readFolder(worker.folder), {
    key: null,
    noted: side,
    onProgress: (entries) => told.push(entries),
  });
  assert.equal(verdict.problem, null);
  assert.deepEqual(told, [20_000, 40_000, 60_000]);
});

function join(lines: readonly string[]): Buffer {
  return Buffer.from(`${lines.join("\n")}\n`);
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

function isEntryLine(line: string): boolean {
  return line.startsWith('{"entry"');
}
