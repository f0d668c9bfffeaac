import assert from "node:assert/strict";
import { test } from "node:test";
import { durationText, parseDuration } from "../src/duration.ts";
import { paintOf } from "../src/paint.ts";
import { expanded, placeOf } from "../src/place.ts";
import { parseAccount } from "../src/root/account.ts";
import { quoted } from "../src/root/folders.ts";
import { oneLine, tableText } from "../src/table.ts";
import { reachable } from "../src/up/household.ts";

test("durations are read with their units, and nothing else is one", () => {
  const table = { "30s": 30_000, "1500": 1_500, "1500ms": 1_500, "1.5h": 5_400_000, "2m": 120_000 };
  for (const [text, ms] of Object.entries(table)) assert.equal(parseDuration(text), ms, text);
  for (const text of ["", "s", "-1s", "1 s", "1w", "1e3", "0x10", "∞"]) {
    assert.equal(parseDuration(text), null, text);
  }
});

test("durations are written for people", () => {
  const table = { 12: "12 ms", 3_400: "3.4 s", 302_000: "5 m 2 s", 10_860_000: "3 h 1 m" };
  for (const [ms, text] of Object.entries(table)) assert.equal(durationText(Number(ms)), text);
});

test("text from elsewhere cannot steer the terminal", () => {
  assert.equal(oneLine("a\u001B[2Jb\r\n\u202Ec"), "a [2Jb c");
});

test("columns are as wide as their widest cell, and lines are cut at the terminal's edge", () => {
  assert.equal(
    tableText(
      [
        ["A", "BB"],
        ["aaa", "b"],
      ],
      80,
    ),
    "A    BB\naaa  b\n",
  );
  assert.equal(tableText([["abcdef"]], 4), "abc…\n");
});

test("colors only on a terminal, and never with NO_COLOR", () => {
  const output = (isTerminal: boolean) => ({
    isTerminal,
    columns: 80,
    rows: 24,
    write() {},
    async drained() {},
  });
  assert.equal(paintOf({ env: {} }, output(true)).red("x"), "\u001B[31mx\u001B[39m");
  assert.equal(paintOf({ env: {} }, output(false)).red("x"), "x");
  assert.equal(paintOf({ env: { NO_COLOR: "1" } }, output(true)).red("x"), "x");
});

test("state lies in the user's home, in root's place, or where the variable says", () => {
  const home = (env: Record<string, string>, uid: number): string =>
    placeOf({ env, uid, home: "/home/ann", cwd: "/w" }).home;
  assert.equal(home({}, 1000), "/home/ann/.openclaw-worker");
  assert.equal(home({}, 0), "/var/lib/openclaw-worker");
  assert.equal(home({ OPENCLAW_WORKER_HOME: "~/s" }, 0), "/home/ann/s");
  assert.equal(home({ OPENCLAW_WORKER_HOME: "s" }, 1000), "/w/s");
  assert.equal(expanded("~x", "/home/ann"), "~x");
});

test("a line of the user list is read, and half a line is none", () => {
  assert.deepEqual(parseAccount("ann:x:1000:1001:Ann,,,:/home/ann:/bin/zsh\n"), {
    name: "ann",
    uid: 1000,
    gid: 1001,
    home: "/home/ann",
    shell: "/bin/zsh",
  });
  assert.equal(parseAccount("ann:x:0x0:1:::"), null);
  assert.equal(parseAccount(""), null);
});

test("a shell reads a quoted text as one word", () => {
  assert.equal(quoted("/a/b-c.d"), "/a/b-c.d");
  assert.equal(quoted("/it's here"), `'/it'\\''s here'`);
});

test("an address that means every address is dialed at loopback", () => {
  assert.equal(reachable("http://0.0.0.0:80"), "http://127.0.0.1:80");
  assert.equal(reachable("http://[::]:80/"), "http://[::1]:80");
  assert.equal(reachable("http://10.0.0.1:80"), "http://10.0.0.1:80");
});
