// The command's first file must be understood by whatever Node a machine has.

import assert from "node:assert/strict";
import fs from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { launcher, openStage, runLauncher, runProgram, temporaryFolder, token } from "./stage.ts";

const house = path.resolve(import.meta.dirname, "../../..");
// The only older Node that a machine with our tests may have; without it two tests have no subject.
const oldNode = "/usr/bin/node";
const version = await runProgram(oldNode, ["-p", "process.versions.node"]).catch(() => null);
const major = Number(version?.out.split(".")[0]);
const noOldNode = major < 24 ? false : `${oldNode} is not an old Node`;

test(
  "an old Node hands over to the one that was installed, with its exit code and streams",
  {
    skip: noOldNode,
  },
  async () => {
    await using stage = await openStage(() => ({ stdout: "out", stderr: "err", exitCode: 7 }));
    const env = { WORKER_URL: stage.url, WORKER_TOKEN: token };
    const ran = await runProgram(oldNode, [launcher, "run", "x"], { env });
    assert.deepEqual([ran.code, ran.out, ran.err], [7, "out", "err"]);
  },
);

test("an old Node passes SIGINT on", { skip: noOldNode }, async () => {
  const started = Promise.withResolvers<void>();
  await using stage = await openStage(async (_, cancelled) => {
    started.resolve();
    await new Promise((resolve) => cancelled.addEventListener("abort", resolve));
    return { outcome: "cancelled", exitCode: 130, error: "Cancelled" };
  });
  const ran = await runProgram(oldNode, [launcher, "run", "x"], {
    env: { WORKER_URL: stage.url, WORKER_TOKEN: token },
    onStart: (child) => void started.promise.then(() => child.kill("SIGINT")),
  });
  assert.equal(ran.code, 130);
});

test(
  "an old Node without a newer one beside it says what to install",
  {
    skip: noOldNode,
  },
  async () => {
    await using stack = new AsyncDisposableStack();
    const folder = await temporaryFolder(stack);
    const alone = path.join(folder, "openclaw-worker.cjs");
    await fs.copyFile(launcher, alone);
    const ran = await runProgram(oldNode, [alone, "run", "x"]);
    assert.equal(ran.code, 1);
    assert.match(ran.err, /needs Node 24[^]*why: [^]*do: .*npm ci/);
  },
);

test("server.js and worker.js are the commands of their names", async () => {
  for (const name of ["server", "worker"]) {
    const ran = await runProgram(process.execPath, [path.join(house, `${name}.js`), "--help"]);
    assert.equal(ran.code, 0, ran.err);
    assert.match(ran.out, new RegExp(`Usage: openclaw-worker ${name}`));
  }
});

test("the version is told without loading anything heavy", async () => {
  const ran = await runLauncher(["--version"]);
  assert.match(ran.out, /^\d+\.\d+\.\d+\n$/);
});
