import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Report } from "@openclaw-worker/protocol";
import { openBench } from "./bench.ts";

function refused(report: Report, because: RegExp): void {
  assert.deepEqual([report.outcome, report.exitCode, report.stdout], ["refused", 126, ""]);
  assert.match(report.error ?? "", because);
  assert.ok((report.hint ?? "").length > 0);
}

test("a link inside a root does not open what a rule closes to reading", async () => {
  using bench = openBench();
  const { root } = bench;
  mkdirSync(join(root, "keys"));
  writeFileSync(join(root, ".env"), "KEY=1");
  writeFileSync(join(root, "keys/a"), "private");
  writeFileSync(join(root, "plain"), "plain");
  symlinkSync(".env", join(root, "x"));
  symlinkSync("keys", join(root, "folder"));
  symlinkSync("plain", join(root, "fine"));
  const closed = bench.with({ denyRead: ["/**/.env*", `${root}/keys`] });
  for (const name of [".env", "x", "keys/a", "folder/a"]) {
    refused(await closed.read(join(root, name)), /the policy closes .*Read\(/);
    refused(await closed.edit(join(root, name), "=", "="), /the policy closes|symbolic link/);
  }
  for (const name of ["keys", "folder"])
    refused(await closed.list(join(root, name)), /the policy closes/);
  assert.equal((await closed.read(join(root, "fine"))).stdout, "plain");
  // A list names what is there: only what is closed itself is not listed.
  assert.match((await closed.list(root)).stdout, /"\.env"/);
});

test("a link inside a root does not open what a rule closes to writing", async () => {
  using bench = openBench();
  const { root } = bench;
  mkdirSync(join(root, "dist"));
  writeFileSync(join(root, "dist/a"), "old");
  symlinkSync("dist", join(root, "out"));
  symlinkSync("dist/a", join(root, "file"));
  const closed = bench.with({ denyWrite: [`${root}/dist/**`] });
  for (const name of ["dist/a", "dist/new", "dist/deep/new", "out/a", "out/new/x", "file"]) {
    refused(await closed.write(join(root, name), "x"), /the policy closes|symbolic link/);
    refused(await closed.edit(join(root, name), "old", "x"), /the policy closes|symbolic link/);
  }
  assert.equal(readFileSync(join(root, "dist/a"), "utf8"), "old");
  assert.equal(existsSync(join(root, "dist/new")), false);
  assert.equal((await closed.read(join(root, "out/a"))).stdout, "old");
  assert.equal((await closed.write(join(root, "distance"), "x")).outcome, "done");
});

test("a rule closes a name in any case, and in any Unicode form", async () => {
  using bench = openBench();
  const { root } = bench;
  const closed = bench.with({ denyRead: [`${root}/Café/**`], denyWrite: ["/**/*.PEM"] });
  mkdirSync(join(root, "CAFE\u0301"));
  writeFileSync(join(root, "CAFE\u0301/x"), "x");
  refused(await closed.read(join(root, "CAFE\u0301/x")), /closes/);
  refused(await closed.write(join(root, "a.pem"), "x"), /closes/);
});

test("a folder that is swapped for a link while it is used gives nothing away", async () => {
  using bench = openBench();
  const { root } = bench;
  const closed = bench.with({ denyRead: [`${root}/keys/**`], denyWrite: [`${root}/keys/**`] });
  mkdirSync(join(root, "keys"));
  mkdirSync(join(root, "a"));
  writeFileSync(join(root, "keys/f"), "private");
  writeFileSync(join(root, "a/f"), "public");
  symlinkSync("keys", join(root, "link"));
  const over = new AbortController();
  const swap = async (): Promise<void> => {
    while (!over.signal.aborted) {
      renameSync(join(root, "a"), join(root, "b"));
      renameSync(join(root, "link"), join(root, "a"));
      await new Promise((resolve) => setImmediate(resolve));
      renameSync(join(root, "a"), join(root, "link"));
      renameSync(join(root, "b"), join(root, "a"));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const swapping = swap();
  const seen = new Set<string>();
  for (let round = 0; round < 150; round += 1) {
    const reports = await Promise.all([
      closed.read(join(root, "a/f")),
      closed.list(join(root, "a")),
      closed.write(join(root, `a/new-${round}`), "x"),
      closed.edit(join(root, "a/f"), "p", "p"),
    ]);
    for (const report of reports) {
      assert.doesNotMatch(report.stdout, /private/);
      seen.add(report.outcome ?? "");
    }
  }
  over.abort();
  await swapping;
  const inKeys = (await bench.list(join(root, "keys"))).stdout.trim().split("\n");
  assert.equal(inKeys.length, 1, "nothing was written where a rule closes it");
  assert.equal(readFileSync(join(root, "keys/f"), "utf8"), "private");
  assert.ok(seen.has("refused"), "the race was a race");
});

test("names that make programs run elsewhere are closed at any depth and in any spelling", async () => {
  using bench = openBench();
  const { root } = bench;
  mkdirSync(join(root, "repo/.git"), { recursive: true });
  symlinkSync("repo/.git", join(root, "plain"));
  const names = [
    "not/yet/there/.git/hooks/pre-commit",
    "repo/.GIT/HOOKS/x",
    "repo/.g\u200cit/config",
    "plain/hooks/x",
    "plain/config",
    "repo/.git/modules/x/config",
    "new/.git",
    "deep/.BashRC",
    "deep/.ba\u017fhrc",
    "a/.vscode/tasks.json",
    "a/.claude/settings.json",
    "a/.claude/hooks/x",
    "a/.mcp.json",
  ];
  const open = bench.with({ named: ["/**", `${root}/**`, `${root}/repo/*/x`] });
  for (const name of names) {
    refused(await open.write(join(root, name), "x"), /programs run outside of the cage/);
  }
  assert.equal(existsSync(join(root, "not")), false, "no folder is left behind");
  assert.equal((await open.write(join(root, "repo/.git/info/exclude"), "x")).outcome, "done");
  assert.equal((await open.write(join(root, "hooks/pre-commit"), "x")).outcome, "done");
});

test("an allow rule that spells such a name out opens it, and that one only", async () => {
  using bench = openBench();
  const { root } = bench;
  const open = bench.with({ named: [`${root}/repo/.git/hooks/pre-commit`, "/**/.mcp.json"] });
  assert.equal((await open.write(join(root, "repo/.git/hooks/pre-commit"), "x")).outcome, "done");
  assert.equal((await open.write(join(root, "a/b/.mcp.json"), "{}")).outcome, "done");
  refused(await open.write(join(root, "repo/.git/hooks/pre-push"), "x"), /programs run outside/);
  refused(await open.write(join(root, "other/.git/hooks/pre-commit"), "x"), /programs run/);
});

test("what rules open outside of the roots is read and written there, and nowhere beside", async () => {
  using bench = openBench();
  const { around } = bench;
  const at = (name: string): string => join(around, name);
  mkdirSync(at("notes"));
  mkdirSync(at("out"));
  writeFileSync(at("notes/a"), "note");
  writeFileSync(at("one"), "one");
  writeFileSync(at("two"), "two");
  writeFileSync(at("log"), "log");
  symlinkSync("../two", at("notes/link"));
  const open = bench.with({
    readable: [at("notes"), at("one")],
    writable: [at("out"), at("log"), at("made")],
  });
  assert.equal((await open.read(at("notes/a"))).stdout, "note");
  assert.match((await open.list(at("notes"))).stdout, /"a"/);
  assert.equal((await open.read(at("one"))).stdout, "one");
  assert.equal((await open.read(at("log"))).stdout, "log");
  for (const name of ["two", "notes/link", "notes/../two"])
    refused(await open.read(at(name)), /outside of the roots|lead out/);
  refused(await open.list(around), /outside of the roots/);
  assert.equal((await open.write(at("out/deep/x"), "x")).outcome, "done");
  assert.equal((await open.edit(at("log"), "log", "gol")).outcome, "done");
  assert.equal((await open.write(at("made"), "x")).outcome, "done");
  for (const name of ["notes/a", "one", "two", "other"])
    refused(await open.write(at(name), "x"), /outside of the roots/);
  assert.equal(readFileSync(at("one"), "utf8"), "one");
});

test("a single file that a rule opens is not a way to its neighbors", async () => {
  using bench = openBench();
  const at = (name: string): string => join(bench.around, name);
  writeFileSync(at("secret"), "secret");
  writeFileSync(at("open"), "open");
  const open = bench.with({ readable: [at("open")], writable: [at("open")] });
  rmSync(at("open"));
  symlinkSync("secret", at("open"));
  refused(await open.read(at("open")), /outside of the roots/);
  refused(await open.write(at("open"), "x"), /symbolic link/);
  assert.equal(readFileSync(at("secret"), "utf8"), "secret");
});

test("a root that a task may only read is not written, but what is writable in it is", async () => {
  using bench = openBench();
  const { root } = bench;
  mkdirSync(join(root, "tmp"));
  writeFileSync(join(root, "f"), "old");
  symlinkSync("../f", join(root, "tmp/link"));
  mkdirSync(join(root, "src"));
  symlinkSync("../src", join(root, "tmp/src"));
  const kept = bench.with({ readOnly: [root], writable: [join(root, "tmp")] });
  assert.equal((await kept.read(join(root, "f"))).stdout, "old");
  refused(await kept.write(join(root, "f"), "x"), /only be read/);
  refused(await kept.edit(join(root, "f"), "old", "x"), /only be read/);
  assert.equal((await kept.write(join(root, "tmp/x"), "x")).outcome, "done");
  for (const name of ["tmp/link", "tmp/src/x"])
    refused(await kept.write(join(root, name), "x"), /symbolic link|only be read/);
  assert.equal(readFileSync(join(root, "f"), "utf8"), "old");
});

test("the worker's own files stay closed, whatever a rule opens", async () => {
  using bench = openBench();
  const { around } = bench;
  const state = join(around, ".state");
  mkdirSync(state);
  writeFileSync(join(state, "token"), "x");
  using own = openBench({ own: { hidden: [state] } });
  const open = own.with({ readable: [around], writable: [around], named: ["/**"] });
  for (const report of [
    await open.read(join(state, "token")),
    await open.list(state),
    await open.write(join(state, "token"), "y"),
    await open.edit(join(state, "token"), "x", "y"),
    await open.read(join(around, "root/../.STATE/token")),
  ])
    refused(report, /the worker's own/);
  assert.equal(readFileSync(join(state, "token"), "utf8"), "x");
});

test("a file that holds a secret of the worker is refused whole, and edits do not probe it", async () => {
  const secretIn = (bytes: Uint8Array): string | null =>
    Buffer.from(bytes).includes("hunter2hunter2") ? "worker token" : null;
  using bench = openBench({ own: { secretIn } });
  const at = join(bench.root, "f");
  writeFileSync(at, "token=hunter2hunter2\n");
  refused(await bench.read(at), /worker token/);
  refused(await bench.edit(at, "token=h", "token=h"), /worker token/);
  refused(await bench.edit(at, "no such text", "x"), /worker token/);
  // Nothing that a read gives is altered: what only looks like a secret is given as it is.
  writeFileSync(at, "AKIAIOSFODNN7EXAMPLE\n");
  assert.equal((await bench.read(at)).stdout, "AKIAIOSFODNN7EXAMPLE\n");
});

test("the smaller limit of the policy and the worker counts", async () => {
  using bench = openBench({ fileBytes: 1_000 });
  const at = join(bench.root, "f");
  writeFileSync(at, "x".repeat(500));
  const tight = bench.with({}, { fileBytes: 100, outputKeptBytes: 10 });
  const reading = await tight.read(at);
  assert.equal(reading.outcome, "failed");
  assert.match(reading.error ?? "", /100 bytes/);
  assert.match((await tight.write(at, "y".repeat(101))).error ?? "", /100/);
  assert.match((await tight.list(bench.root)).error ?? "", /more names/);
  const loose = bench.with({ fileBytes: 1_000_000 }, { fileBytes: 1_000_000 });
  assert.equal((await loose.read(at)).outcome, "done");
  assert.equal((await loose.write(at, "y".repeat(1_001))).outcome, "failed");
  assert.equal((await bench.with({ fileBytes: 10 }).write(at, "y".repeat(11))).outcome, "failed");
});
