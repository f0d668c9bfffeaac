import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { before, test } from "node:test";
import { alive, eventually, lives } from "../fixtures/alive.ts";
import { refuseRoot, temporaryFolder } from "../fixtures/stage.ts";
import { openNetworkStage } from "./stage.ts";

before(refuseRoot);

const program = join(import.meta.dirname, "../fixtures/network-like.ts");

function start(folder: string, command: string, ...more: readonly string[]) {
  const argv = ["--conditions=source", program, folder, '["localhost"]', command, ...more];
  return spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
}

test("kill -9 of the worker leaves no gateway, no bridge and no task, and the next one no socket", async () => {
  using folder = temporaryFolder();
  const worker = start(folder.path, "setsid sleep 300 & sleep 300", "hold");
  assert.deepEqual(await once(createInterface(worker.stdout), "line"), ["begun"]);
  const state = join(folder.path, "state");
  const gateways = alive(join(state, "net-"));
  assert.ok(gateways.length >= 3, `only ${gateways.length} processes of gateways`);
  const exited = once(worker, "exit");
  worker.kill("SIGKILL");
  await exited;
  await eventually(() => gateways.every((pid) => !lives(pid)));
  await eventually(() => alive(folder.path).length === 0);
  await using _next = await openNetworkStage(folder.path);
  assert.deepEqual(
    readdirSync(state).filter((name) => name.startsWith("net-")),
    [],
  );
});

test("kill -9 of the worker at any moment of a start leaves nothing once the next has started", async () => {
  for (const afterMs of [250, 350, 450, 550, 650, 750]) {
    using folder = temporaryFolder();
    const worker = start(folder.path, "true", "hold");
    const exited = once(worker, "exit");
    // Not a wait for something: a moment at random in the middle of building.
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    worker.kill("SIGKILL");
    await exited;
    {
      await using _next = await openNetworkStage(folder.path);
    }
    await eventually(() => alive(folder.path).length === 0);
    assert.deepEqual(readdirSync(join(folder.path, "state")), []);
  }
});

test("kill -9 of a gateway ends the task's network and nothing else, and leaves no bridge", async () => {
  await using stage = await openNetworkStage();
  const running = stage.reaching(
    ["localhost"],
    "touch begun; until [ -e go ]; do sleep 0.02; done; curl -sS -m 3 http://localhost:1/; echo end",
  );
  await eventually(() => readdirSync(stage.root).includes("begun"));
  const bridge = (): readonly number[] =>
    alive(join(stage.state, "net-")).filter((pid) => nameOf(pid) === "socat");
  assert.equal(bridge().length, 1);
  const gateway = alive("network/main.").find((pid) => nameOf(pid) !== "bwrap");
  assert.ok(gateway !== undefined);
  process.kill(gateway, "SIGKILL");
  await eventually(() => bridge().length === 0);
  await stage.command("touch go");
  const report = await running;
  assert.equal(report.outcome, "done");
  assert.equal(report.stdout, "end\n");
});

test("a task that ends takes its gateway with it", async () => {
  await using stage = await openNetworkStage();
  const controller = new AbortController();
  const running = stage.reaching(["localhost"], "touch begun; sleep 300", {
    signal: controller.signal,
  });
  await eventually(() => readdirSync(stage.root).includes("begun"));
  const before = alive(join(stage.state, "net-"));
  controller.abort();
  assert.equal((await running).outcome, "cancelled");
  await eventually(() => before.every((pid) => !lives(pid)));
});

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}
