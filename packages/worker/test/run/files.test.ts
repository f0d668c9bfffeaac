import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { openBench } from "./bench.ts";

const bench = openBench();
let folder: string;
let count = 0;
beforeEach(() => {
  count += 1;
  folder = join(bench.root, `case-${count}`);
  mkdirSync(folder);
});
after(() => bench[Symbol.dispose]());

const at = (name: string): string => join(folder, name);
const { read, write, edit, list } = bench;

test("a file is written byte for byte, with its folders, and read back", async () => {
  const path = at("new/deep/ä b.txt");
  const content = "línea\r\n\0$& `x`\n";
  const written = await write(path, content);
  assert.deepEqual(
    [written.outcome, written.exitCode, written.stdout],
    ["done", 0, `File written: ${path}`],
  );
  assert.equal(readFileSync(path, "utf8"), content);
  assert.equal(statSync(path).mode & 0o777, 0o644);
  assert.equal((await read(path)).stdout, content);
});

test("a file that exists keeps its mode", async () => {
  writeFileSync(at("run.sh"), "old");
  chmodSync(at("run.sh"), 0o750);
  await write(at("run.sh"), "new");
  assert.equal(statSync(at("run.sh")).mode & 0o777, 0o750);
  assert.equal(readFileSync(at("run.sh"), "utf8"), "new");
});

test("an empty file can be written and read", async () => {
  await write(at("empty"), "");
  const report = await read(at("empty"));
  assert.deepEqual([report.outcome, report.exitCode, report.stdout], ["done", 0, ""]);
});

test("base64 is strict: almost right writes nothing", async () => {
  const bytes = Buffer.from([0, 255, 128, 10]);
  await write(at("bin"), bytes.toString("base64"), "base64");
  assert.deepEqual(readFileSync(at("bin")), bytes);
  const back = await read(at("bin"));
  assert.deepEqual([back.encoding, Buffer.from(back.stdout, "base64")], ["base64", bytes]);
  for (const wrong of ["AP+A Cg==", "AP-ACg==", "AP+AC", "****"]) {
    const report = await write(at("wrong"), wrong, "base64");
    assert.equal(report.outcome, "failed", wrong);
  }
  assert.match((await read(at("wrong"))).error ?? "", /ENOENT/);
});

test("a missing file and a folder are answers with exit code 1", async () => {
  const missing = await read(at("nope/x"));
  assert.deepEqual([missing.outcome, missing.exitCode], ["done", 1]);
  assert.match(missing.error ?? "", /ENOENT/);
  const isFolder = await read(folder);
  assert.deepEqual([isFolder.outcome, isFolder.exitCode], ["done", 1]);
  assert.match(isFolder.error ?? "", /EISDIR/);
  assert.match((await write(folder, "x")).error ?? "", /EISDIR/);
  writeFileSync(at("file"), "");
  assert.match((await read(at("file/below"))).error ?? "", /ENOTDIR/);
  assert.match((await write(at("file/below"), "x")).error ?? "", /ENOTDIR/);
});

test("a file that the user may not read or write is told with the system's name for it", async () => {
  writeFileSync(at("closed"), "x");
  chmodSync(at("closed"), 0o000);
  assert.match((await read(at("closed"))).error ?? "", /EACCES/);
  mkdirSync(at("fixed"));
  chmodSync(at("fixed"), 0o555);
  assert.match((await write(at("fixed/x"), "x")).error ?? "", /EACCES/);
});

test("an edit replaces literally: $& is two characters, and the rest keeps its bytes", async () => {
  writeFileSync(at("f"), Buffer.concat([Buffer.from("a.c abc "), Buffer.from([255])]));
  const report = await edit(at("f"), "a.c", "$& $1 $$");
  assert.deepEqual([report.outcome, report.stdout], ["done", `File edited: ${at("f")}`]);
  assert.deepEqual(
    readFileSync(at("f")),
    Buffer.concat([Buffer.from("$& $1 $$ abc "), Buffer.from([255])]),
  );
});

test("an edit that cannot be made changes nothing and says which of three it is", async () => {
  writeFileSync(at("f"), "one two one");
  const missing = await edit(at("nope"), "a", "b");
  assert.deepEqual(
    [missing.outcome, missing.exitCode, missing.error],
    ["done", 1, "File not found"],
  );
  assert.equal((await edit(at("f"), "three", "x")).error, "old_string not found");
  assert.equal((await edit(at("f"), "one", "x")).error, "old_string not unique");
  assert.equal(readFileSync(at("f"), "utf8"), "one two one");
  await edit(at("f"), "one", "1", true);
  assert.equal(readFileSync(at("f"), "utf8"), "1 two 1");
});

test("edits of one file at once are all made", async () => {
  writeFileSync(at("f"), "a0 a1 a2 a3 a4");
  await Promise.all([0, 1, 2, 3, 4].map((n) => edit(at("f"), `a${n}`, `b${n}`)));
  assert.equal(readFileSync(at("f"), "utf8"), "b0 b1 b2 b3 b4");
});

