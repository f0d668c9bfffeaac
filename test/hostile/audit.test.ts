// What a thief would do to the proof: the worker's log, the server's copy and a result's receipt are
// real, made by the real programs, and then changed on the disk. `audit verify` says so, and where.

import assert from "node:assert/strict";
import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { openPerson, type Person } from "../person.ts";
import { until } from "../scene.ts";
import { openStage, type Stage } from "../stage.ts";

let stage: Stage;
let desk: Person;
let phone: Person;
/** The task whose result is the receipt's. */
let taskId: string;

const tasks = 6;
before(async () => {
  stage = await openStage();
  [desk, phone] = [openPerson(stage, "desk"), openPerson(stage, "phone")];
  const worker = await stage.startWorker();
  for (let at = 0; at < tasks; at += 1)
    ({ taskId } = await stage.client.run({ kind: "command", command: `echo ${at}` }));
  writeFileSync(receiptFile(), (await desk.cli("task", taskId, "--json")).out);
  await until(async () =>
    (await desk.cli("audit", "verify", "--server")).code === 0 ? true : undefined,
  );
  await worker.stop();
});
after(() => stage[Symbol.asyncDispose]());

const state = (name: string): string => path.join(desk.home, ".openclaw-worker/worker", name);
const receiptFile = (): string => path.join(stage.folder, "result.json");
const entriesOf = (text: string): readonly string[] => text.split("\n").slice(0, -1);

interface Verified {
  readonly ok: boolean;
  readonly seq: number | null;
  readonly what: string;
  readonly signed: number;
}

/** What `audit verify` says, and that its exit code says the same. */
async function verified(person: Person, ...flags: readonly string[]): Promise<Verified> {
  const { code, out, err } = await person.cli("audit", "verify", "--json", ...flags);
  assert.match(out, /^\{/, err);
  const said = recordOf(JSON.parse(out));
  const problem = recordOf(said["problem"]);
  const ok = said["ok"] === true;
  assert.equal(code, ok ? 0 : 1, out);
  return {
    ok,
    seq: typeof problem["seq"] === "number" ? problem["seq"] : null,
    what: String(problem["what"] ?? said["what"]),
    signed: Number(said["signed"]),
  };
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value))
    : {};
}

/** Changes one byte, and nothing else, in the middle of a text. */
function flipped(text: string): string {
  const at = Math.floor(text.length / 2);
  return text.slice(0, at) + (text[at] === "e" ? "f" : "e") + text.slice(at + 1);
}

test("nobody has touched anything: log, copy and receipt are good", async () => {
  assert.ok((await verified(desk)).ok);
  assert.ok((await verified(desk, "--server")).ok);
  assert.ok((await verified(desk, "--receipt", receiptFile())).ok);
});

type Damage = (lines: readonly string[], at: number) => readonly string[];

const damages: Readonly<Record<string, readonly [Damage, RegExp]>> = {
  "a byte of an entry": [
    (lines, at) => lines.with(at, flipped(lines[at] ?? "")),
    /^(?:hash|form|order)$/,
  ],
  "an entry that is gone": [(lines, at) => lines.toSpliced(at, 1), /^order$/],
  "an entry that is there twice": [
    (lines, at) => lines.toSpliced(at, 0, lines[at - 1] ?? ""),
    /^order$/,
  ],
  "two entries that changed places": [
    (lines, at) => lines.with(at, lines[at + 1] ?? "").with(at + 1, lines[at] ?? ""),
    /^order$/,
  ],
  "an end that was cut off": [(lines, at) => lines.slice(0, at), /^cut$/],
};

for (const [name, [damage, what]] of Object.entries(damages)) {
  test(`the worker's log: ${name} is found, and named`, async () => {
    const file = state("audit.jsonl");
    const good = readFileSync(file, "utf8");
    const lines = entriesOf(good);
    for (const at of [1, Math.floor(lines.length / 2), lines.length - 2]) {
      writeFileSync(file, `${damage(lines, at).join("\n")}\n`);
      const said = await verified(desk);
      assert.deepEqual([said.ok, said.seq], [false, at]);
      assert.match(said.what, what);
    }
    writeFileSync(file, good);
    assert.ok((await verified(desk)).ok);
  });

  test(`the server's copy: ${name} is found at the worker's computer, and named`, async () => {
    await using copy = await openCopy();
    const at = Math.floor(copy.entries.length / 2);
    await copy.write(damage(copy.entries, at));
    const said = await verified(desk, "--server");
    assert.deepEqual([said.ok, said.seq], [false, at], said.what);
    assert.equal((await verified(phone, "--server", "--worker", "desk")).ok, false);
  });
}

test("a worker whose log was changed while it was away does not start", async () => {
  const file = state("audit.jsonl");
  const good = readFileSync(file, "utf8");
  const lines = entriesOf(good);
  const at = Math.floor(lines.length / 2);
  writeFileSync(
    file,
    `${lines.with(at, (lines[at] ?? "").replace('"at":1', '"at":2')).join("\n")}\n`,
  );
  const worker = stage.launchWorker();
  assert.notEqual((await worker.ended).code, 0);
  assert.match(worker.lines.join("\n"), /audit/i);
  writeFileSync(file, good);
});

