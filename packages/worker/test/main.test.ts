import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { runWorker, type OpenRunner } from "../src/main.ts";
import { CageUnavailable } from "../src/sandbox/unavailable.ts";
import { lockFolder } from "../src/state.ts";
import { openPlane, type Plane } from "./plane.ts";
import { doneReport, hello, temporaryFolder } from "./stage.ts";

// A test run by root plays another user, whose folders it makes: the worker never runs as root.
const uid = process.getuid?.() || 12_345;

const open: OpenRunner = async () => ({
  runner: { run: async () => doneReport("ok") },
  readable: [],
  async [Symbol.asyncDispose]() {},
});

interface Desk extends AsyncDisposable {
  readonly plane: Plane;
  readonly home: string;
  readonly state: string;
  readonly root: string;
  readonly out: string[];
  readonly err: string[];
  readonly stopping: AbortController;
  /** Resolves when this line was printed to stdout. */
  printed(line: string): Promise<void>;
  run(env?: Readonly<Record<string, string>>, runner?: OpenRunner, as?: number): Promise<number>;
}

async function openDesk(): Promise<Desk> {
  const plane = await openPlane();
  const folder = temporaryFolder();
  const home = path.join(folder, "home");
  const root = path.join(home, "openclaw");
  const state = path.join(home, ".openclaw-worker", "worker");
  mkdirSync(root, { recursive: true });
  mkdirSync(state, { recursive: true });
  for (const own of [path.dirname(state), state]) chownSync(own, uid, -1);
  const [out, err]: [string[], string[]] = [[], []];
  const stopping = new AbortController();
  const printing = new EventTarget();
  return {
    plane,
    home,
    state,
    root,
    out,
    err,
    stopping,
    async printed(line) {
      while (!out.includes(line)) await once(printing, "line");
    },
    run: (env = {}, runner = open, as = uid) =>
      runWorker(
        {
          env: {
            WORKER_URL: plane.url.href,
            WORKER_TOKEN: plane.token,
            OPENCLAW_WORKER_ROOTS: root,
            WORKER_ID: "desk",
            ...env,
          },
          stdout(line) {
            out.push(line);
            printing.dispatchEvent(new Event("line"));
          },
          stderr: (line) => void err.push(line),
          signal: stopping.signal,
          uid: as,
          home,
          hostname: "host",
          shell: "/bin/sh",
          installDir: path.join(folder, "install"),
        },
        runner,
      ),
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await plane.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

test("the worker says who it is, is ready when the server takes it, works, and stops with 0", async () => {
  await using desk = await openDesk();
  const ended = desk.run({ OPENCLAW_WORKER_LABELS: "mac,home" });
  await desk.printed("Ready");
  assert.deepEqual(desk.out, [
    "OpenClaw Worker v0.1.0",
    `Server: ${desk.plane.url.href.replace(/\/$/, "")}`,
    "Poll interval: none (long poll; tasks arrive at once)",
    "Worker: desk (mac, home)",
    `Roots: ${desk.root}`,
    "Slots: 3",
    "Ready",
  ]);
  assert.equal((await desk.plane.report(desk.plane.submit(hello)))["stdout"], "ok");
  assert.equal(statSync(desk.state).mode & 0o777, 0o700);
  desk.stopping.abort();
  assert.equal(await ended, 0);
});

test("a worker that is stopped says so when it is ready, in one plain line, and how that ends", async () => {
  await using desk = await openDesk();
  const id = "00000000-0000-7000-8000-000000000001";
  const stop = { id, by: "api", reason: "anna: \u001B[2Jlook\nhere", since: 1 };
  const file = path.join(desk.state, "stopped.json");
  writeFileSync(file, JSON.stringify({ version: 1, stops: [stop], handled: [] }), { mode: 0o600 });
  chownSync(file, uid, -1);
  const ended = desk.run();
  const line = "Ready, but stopped (anna: \u{fffd}[2Jlook\u{fffd}here): openclaw-worker resume";
  await desk.printed(line);
  assert.ok(!desk.out.includes("Ready"));
  desk.stopping.abort();
  assert.equal(await ended, 0);
});

test("a poll interval is accepted and said to be unneeded", async () => {
  await using desk = await openDesk();
  const ended = desk.run({ POLL_INTERVAL: "500" });
  await desk.printed("Ready");
  assert.equal(desk.out[2], "Poll interval: 500ms (accepted, not needed: tasks arrive at once)");
  desk.stopping.abort();
  assert.equal(await ended, 0);
});

test("root is refused before anything is touched", async () => {
  await using desk = await openDesk();
  assert.equal(await desk.run({}, open, 0), 2);
  assert.match(desk.err.join("\n"), /never runs as root/);
  assert.deepEqual(desk.out, []);
});

test("without a policy the worker does not start, and prints the line that makes one", async () => {
  await using desk = await openDesk();
  assert.equal(await desk.run({ OPENCLAW_WORKER_ROOTS: "" }), 2);
  assert.ok(desk.err.includes("openclaw-worker policy init ~/openclaw"));
  assert.equal(desk.plane.seen.length, 0);
});

test("a missing token is told with the file that may hold it, and an open token file is closed", async () => {
  await using desk = await openDesk();
  assert.equal(await desk.run({ WORKER_TOKEN: "" }), 2);
  const file = path.join(desk.state, "token");
  assert.ok(desk.err.join("\n").includes(file));
  writeFileSync(file, `${desk.plane.token}\n`);
  chmodSync(file, 0o644);
  chownSync(file, uid, -1);
  const ended = desk.run({ WORKER_TOKEN: "" });
  await desk.printed("Ready");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  desk.stopping.abort();
  assert.equal(await ended, 0);
});

test("without a cage no task is taken, and the remedy is told", async () => {
  await using desk = await openDesk();
  const code = await desk.run({}, async () => {
    throw new CageUnavailable("bubblewrap is missing", "sudo apt-get install bubblewrap");
  });
  assert.equal(code, 1);
  assert.match(desk.err.join("\n"), /bubblewrap is missing\nsudo apt-get install bubblewrap/);
  assert.equal(desk.plane.seen.length, 0);
});

test("a second worker on the same folder is refused, and the first goes on", async () => {
  await using desk = await openDesk();
  const first = desk.run();
  await desk.printed("Ready");
  assert.equal(await desk.run(), 1);
  assert.match(desk.err.join("\n"), /Another worker already runs with/);
  assert.equal((await desk.plane.report(desk.plane.submit(hello)))["stdout"], "ok");
  desk.stopping.abort();
  assert.equal(await first, 0);
});

test("a killed worker leaves no lock behind", async () => {
  const folder = temporaryFolder();
  try {
    const file = path.join(folder, "lock");
    const script = `
      import { lockFolder } from ${JSON.stringify(path.join(import.meta.dirname, "../src/state.ts"))};
      const held = lockFolder(${JSON.stringify(file)});
      process.stdout.write(held === null ? "no" : "yes");
      setInterval(() => {}, 1000);`;
    const child = spawn(
      process.execPath,
      ["--conditions=source", "--input-type=module-typescript", "-e", script],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const [said] = await once(child.stdout, "data");
    assert.equal(String(said), "yes");
    assert.equal(lockFolder(file), null);
    child.kill("SIGKILL");
    await once(child, "exit");
    using again = lockFolder(file);
    assert.notEqual(again, null);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a state folder of another user is refused with the line that takes it", async () => {
  await using desk = await openDesk();
  assert.equal(await desk.run({}, open, uid + 1), 2);
  assert.match(desk.err.join("\n"), /belongs to another user: take it with {2}sudo chown/);
});

test("stopping while the server is away ends the worker all the same", async () => {
  await using desk = await openDesk();
  await desk.plane.stop();
  const ended = desk.run();
  await desk.printed("Slots: 3");
  desk.stopping.abort();
  assert.equal(await ended, 0);
});
