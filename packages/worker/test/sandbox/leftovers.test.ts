import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { before, test } from "node:test";
import { systemClock } from "@openclaw-worker/base";
import { openStreamFolder } from "../../src/sandbox/folders.ts";
import { alive, eventually, lives } from "../fixtures/alive.ts";
import { refuseRoot, temporaryFolder } from "../fixtures/stage.ts";

before(refuseRoot);

const program = join(import.meta.dirname, "../fixtures/worker-like.ts");

test("kill -9 of the worker leaves nothing: neither the running task nor the cages that waited", async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, "root"));
  const worker = spawn(process.execPath, ["--conditions=source", program, folder.path, "hold"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(createInterface(worker.stdout), "line");
  const { children } = JSON.parse(String(line));
  assert.ok(children.length >= 8, `only ${children.length} processes to leave behind`);
  const exited = once(worker, "exit");
  worker.kill("SIGKILL");
  await exited;
  await eventually(() => children.every((pid: number) => !lives(pid)));
  await eventually(() => alive(folder.path).length === 0);
});

test("what a worker left when it was killed while starting is gone when the next one has started", async () => {
  for (const afterMs of [150, 200, 250, 300, 350, 400]) {
    using folder = temporaryFolder();
    mkdirSync(join(folder.path, "root"));
    const argv = ["--conditions=source", program, folder.path];
    const worker = spawn(process.execPath, [...argv, "hold"], { stdio: "ignore" });
    const exited = once(worker, "exit");
    // Not a wait for something: a moment at random in the middle of building cages.
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    worker.kill("SIGKILL");
    await exited;
    const next = spawn(process.execPath, argv, { stdio: "ignore" });
    assert.deepEqual(await once(next, "exit"), [0, null]);
    await eventually(() => alive(folder.path).length === 0);
    assert.deepEqual(readdirSync(join(folder.path, "state")), []);
  }
});

test("a half-built cage of an earlier worker is ended, and other processes are not", async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, "cage-old"));
  const input = join(folder.path, "cage-old", "1-0-in");
  writeFileSync(input, "");
  const fd = openSync(input, "r");
  const half = spawn("sleep", ["300"], { stdio: [fd, "ignore", "ignore"] });
  const other = spawn("sleep", ["300"], { stdio: "ignore" });
  closeSync(fd);
  await Promise.all([once(half, "spawn"), once(other, "spawn")]);
  const ended = once(half, "exit");
  using streams = openStreamFolder(folder.path, systemClock());
  assert.deepEqual(await ended, [null, "SIGKILL"]);
  assert.equal(other.exitCode, null);
  assert.deepEqual(readdirSync(folder.path), [basename(streams.path)]);
  other.kill();
});
