// `up` as a person starts it: real server, real worker, real cage. Not as root: root's ways are
// tested in root/.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { launcher, runLauncher, temporaryFolder, type Ran } from "./stage.ts";

const skip = process.geteuid?.() === 0 ? "root starts differently: test/root" : false;
const timeout = 120_000;

interface House {
  readonly home: string;
  readonly child: ChildProcess;
  /** All lines until one matches. */
  until(pattern: RegExp): Promise<readonly string[]>;
  cli(...args: readonly string[]): Promise<Ran>;
}

async function startUp(stack: AsyncDisposableStack, kept?: string): Promise<House> {
  const home = kept ?? (await temporaryFolder(stack));
  const env = {
    PATH: "/usr/bin:/bin",
    HOME: home,
    WORKER_PORT: "0",
    OPENCLAW_WORKER_HOME: path.join(home, "state"),
  };
  const child = spawn(process.execPath, [launcher, "up"], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  stack.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  });
  const lines: string[] = [];
  const heard = new EventTarget();
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on("line", (line) => {
      lines.push(line);
      heard.dispatchEvent(new Event("line"));
    });
  }
  child.on("close", () => heard.dispatchEvent(new Event("line")));
  return {
    home,
    child,
    cli: (...args) => runLauncher(args, { env }),
    async until(pattern) {
      while (!lines.some((line) => pattern.test(line))) {
        assert.ok(child.exitCode === null && child.signalCode === null, lines.join("\n"));
        await once(heard, "line");
      }
      return lines;
    },
  };
}

test(
  "up makes what is missing, runs a first task, tells where all is, and ends with Ctrl-C",
  {
    skip,
    timeout,
  },
  async () => {
    await using stack = new AsyncDisposableStack();
    const house = await startUp(stack);
    const lines = await house.until(/^Ctrl-C stops both/);
    const text = lines.join("\n");
    assert.match(text, /\nHello from your own computer, caged\n\(done, /);
    assert.match(text, /^ {2}URL {5}http:\/\/127\.0\.0\.1:\d+$/m);
    assert.ok(!text.includes("\u001B"), "no colors where there is no terminal");
    const token = (await fs.readFile(path.join(house.home, "state/server/token"), "utf8")).trim();
    assert.ok(!text.includes(token), "the token is not on the screen");

    const ran = await house.cli("run", "echo hi; exit 4");
    assert.deepEqual([ran.out, ran.code], ["hi\n", 4]);
    const doctor = await house.cli("doctor");
    assert.equal(doctor.code, 0, doctor.out);
    assert.match(doctor.out, /ok +cage[^]*ok +token[^]*ok +workers/);

    house.child.kill("SIGINT");
    const [code] = await once(house.child, "exit");
    assert.equal(code, 0);
    assert.equal((await house.cli("workers")).code, 69);
  },
);

test("a second start uses the state of the first", { skip, timeout }, async () => {
  await using stack = new AsyncDisposableStack();
  const first = await startUp(stack);
  await first.until(/^Ctrl-C stops both/);
  const token = await fs.readFile(path.join(first.home, "state/server/token"), "utf8");
  first.child.kill("SIGTERM");
  await once(first.child, "exit");
  const second = await startUp(stack, first.home);
  const lines = await second.until(/^Ctrl-C stops both/);
  assert.ok(!lines.some((line) => line.includes("Policy written")));
  assert.equal(await fs.readFile(path.join(first.home, "state/server/token"), "utf8"), token);
  const listed = await second.cli("tasks");
  assert.equal(listed.out.split("\n").filter((line) => line.includes("Hello")).length, 2);
});

test(
  "killed without a chance, up leaves neither server nor worker behind",
  {
    skip,
    timeout,
  },
  async () => {
    await using stack = new AsyncDisposableStack();
    const house = await startUp(stack);
    await house.until(/^Ctrl-C stops both/);
    const pids = await childrenOf(house.child.pid ?? 0);
    assert.equal(pids.length, 2);
    house.child.kill("SIGKILL");
    await once(house.child, "close");
    // Nobody is told of the end of a stranger's child: it is looked at until the test's time is over.
    for (const pid of pids) while (await isRunning(pid)) await setTimeout(20);
  },
);

test(
  "a port that is taken is told before anything starts, with another to choose",
  {
    skip,
    timeout,
  },
  async () => {
    await using stack = new AsyncDisposableStack();
    const home = await temporaryFolder(stack);
    const holder = net.createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    stack.defer(() => new Promise<void>((resolve) => holder.close(() => resolve())));
    const address = holder.address();
    assert.ok(address !== null && typeof address === "object");
    const env = { HOME: home, WORKER_PORT: String(address.port) };
    const ran = await runLauncher(["up"], { env });
    assert.equal(ran.code, 1);
    assert.match(ran.err, /Port \d+ is in use\n {2}why: another program[^]*do: .*WORKER_PORT=\d+/);
  },
);

test("a policy that would hand over the whole home is not written", { skip }, async () => {
  await using stack = new AsyncDisposableStack();
  const home = await temporaryFolder(stack);
  const ran = await runLauncher(["policy", "init", home], { env: { HOME: home } });
  assert.equal(ran.code, 1);
  assert.match(ran.err, /The worker would refuse this policy/);
  assert.deepEqual(await fs.readdir(path.join(home, ".openclaw-worker")), []);
});

test("a policy is never written over another", { skip }, async () => {
  await using stack = new AsyncDisposableStack();
  const home = await temporaryFolder(stack);
  const init = () => runLauncher(["policy", "init"], { env: { HOME: home } });
  assert.equal((await init()).code, 0);
  const again = await init();
  assert.equal(again.code, 1);
  assert.match(again.err, /There is a policy already/);
});

async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await fs.readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.trim().split(/\s+/).map(Number);
}

/** A zombie has ended. */
async function isRunning(pid: number): Promise<boolean> {
  const stat = await fs.readFile(`/proc/${pid}/stat`, "utf8").catch(() => "0 (gone) Z");
  return !/\) [ZX]/.test(stat);
}
