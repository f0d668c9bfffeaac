import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { test } from "node:test";
import {
  auditEntryBytesMax,
  checkReceipt,
  growTree,
  leafHash,
  newPrivateKey,
  readEntry,
  signerOf,
  verifyConsistency,
} from "@openclaw-worker/protocol";
import type { Clock } from "@openclaw-worker/base";
import { fill, openDesk } from "./desk.ts";

test("what was noted is on the disk, in order, when flushed resolves", async () => {
  using desk = openDesk();
  await using audit = await desk.open();
  assert.equal(await audit.flushed(), null);
  audit.note("request", { kind: "command", command: "echo hello" }, "t1");
  audit.note("decision", { decision: "allow", rule: "Bash(echo *)" }, "t1");
  assert.equal(await audit.flushed(), null);
  const entries = desk.lines().map((line, seq) => readEntry(line, seq));
  assert.deepEqual(
    entries.map((read) => (read.kind === "entry" ? read.entry.type : read.why)),
    ["request", "decision"],
  );
  assert.equal(statSync(desk.file("entries")).mode & 0o777, 0o600);
  assert.equal(audit.size(), 2);
});

test("notes of one turn are one group, and many turns keep their order", async () => {
  using desk = openDesk();
  await using audit = await desk.open();
  let groups = 0;
  using _following = audit.follow(() => (groups += 1));
  await fill(audit, 50);
  assert.equal(groups, 1);
  const all = Array.from({ length: 200 }, async (_, index) => {
    if (index % 3 === 0) await audit.flushed();
    audit.note("begin", { index });
  });
  await Promise.all(all);
  assert.equal(await audit.flushed(), null);
  assert.equal(audit.size(), 250);
  for (const [seq, line] of desk.lines().entries())
    assert.equal(readEntry(line, seq).kind, "entry");
});

test("a sealed entry comes with a receipt that proves it offline", async () => {
  using desk = openDesk();
  await using audit = await desk.open();
  await fill(audit, 37);
  const sealed = Array.from({ length: 5 }, (_, index) =>
    audit.sealed("outcome", { exitCode: index }, `t${index}`),
  );
  const receipts = await Promise.all(sealed);
  const heads = new Set<string>();
  for (const [index, receipt] of receipts.entries()) {
    const checked = checkReceipt(JSON.parse(JSON.stringify(receipt)));
    assert.ok(checked.kind === "good");
    assert.deepEqual(checked.entry.data, { exitCode: index });
    assert.equal(checked.entry.seq, 37 + index);
    assert.equal(checked.key.fingerprint, desk.options.key.public.fingerprint);
    heads.add(receipt?.head.signature.value ?? "");
  }
  assert.equal(heads.size, 1, "one signature for a group");
});

test("heads go on from one another, for every pair of sizes", async () => {
  using desk = openDesk();
  await using audit = await desk.open();
  await fill(audit, 40);
  for (const [from, to] of [
    [1, 40],
    [7, 8],
    [20, 33],
    [40, 40],
  ] as const) {
    const [a, b] = [audit.head(from), audit.head(to)];
    assert.ok(signerOf(a) !== null && signerOf(b) !== null);
    const [fromRoot, toRoot] = [a, b].map((head) => Buffer.from(head.checkpoint.root, "hex"));
    assert.ok(fromRoot !== undefined && toRoot !== undefined);
    const proof = audit.consistency(from, to).map((hash) => Buffer.from(hash, "hex"));
    assert.ok(verifyConsistency({ from, fromRoot, to, toRoot, proof }));
  }
});

test("pages begin anywhere, and end at the limits", async () => {
  using desk = openDesk();
  await using audit = await desk.open();
  for (let turn = 0; turn < 6; turn += 1) await fill(audit, 1_000);
  const lines = desk.lines();
  for (const from of [0, 1, 999, 3_000, 2_500, 5_999, 4_321]) {
    const page = await audit.page({ from, entriesMax: 7, bytesMax: 1_000_000 });
    assert.deepEqual(page, lines.slice(from, from + 7));
  }
  const small = await audit.page({ from: 10, entriesMax: 100, bytesMax: 400 });
  assert.deepEqual(small, lines.slice(10, 13));
  assert.deepEqual(await audit.page({ from: 6_000, entriesMax: 7, bytesMax: 500 }), []);
});

