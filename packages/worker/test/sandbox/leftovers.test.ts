import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { before, test } from "node:test";
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

test("kill -9 of a worker that is just starting leaves nothing either", async () => {
  for (const afterMs of [150, 200, 250, 300, 350, 400]) {
    using folder = temporaryFolder();
    mkdirSync(join(folder.path, "root"));
    const worker = spawn(process.execPath, ["--conditions=source", program, folder.path, "hold"], {
      stdio: "ignore",
    });
    const exited = once(worker, "exit");
    // Not a wait for something: a moment at random in the middle of building cages.
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    worker.kill("SIGKILL");
    await exited;
    await eventually(() => alive(folder.path).length === 0);
  }
});
