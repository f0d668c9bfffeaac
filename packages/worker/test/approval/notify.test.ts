// The desktop's notifications, with programs of our own in the desktop's place.

import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { systemClock, type Clock } from "@openclaw-worker/base";
import { findNotify } from "../../src/notify.ts";
import { hello, openStage, temporaryFolder } from "../stage.ts";
import { until } from "./people.ts";

const bus = { DBUS_SESSION_BUS_ADDRESS: "unix:path=/run/user/1000/bus", SECRET: "s" };

function quickClock(): Clock {
  const clock = systemClock();
  return { ...clock, sleep: (ms, signal) => clock.sleep(Math.min(ms, 5), signal) };
}

interface Desktop extends Disposable {
  readonly folder: string;
  /** What the program was called with, a line a call: its words, then its environment's names. */
  said(): readonly (readonly string[])[];
}

function openDesktop(program: string): Desktop {
  const folder = temporaryFolder();
  const file = path.join(folder, "said");
  const script = `#!/bin/sh\n{ printf '%s\\037' "$@"; env | cut -d= -f1 | sort | tr '\\n' ' '; printf '\\n'; } >> ${file}\n`;
  writeFileSync(path.join(folder, program), script, { mode: 0o755 });
  return {
    folder,
    said() {
      if (!existsSync(file)) return [];
      const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
      return lines.map((line) => line.split("\u001F"));
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

const { signal } = new AbortController();

test("a desktop is told how many wait, once for many that come together, and of nothing that goes", async () => {
  using desktop = openDesktop("notify-send");
  const folders = [desktop.folder];
  const parts = { clock: quickClock(), env: bus, platform: "linux", signal, folders };
  const notify = findNotify(parts);
  assert.ok(notify !== null);
  notify(1);
  await until(() => desktop.said().length === 1);
  const [first = []] = desktop.said();
  assert.deepEqual(first.slice(0, -1), [
    "--app-name=OpenClaw Worker",
    "--expire-time=60000",
    "--",
    "OpenClaw Worker",
    "1 waits for your yes: openclaw-worker approvals",
  ]);
  const names = (first.at(-1) ?? "").split(" ");
  assert.ok(names.includes("DBUS_SESSION_BUS_ADDRESS") && !names.includes("SECRET"));
  notify(0);
  for (const waiting of [1, 2, 3]) notify(waiting);
  await until(() => desktop.said().length >= 2);
  assert.match(desktop.said().at(-1)?.[4] ?? "", /^3 wait for your yes/);
  notify(2);
  notify(0);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(desktop.said().length, 2);
});

test("without notify-send the bus is told by gdbus, in its own quotes", async () => {
  using desktop = openDesktop("gdbus");
  const folders = [desktop.folder];
  findNotify({ clock: quickClock(), env: bus, platform: "linux", signal, folders })?.(2);
  await until(() => desktop.said().length === 1);
  const [words = []] = desktop.said();
  assert.equal(words[0], "call");
  assert.ok(words.includes('"2 wait for your yes: openclaw-worker approvals"'));
});

test("where there is no desktop nothing is started", () => {
  using desktop = openDesktop("notify-send");
  using none = openDesktop("other");
  const clock = quickClock();
  const on = { clock, platform: "linux", signal, folders: [desktop.folder] };
  assert.equal(findNotify({ ...on, env: {} }), null);
  assert.equal(findNotify({ ...on, env: bus, folders: [none.folder] }), null);
  assert.equal(findNotify({ ...on, env: bus, platform: "win32" }), null);
  for (const address of ["unixexec:path=/tmp/x", "tcp:host=example.com,port=1", "unix:path=/a;x"]) {
    assert.equal(findNotify({ ...on, env: { DBUS_SESSION_BUS_ADDRESS: address } }), null);
  }
});

test("an approval that begins to wait is told of", async () => {
  await using stage = await openStage();
  const told: number[] = [];
  const notify = (waiting: number): void => void told.push(waiting);
  await stage.start({ people: { default: "ask" }, notify }).ready;
  const ids = [stage.plane.submit(hello), stage.plane.submit(hello)];
  for (const id of ids) await stage.plane.approval(id);
  for (const id of ids) stage.plane.cancel(id);
  for (const id of ids) await stage.plane.report(id);
  assert.deepEqual(told, [1, 2, 1, 0]);
});