test("secrets are redacted, at any depth, before anything is written", async () => {
  using desk = openDesk();
  await using audit = await desk.open();
  audit.note("request", { command: "curl -u me:hunter2 x", deep: [{ hunter2: ["hunter2"] }] });
  await audit.flushed();
  assert.doesNotMatch(readFileSync(desk.file("entries"), "utf8"), /hunter2/);
  assert.match(desk.lines()[0] ?? "", /\[redacted\]/);
});

test("what the redactor fails on is left out, and nothing else", async () => {
  using desk = openDesk();
  const redact = (text: string): string => {
    if (text === "odd") throw new Error("odd");
    return text;
  };
  await using audit = await desk.open({ redact });
  audit.note("request", { a: "odd", b: "even" });
  assert.equal(await audit.flushed(), null);
  assert.match(desk.lines()[0] ?? "", /"a":"\[left out: it could not be redacted\]","b":"even"/);
});

test("whatever is noted becomes an entry: long, deep, odd or no JSON at all", async () => {
  using desk = openDesk();
  await using audit = await desk.open();
  const around: Record<string, unknown> = { a: 1n, b: undefined, c: () => 1, d: Number.NaN };
  around["self"] = around;
  audit.note("request", around);
  audit.note("request", { command: "x".repeat(10_000), lone: "\uD800", newline: "a\nb" });
  audit.note("request", { argv: Array.from({ length: 5_000 }, () => "y".repeat(4_000)), keep: 1 });
  audit.note("request", { at: 1 }, "t".repeat(1_000));
  let wide: unknown = 1;
  for (let depth = 0; depth < 5; depth += 1) wide = Array.from({ length: 200 }, () => wide);
  audit.note("request", { wide });
  assert.equal(await audit.flushed(), null);
  const read = desk.lines().map((line, seq) => readEntry(line, seq));
  assert.deepEqual(
    read.map(({ kind }) => kind),
    ["entry", "entry", "entry", "entry", "entry"],
  );
  assert.ok(desk.lines().every((line) => Buffer.byteLength(line) <= auditEntryBytesMax));
  const long = read[1]?.kind === "entry" ? read[1].entry.data["command"] : null;
  assert.deepEqual(Object.keys(Object(long)), ["bytes", "head", "sha256"]);
  const huge = read[2]?.kind === "entry" ? read[2].entry.data : {};
  assert.deepEqual([huge["keep"], Object.keys(Object(huge["leftOut"]))], [1, ["bytes", "sha256"]]);
});

test("a log that was closed goes on where it was", async () => {
  using desk = openDesk();
  for (let turn = 1; turn <= 5; turn += 1) {
    await using audit = await desk.open();
    assert.equal(audit.size(), (turn - 1) * 13);
    await fill(audit, 13);
  }
  await using audit = await desk.open();
  const tree = growTree();
  for (const line of desk.lines()) tree.append(leafHash(line));
  assert.equal(audit.head().checkpoint.root, tree.root().toString("hex"));
  assert.deepEqual(desk.logged, []);
});

test("hashes that are missing, damaged or too many are made again from the entries", async () => {
  using desk = openDesk();
  {
    await using audit = await desk.open();
    await fill(audit, 100);
  }
  const right = readFileSync(desk.file("hashes"));
  const damages = [
    () => rmSync(desk.file("hashes")),
    () => truncateSync(desk.file("hashes"), 1_000),
    () => writeFileSync(desk.file("hashes"), Buffer.alloc(right.length)),
    () => appendFileSync(desk.file("hashes"), Buffer.alloc(640)),
  ];
  for (const damage of damages) {
    damage();
    await using _audit = await desk.open();
    assert.deepEqual(readFileSync(desk.file("hashes")), right);
  }
});