test("a folder is listed one JSON object a line, sorted, links as links", async () => {
  writeFileSync(at("b"), "12345");
  mkdirSync(at("a dir"));
  symlinkSync("/etc", at("c"));
  execFileSync("mkfifo", [at("d")]);
  const report = await list(folder);
  const lines = report.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map((line) => [line.name, line.type]),
    [
      ["a dir", "folder"],
      ["b", "file"],
      ["c", "link"],
      ["d", "other"],
    ],
  );
  assert.equal(lines[1].size, 5);
  assert.equal(lines[1].modifiedMs, Math.trunc(statSync(at("b")).mtimeMs));
  assert.match((await list(at("b"))).error ?? "", /ENOTDIR/);
  assert.match((await list(at("nope"))).error ?? "", /ENOENT/);
});

test("names that are not UTF-8 are counted, and take nothing else out of the list", async () => {
  for (const name of [Buffer.from([0xff]), Buffer.from([0x61, 0xfe])])
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), name]), "");
  for (const name of ["~", "plain", "z\\y", "\u001b[2J"]) writeFileSync(at(name), "12");
  const namesIn = (text: string): unknown[] =>
    text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).name);
  const report = await list(folder);
  assert.equal(report.outcome, "done");
  assert.deepEqual(namesIn(report.stdout), ["\u001b[2J", "plain", "z\\y", "~"]);
  assert.equal(report.stderr, "2 names that are not UTF-8 were left out\n");
  // A name that reads like the one that it is not.
  writeFileSync(at("\ufffd"), "");
  const alike = await list(folder);
  assert.deepEqual(namesIn(alike.stdout), ["\u001b[2J", "plain", "z\\y", "~", "\ufffd"]);
  assert.equal(alike.stderr, "2 names that are not UTF-8 were left out\n");
});

test("a path outside of every root is refused, and the roots are named", async () => {
  const outside = [
    "/etc/passwd",
    `${bench.root}/../state/x`,
    `${bench.root}-beside/x`,
    join(bench.around, "state"),
    "relative",
  ];
  for (const path of outside) {
    for (const report of [
      await read(path),
      await write(path, "x"),
      await edit(path, "a", "b"),
      await list(path),
    ]) {
      assert.deepEqual([report.outcome, report.exitCode], ["refused", 126], path);
      assert.ok(report.error?.includes(bench.root));
    }
  }
});

test("a link that leaves the root and a hard link are refused; a link within it is read", async () => {
  writeFileSync(at("real"), "inside");
  symlinkSync("real", at("within"));
  symlinkSync("/etc/passwd", at("out"));
  symlinkSync("/etc", at("outdir"));
  writeFileSync(at("twin"), "twin");
  linkSync(at("twin"), at("twin2"));
  assert.equal((await read(at("within"))).stdout, "inside");
  for (const name of ["out", "outdir/passwd", "twin"]) {
    assert.equal((await read(at(name))).outcome, "refused", name);
    assert.equal((await write(at(name), "x")).outcome, "refused", name);
    assert.equal((await edit(at(name), "a", "b")).outcome, "refused", name);
  }
  assert.equal((await list(at("outdir"))).outcome, "refused");
  assert.equal(readFileSync(at("twin2"), "utf8"), "twin");
});

test("files that make programs run elsewhere are not written, however their names are reached", async () => {
  mkdirSync(at(".git/hooks"), { recursive: true });
  symlinkSync(".git", at("alias"));
  const names = [
    ".git/hooks/pre-commit",
    ".git/config",
    "alias/hooks/x",
    "new/.git/hooks/x",
    ".bashrc",
    ".VSCode/tasks.json",
    ".mcp.json",
    ".claude/settings.local.json",
  ];
  for (const name of names) {
    const report = await write(at(name), "x");
    assert.deepEqual([report.outcome, report.exitCode], ["refused", 126], name);
  }
  assert.equal((await write(at(".git/info/exclude"), "x")).outcome, "done");
  assert.equal((await write(at("bashrc.md"), "x")).outcome, "done");
});

test("a file larger than the limit is neither read nor written", async () => {
  writeFileSync(at("big"), Buffer.alloc(5_001));
  const reading = await read(at("big"));
  assert.equal(reading.outcome, "failed");
  assert.match(reading.error ?? "", /5000 bytes/);
  assert.equal((await write(at("new"), "x".repeat(5_001))).outcome, "failed");
  writeFileSync(at("grow"), "x".repeat(4_999));
  assert.equal(
    (await edit(at("grow"), "xxx", "y".repeat(9), false)).error,
    "old_string not unique",
  );
  assert.equal((await edit(at("grow"), "x".repeat(4_999), "y".repeat(5_001))).outcome, "failed");
});

test("a pipe in the root is not read: nobody waits for its writer", async () => {
  execFileSync("mkfifo", [at("pipe")]);
  const report = await read(at("pipe"));
  assert.deepEqual([report.outcome, report.exitCode], ["done", 1]);
  assert.match(report.error ?? "", /neither a file nor a folder/);
});

test("a cancelled write leaves the file as it was", async () => {
  writeFileSync(at("f"), "old");
  const controller = new AbortController();
  using cut = openBench({ signal: controller.signal });
  const running = cut.with({ roots: [bench.root] }).write(at("f"), "new");
  controller.abort();
  const report = await running;
  assert.deepEqual([report.outcome, report.exitCode], ["cancelled", 130]);
  assert.equal(readFileSync(at("f"), "utf8"), "old");
});

test("a name may begin with a tilde or hold brackets", async () => {
  for (const name of ["~", "[a]*?", "-n", "a\nb"]) {
    await write(at(name), name);
    assert.equal(readFileSync(at(name), "utf8"), name);
    assert.equal((await read(at(name))).stdout, name);
  }
});
