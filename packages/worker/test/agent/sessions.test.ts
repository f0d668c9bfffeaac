import assert from "node:assert/strict";
import { mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { findSession, listSessions } from "../../src/agent/claude/sessions.ts";
import { temporaryFolder } from "../stage.ts";

const { signal } = new AbortController();
const ids = [
  "aaaaaaaa-0000-4000-8000-000000000001",
  "aaaaaaaa-0000-4000-8000-000000000002",
  "bbbbbbbb-0000-4000-8000-000000000003",
] as const;

class Config implements Disposable {
  readonly folder = temporaryFolder();

  write(sessionId: string, lines: readonly unknown[], at = 1_000, project = "-home-ann-app"): void {
    const folder = path.join(this.folder, "projects", project);
    mkdirSync(folder, { recursive: true });
    const file = path.join(folder, `${sessionId}.jsonl`);
    writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    utimesSync(file, at, at);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}

const said = (content: unknown) => ({ type: "user", cwd: "/home/ann/app", message: { content } });

test("sessions are listed newest first, with folder, size and topic", async () => {
  using config = new Config();
  config.write(ids[0], [{ type: "queue-operation" }, said("fix the\n  door")], 1_000);
  config.write(ids[1], [said([{ type: "text", text: "paint it" }])], 3_000, "-other");
  config.write(ids[2], [said("x"), { type: "custom-title", customTitle: "The roof" }], 2_000);
  const rows = await listSessions(config.folder, 10, signal);
  assert.deepEqual(
    rows.map(({ sessionId, topic }) => [sessionId, topic]),
    [
      [ids[1], "paint it"],
      [ids[2], "The roof"],
      [ids[0], "fix the door"],
    ],
  );
  assert.equal(rows[0]?.cwd, "/home/ann/app");
  assert.equal(rows[0]?.project, "app");
  assert.equal(rows[0]?.lastModified, 3_000_000);
  assert.ok((rows[0]?.sizeBytes ?? 0) > 50);
  assert.equal((await listSessions(config.folder, 1, signal)).length, 1);
});

test("of a big file only its ends are read: the first words, and the last title", async () => {
  using config = new Config();
  const filler = Array.from({ length: 300 }, () => ({ type: "x", text: "y".repeat(1_000) }));
  const title = { type: "ai-title", aiTitle: "Doors" };
  const hidden = { type: "custom-title", customTitle: "in the middle" };
  config.write(ids[0], [said("first"), ...filler, hidden, ...filler, title]);
  config.write(ids[1], [said("only words"), ...filler, hidden, ...filler]);
  const rows = await listSessions(config.folder, 10, signal);
  assert.deepEqual(rows.map(({ topic }) => topic).toSorted(), ["Doors", "only words"]);
});

test("what reminders and commands put in is no topic", async () => {
  using config = new Config();
  config.write(ids[0], [
    { ...said("a caveat"), isMeta: true },
    said("<command-name>/clear</command-name>"),
    said([{ type: "tool_result", content: "x" }]),
    said("the real words"),
  ]);
  assert.equal((await listSessions(config.folder, 1, signal))[0]?.topic, "the real words");
});

test("garbage, other names and links are not sessions", async () => {
  using config = new Config();
  config.write(ids[0], [said("real")]);
  config.write("agent-1234", [said("no")]);
  const folder = path.join(config.folder, "projects", "-home-ann-app");
  const secret = path.join(config.folder, "secret.jsonl");
  writeFileSync(secret, `${JSON.stringify(said("secret words"))}\n`);
  symlinkSync(secret, path.join(folder, `${ids[1]}.jsonl`));
  symlinkSync(folder, path.join(config.folder, "projects", "linked"));
  mkdirSync(path.join(folder, `${ids[2]}.jsonl`));
  writeFileSync(path.join(config.folder, "projects", "file"), "");
  const rows = await listSessions(config.folder, 10, signal);
  assert.deepEqual(
    rows.map(({ topic }) => topic),
    ["real"],
  );
  assert.equal((await findSession(config.folder, ids[1], signal)).kind, "none");
});

test("a file of garbage is a session without a topic, and no folder is no session", async () => {
  using config = new Config();
  assert.deepEqual(await listSessions(config.folder, 10, signal), []);
  config.write(ids[0], ["text", null, { type: 5, message: 7, cwd: 1 }]);
  const [row] = await listSessions(config.folder, 10, signal);
  assert.deepEqual([row?.topic, row?.cwd, row?.project], ["", null, "-home-ann-app"]);
});

test("a unique beginning of an id is enough; a shared one names them all", async () => {
  using config = new Config();
  for (const id of ids) config.write(id, [said(id)]);
  const found = await findSession(config.folder, "BBBBBBBB", signal);
  assert.ok(found.kind === "found" && found.session.sessionId === ids[2]);
  const several = await findSession(config.folder, "aaaaaaaa", signal);
  assert.ok(several.kind === "several");
  assert.deepEqual(several.sessionIds.toSorted(), [ids[0], ids[1]]);
  for (const none of ["cccccccc", "a", "", "../../", ".*"]) {
    assert.equal((await findSession(config.folder, none, signal)).kind, "none", none);
  }
});

test("one session seen in two folders is the one that was used last", async () => {
  using config = new Config();
  config.write(ids[0], [said("old")], 1_000, "-a");
  config.write(ids[0], [said("new")], 2_000, "-b");
  const found = await findSession(config.folder, ids[0], signal);
  assert.ok(found.kind === "found" && found.session.topic === "new");
  assert.equal((await listSessions(config.folder, 10, signal)).length, 1);
});