test("the torn end that a crash leaves is cut off and recorded", async () => {
  using desk = openDesk();
  const stopped = stoppedTimers(desk.options.clock);
  {
    await using audit = await desk.open();
    await fill(audit, 10);
  }
  const [line = ""] = desk.lines();
  for (const torn of [line.slice(0, 40), "\0".repeat(500), "{}\n"]) {
    const before = desk.lines().length;
    appendFileSync(desk.file("entries"), torn);
    await using audit = await desk.open({ clock: stopped });
    assert.equal(await audit.flushed(), null);
    const last = readEntry(desk.lines().at(-1) ?? "", before);
    assert.ok(last.kind === "entry" && last.entry.type === "start");
    assert.equal(last.entry.data["cutBytes"], torn.length);
  }
});

test("entries after the last head are kept as far as they are whole", async () => {
  using desk = openDesk();
  {
    await using audit = await desk.open();
    await fill(audit, 10);
  }
  const heads = readFileSync(desk.file("heads"));
  {
    await using audit = await desk.open();
    await fill(audit, 5);
  }
  // As after a power cut: the head that covered them is not there, and half of a line is.
  writeFileSync(desk.file("heads"), Buffer.concat([heads, Buffer.from('{"bytes":12')]));
  await using audit = await desk.open();
  assert.equal(audit.size(), 15);
});

const changes: readonly (readonly [string, (desk: ReturnType<typeof openDesk>) => void, RegExp])[] =
  [
    [
      "an entry was changed",
      (desk) => edit(desk.file("entries"), (text) => text.replace("echo 57", "echo 75")),
      /entry 57 is not the one/,
    ],
    [
      "the last entries were taken out",
      (desk) =>
        edit(desk.file("entries"), (text) => `${text.split("\n").slice(0, -3).join("\n")}\n`),
      /shorter than when it was last signed/,
    ],
    [
      "an entry was taken out and another put at the end",
      (desk) =>
        edit(desk.file("entries"), (text) => {
          const [first, ...rest] = text.split("\n");
          return [...rest.slice(0, -1), first, ""].join("\n");
        }),
      /entry 99 is not the one/,
    ],
    ["all entries were taken out", (desk) => truncateSync(desk.file("entries")), /shorter/],
    ["the heads were taken away", (desk) => rmSync(desk.file("heads")), /heads\.jsonl is missing/],
    [
      "a head was changed",
      (desk) => edit(desk.file("heads"), (text) => text.replace(/"size":100/, '"size":101')),
      /signature/,
    ],
    [
      "the last head is no head",
      (desk) => appendFileSync(desk.file("heads"), "{}\n"),
      /no signed head/,
    ],
  ];
for (const [name, change, why] of changes) {
  test(`a worker does not start with a changed log: ${name}`, async () => {
    using desk = openDesk();
    {
      await using audit = await desk.open();
      await fill(audit, 100);
    }
    change(desk);
    assert.match(await desk.refusal(), why);
    assert.match(await desk.refusal(), /^the audit log was changed: /);
    rmSync(desk.file("hashes"));
    await desk.refusal();
  });
}

test("a log that another key signed is not this worker's", async () => {
  using desk = openDesk();
  await (await desk.open())[Symbol.asyncDispose]();
  assert.match(await desk.refusal({ key: newPrivateKey() }), /this worker's key is SHA256:/);
});

test("a head is written a moment after the entries, and at the end", async () => {
  using desk = openDesk();
  await using audit = await desk.open();
  await fill(audit, 3);
  const heads = (): number => readFileSync(desk.file("heads"), "utf8").split("\n").length - 1;
  assert.equal(heads(), 1, "that of the empty log");
  const { promise, resolve } = Promise.withResolvers<void>();
  using _following = audit.follow(() => resolve());
  await promise;
  assert.equal(heads(), 2);
});

test("after its end the log takes nothing", async () => {
  using desk = openDesk();
  const audit = await desk.open();
  audit.note("start", {});
  await audit[Symbol.asyncDispose]();
  audit.note("end", {});
  assert.equal(await audit.sealed("outcome", {}), null);
  assert.equal(desk.lines().length, 1);
  assert.ok(existsSync(desk.file("heads")));
});

function edit(file: string, change: (text: string) => string): void {
  const text = readFileSync(file, "utf8");
  assert.notEqual(change(text), text);
  writeFileSync(file, change(text));
}

function stoppedTimers(clock: Clock): Clock {
  return { ...clock, after: () => ({ cancel() {}, [Symbol.dispose]() {} }) };
}
