import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { silentLog, systemClock } from "@openclaw-worker/base";
import { openBlueprints, type Blueprints } from "../../src/sandbox/blueprint.ts";
import { discard } from "../../src/sandbox/cage.ts";
import { openStreamFolder } from "../../src/sandbox/folders.ts";
import { openPool, type Pool } from "../../src/sandbox/pool.ts";
import { alive, eventually } from "../fixtures/alive.ts";
import { plainEnvironment, refuseRoot, temporaryFolder } from "../fixtures/stage.ts";

before(refuseRoot);

interface PoolStage extends AsyncDisposable {
  readonly pool: Pool;
  readonly root: string;
  /** What the disk is said to look like. */
  state: string;
  built(): number;
}

async function openPoolStage(warm: number): Promise<PoolStage> {
  const clock = systemClock();
  const folder = temporaryFolder();
  const root = join(folder.path, "root");
  const state = join(folder.path, "state");
  mkdirSync(root);
  const real = openBlueprints({
    clock,
    log: silentLog,
    environment: plainEnvironment,
    home: homedir(),
    hidden: [state],
  });
  let built = 0;
  const blueprints: Pick<Blueprints, "stateOf" | "argvFor"> = {
    stateOf: () => stage.state,
    argvFor: (cage, signal) => {
      built += 1;
      return real.argvFor(cage, signal);
    },
  };
  const streams = openStreamFolder(state, clock);
  const cage = { roots: [root], readable: [] };
  const pool = openPool({ clock, log: silentLog, blueprints, streams, cage, warm });
  const stage: PoolStage = {
    pool,
    root,
    state: "as it was",
    built: () => built,
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]();
      streams[Symbol.dispose]();
      folder[Symbol.dispose]();
    },
  };
  return stage;
}

const never = new AbortController().signal;

test("cages wait, are taken once, and are made anew", async () => {
  await using stage = await openPoolStage(2);
  const cage = { roots: [stage.root], readable: [] };
  await stage.pool.filled();
  assert.equal(stage.pool.size(), 2);
  const first = await stage.pool.take(cage, never);
  const second = await stage.pool.take(cage, never);
  assert.notEqual(first, second);
  discard(first);
  discard(second);
  stage.pool.refill();
  await eventually(() => stage.pool.size() === 2);
});

test("a cage that was made before the disk changed is not used", async () => {
  await using stage = await openPoolStage(1);
  const cage = { roots: [stage.root], readable: [] };
  await stage.pool.filled();
  assert.equal(stage.built(), 1);
  stage.state = "another folder in /";
  discard(await stage.pool.take(cage, never));
  assert.ok(stage.built() > 1);
});

test("a cage that dies while it waits is not handed out", async () => {
  await using stage = await openPoolStage(1);
  await stage.pool.filled();
  for (const pid of alive(stage.root)) process.kill(pid, "SIGKILL");
  await eventually(() => stage.pool.size() === 0);
  const cage = await stage.pool.take({ roots: [stage.root], readable: [] }, never);
  assert.equal(await cage.handOver("exit 5", undefined), "broken");
  assert.equal(await cage.exited, 5);
  discard(cage);
});

test("a task that is cancelled while it waits for a cage takes none", async () => {
  await using stage = await openPoolStage(0);
  const controller = new AbortController();
  const taking = stage.pool.take({ roots: [stage.root], readable: [] }, controller.signal);
  controller.abort(new Error("cancelled"));
  await assert.rejects(taking, /cancelled/);
});

test("closing the pool leaves no process, however early it comes", async () => {
  for (let at = 0; at < 12; at += 1) {
    const stage = await openPoolStage(3);
    const filling = stage.pool.filled();
    if (at % 3 === 0) await filling;
    if (at % 3 === 1) await new Promise((resolve) => setImmediate(resolve));
    await stage[Symbol.asyncDispose]();
    await filling;
    await eventually(() => alive(stage.root).length === 0);
  }
});