test("every field of a receipt, and of the result that it came with, is covered", async () => {
  const result = recordOf(JSON.parse(readFileSync(receiptFile(), "utf8")));
  const file = path.join(stage.folder, "changed.json");
  const wrong: string[] = [];
  const places = leavesOf(result).filter(([first]) =>
    ["receipt", "outcome", "exitCode", "stdout", "stderr", "taskId", "id"].includes(first ?? ""),
  );
  assert.ok(places.some(([first]) => first === "receipt"));
  for (const place of places) {
    writeFileSync(file, JSON.stringify(withChange(result, place)));
    const { code } = await desk.cli("audit", "verify", "--json", "--receipt", file);
    if (code === 0) wrong.push(place.join("."));
  }
  assert.deepEqual(wrong, []);
});

test("a server that shows an older history than it showed before is caught", async () => {
  const first = await verified(phone, "--server", "--worker", "desk", "--key", await deskKey());
  assert.ok(first.ok);
  const database = databaseFile();
  const kept = path.join(stage.folder, "kept.sqlite");
  await stage.server.stop();
  copyFileSync(database, kept);
  await stage.startServer();
  const worker = await stage.startWorker();
  await stage.client.run({ kind: "command", command: "echo newer" });
  await until(async () => {
    const now = await verified(phone, "--server", "--worker", "desk", "--key", await deskKey());
    return now.ok && now.signed > first.signed ? true : undefined;
  });
  await worker.stop();
  // The server is put back to what it was before: the same worker, an older history.
  await stage.server.stop();
  for (const end of ["-wal", "-shm"]) rmSync(database + end, { force: true });
  copyFileSync(kept, database);
  await stage.startServer();
  const back = await verified(phone, "--server", "--worker", "desk", "--key", await deskKey());
  assert.deepEqual([back.ok, back.what, back.seq], [false, "cut", first.signed]);
});

test("a worker that begins a history anew, with its own key, is an alarm at the server's next look", async () => {
  const folder = path.join(stage.folder, "kept-log");
  cpSync(state(""), folder, { recursive: true });
  for (const name of ["audit.jsonl", "audit.heads.jsonl", "audit.hashes"])
    rmSync(state(name), { force: true });
  const worker = await stage.startWorker();
  await stage.client.run({ kind: "command", command: "echo anew" });
  await worker.said(/AUDIT ALARM/);
  const said = await desk.cli("workers", "--json");
  assert.match(said.out, /alarm/i);
  await worker.stop();
  assert.equal((await verified(desk, "--server")).ok, false, "two histories by one key");
});

async function deskKey(): Promise<string> {
  return (await desk.cli("audit", "key")).out.trim();
}

function databaseFile(): string {
  return path.join(stage.folder, "server/.openclaw-worker/server/tasks.db");
}

interface Copy extends AsyncDisposable {
  readonly entries: readonly string[];
  /** Puts these entries in their place, as a thief at the server's disk would. */
  write(entries: readonly string[]): Promise<void>;
}

/** The server's copy of the desk's log. Leaving the block puts it right again. */
async function openCopy(): Promise<Copy> {
  let entries: readonly string[] = [];
  const change = async (next: (now: readonly string[]) => readonly string[]): Promise<void> => {
    // While it runs the file is its own.
    await stage.server.stop();
    const database = new DatabaseSync(databaseFile());
    const all = "SELECT entry FROM audit_entries WHERE worker = 'desk' ORDER BY seq";
    const now = database.prepare(all).all();
    database.exec("DELETE FROM audit_entries WHERE worker = 'desk'");
    const insert = database.prepare("INSERT INTO audit_entries VALUES ('desk', ?, ?)");
    for (const [seq, entry] of next(now.map((row) => String(row["entry"]))).entries())
      insert.run(seq, entry);
    database.close();
    await stage.startServer();
  };
  await change((now) => (entries = now));
  const put = (next: readonly string[]): Promise<void> => change(() => next);
  return { entries, write: put, [Symbol.asyncDispose]: () => put(entries) };
}

type Place = readonly string[];

function leavesOf(value: unknown, place: Place = []): readonly Place[] {
  if (typeof value !== "object" || value === null) return [place];
  return Object.entries(value).flatMap(([key, member]) => leavesOf(member, [...place, key]));
}

/** The value with one leaf changed. */
function withChange(value: unknown, [key, ...rest]: Place): unknown {
  if (key === undefined) {
    if (typeof value === "number") return value + 1;
    return typeof value === "string" && value !== "" ? flipped(value) : "x";
  }
  if (Array.isArray(value)) return value.with(Number(key), withChange(value[Number(key)], rest));
  const record = recordOf(value);
  return { ...record, [key]: withChange(record[key], rest) };
}
