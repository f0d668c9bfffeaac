import {
  abortable,
  chainOf,
  createBackoff,
  createLog,
  systemClock,
  type Clock,
} from "@openclaw-worker/base";
import assert from "node:assert/strict";
import { test } from "node:test";

test("a pause doubles up to the longest, is never shorter than half, and starts again after a success", async () => {
  const pauses: number[] = [];
  const clock: Clock = { ...systemClock(), sleep: async (delayMs) => void pauses.push(delayMs) };
  const backoff = createBackoff({ clock, firstMs: 100, longestMs: 1_500, random: () => 0 });
  const { signal } = new AbortController();
  for (let tries = 0; tries < 6; tries += 1) await backoff.wait(signal);
  backoff.reset();
  await backoff.wait(signal);
  assert.deepEqual(pauses, [50, 100, 200, 400, 750, 750, 50]);
});

test("a sleep that is aborted rejects with the reason and leaves no timer", async () => {
  const controller = new AbortController();
  const sleeping = systemClock().sleep(60_000, controller.signal);
  controller.abort(new Error("stopped"));
  await assert.rejects(sleeping, /stopped/);
  await assert.rejects(systemClock().sleep(60_000, controller.signal), /stopped/);
});

test("abortable settles with the work or with the abort, whichever is first", async () => {
  const controller = new AbortController();
  assert.equal(await abortable(Promise.resolve(7), controller.signal), 7);
  const waiting = abortable(new Promise(() => {}), controller.signal);
  controller.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
});

test("a log line is one line, of the level that was asked for", () => {
  const lines: string[] = [];
  const clock: Clock = { ...systemClock(), now: () => 0 };
  const log = createLog({
    clock,
    level: "info",
    format: "json",
    write: (line) => lines.push(line),
  });
  log.debug("unseen");
  log.warn("two\nlines", { why: "a\nb", count: 2 });
  assert.deepEqual(lines, [
    '{"time":"1970-01-01T00:00:00.000Z","level":"warn","msg":"two\\nlines","why":"a\\nb","count":2}\n',
  ]);
});

test("a log line holds nothing that a terminal obeys", () => {
  const lines: string[] = [];
  const clock: Clock = { ...systemClock(), now: () => 0 };
  const evil = "a\u001b]0;x\u0007\u009b2J\u007f\u202eb\ud800!\u{e0041}\u2028";
  for (const format of ["text", "json"] as const) {
    const log = createLog({ clock, level: "info", format, write: (line) => lines.push(line) });
    log.info(`${evil}\r\n${evil}`, { why: evil, [evil]: 1 });
  }
  const safe = String.raw`a\u001b]0;x\u0007\u009b2J\u007f\u202eb\ud800!\udb40\udc41\u2028`;
  assert.equal(
    lines[0],
    `1970-01-01T00:00:00.000Z info  ${safe} ${safe} why="${safe}" ${safe}=1\n`,
  );
  for (const line of lines) assert.match(line, /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*\n$/u);
  const read: unknown = JSON.parse(lines[1] ?? "");
  assert.deepEqual(read, {
    time: "1970-01-01T00:00:00.000Z",
    level: "info",
    msg: `${evil}\r\n${evil}`,
    why: evil,
    [evil]: 1,
  });
});

test("the causes of an error are named in their order", () => {
  assert.equal(
    chainOf(new Error("outer", { cause: new Error("inner", { cause: "root" }) })),
    "outer: inner: root",
  );
});
