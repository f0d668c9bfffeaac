// Started as root from a checkout that only root can enter: what runs then, as whom, and what is
// refused. These tests make the system user openclaw-server where it is missing, and remove it again.

import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { findAccount, type Account } from "../../src/root/account.ts";
import { prepareRoot, prepareState } from "../../src/root/folders.ts";
import { placeOf } from "../../src/place.ts";
import { launcher } from "../stage.ts";

before(() => assert.equal(process.geteuid?.(), 0, "these tests need root"));
const timeout = 60_000;
const house = path.resolve(import.meta.dirname, "../../../..");
const nobody = findAccount("nobody");

test(
  "the server runs as its own user, without privileges, from a checkout only root can enter",
  {
    timeout,
  },
  async () => {
    await using stack = new AsyncDisposableStack();
    removeUserAtEnd(stack, "openclaw-server");
    const folder = await closedFolder(stack);
    const checkout = path.join(folder, "checkout");
    await fs.mkdir(checkout);
    const home = await temporaryHome(stack);
    // The checkout is shown below the closed folder, in a mount namespace that ends with the test.
    const script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';
    const inside = path.join(checkout, path.relative(house, launcher));
    const argv = ["--mount", "--propagation", "private", "/bin/sh", "-c", script, "sh"].concat([
      house,
      checkout,
      process.execPath,
      inside,
      "server",
      "--with-deps",
    ]);
    const server = spawn("/usr/bin/unshare", argv, {
      env: environment(home, { SECRET_OF_ROOT: "x", WORKER_TOKEN: "a-token-of-this-test-only" }),
      stdio: ["ignore", "pipe", "inherit"],
    });
    stopAtEnd(stack, server);
    const url = await lineOf(server, /Listening on (\S+)/);

    const status = await fs.readFile(`/proc/${server.pid}/status`, "utf8");
    const account = findAccount("openclaw-server");
    assert.ok(account !== null);
    const field = (name: string): string =>
      new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(status)?.[1]?.trim() ?? "";
    assert.equal(field("Uid"), Array(4).fill(account.uid).join("\t"));
    assert.equal(field("Gid"), Array(4).fill(account.gid).join("\t"));
    assert.equal(field("Groups"), "");
    for (const name of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
      assert.equal(field(name), "0000000000000000", name);
    }
    assert.equal(field("NoNewPrivs"), "1");

    const environ = await fs.readFile(`/proc/${server.pid}/environ`, "utf8");
    assert.ok(!environ.includes("SECRET_OF_ROOT"));
    const commandLine = await fs.readFile(`/proc/${server.pid}/cmdline`, "utf8");
    assert.ok(!commandLine.includes("a-token-of-this-test-only"));
    const health = await fetch(`${url}/health`);
    assert.equal(health.status, 200);

    const seen = await fs.stat(path.join(home, "server"));
    assert.deepEqual([seen.uid, seen.mode & 0o777], [account.uid, 0o700]);
    assert.equal((await fs.stat(home)).uid, 0);

    server.kill("SIGTERM");
    const [code] = await once(server, "exit");
    assert.equal(code, 0);
  },
);

test(
  "a parent that is killed takes the descended server with it when it asked for that",
  {
    timeout,
  },
  async () => {
    await using stack = new AsyncDisposableStack();
    removeUserAtEnd(stack, "openclaw-server");
    const home = await temporaryHome(stack);
    // A shell that stays the parent: it prints the server's pid and waits.
    const script = '"$@" & echo "pid $!"; wait';
    const argv = ["-c", script, "sh", process.execPath, launcher, "server", "--with-deps"];
    const env = environment(home, { OPENCLAW_PDEATHSIG: "TERM" });
    const parent = spawn("/bin/sh", argv, { env, stdio: ["ignore", "pipe", "inherit"] });
    stopAtEnd(stack, parent);
    const lines = createInterface({ input: parent.stdout });
    const heard: string[] = [];
    for await (const line of lines) {
      heard.push(line);
      if (line.startsWith("Listening on")) break;
    }
    const pid = Number(heard.find((line) => line.startsWith("pid "))?.slice(4));
    assert.ok(pid > 1);
    parent.kill("SIGKILL");
    // Nobody is told of the end of a stranger's child: it is looked at until the test's time is over.
    while (await isRunning(pid)) await setTimeout(20);
  },
);

test("without --with-deps a missing user is told with the command that makes it", async () => {
  await using stack = new AsyncDisposableStack();
  const home = await temporaryHome(stack);
  const env = environment(home);
  // A list of users without ours, in a mount namespace that only this command sees.
  const script =
    'grep -v ^openclaw-server: /etc/passwd > "$1/passwd" && mount --bind "$1/passwd" /etc/passwd && shift && exec "$@"';
  const namespace = ["--mount", "--propagation", "private", "/bin/sh", "-c", script, "sh"];
  const command = [process.execPath, launcher, "server"];
  const ran = spawnSync("/usr/bin/unshare", [...namespace, home, ...command], {
    env,
    encoding: "utf8",
  });
  assert.equal(ran.status, 1);
  assert.match(ran.stderr, /openclaw-server is missing[^]*--with-deps[^]*useradd --system/);
});

test("a missing root is made for the user; an existing one is refused with the chown line", async () => {
  await using stack = new AsyncDisposableStack();
  const account = accountOfNobody();
  const folder = await temporaryHome(stack);
  const root = path.join(folder, "a", "b");
  prepareRoot(root, account, () => {});
  assert.equal((await fs.stat(root)).uid, account.uid);
  prepareRoot(root, account, () => {});

  const roots = path.join(folder, "roots");
  await fs.mkdir(roots, { mode: 0o755 });
  assert.throws(
    () => prepareRoot(roots, account, () => {}),
    (thrown) =>
      thrown instanceof Error &&
      "remedy" in thrown &&
      thrown.remedy === `chown -R nobody: ${roots}`,
  );
  assert.equal((await fs.stat(roots)).uid, 0);
});

test("a root below a closed folder is refused with the folder that closes it", async () => {
  await using stack = new AsyncDisposableStack();
  const closed = await closedFolder(stack);
  const root = path.join(closed, "root");
  await fs.mkdir(root);
  await fs.chmod(root, 0o777);
  assert.throws(
    () => prepareRoot(root, accountOfNobody(), () => {}),
    (thrown) =>
      thrown instanceof Error &&
      "remedy" in thrown &&
      String(thrown.remedy).startsWith(`chmod o+x ${closed}\n`),
  );
});

test("nothing is made below a folder that is closed to the user", async () => {
  await using stack = new AsyncDisposableStack();
  const closed = await closedFolder(stack);
  const root = path.join(closed, "a", "b");
  assert.throws(() => prepareRoot(root, accountOfNobody(), () => {}), /nobody cannot enter/);
  assert.deepEqual(await fs.readdir(closed), []);
});

test("state goes where nobody but root can swap it, and nothing existing is given away", async () => {
  await using stack = new AsyncDisposableStack();
  const account = accountOfNobody();
  const home = await temporaryHome(stack);
  const place = placeOf({ env: { OPENCLAW_WORKER_HOME: home }, uid: 0, home: "/root", cwd: "/" });
  prepareState(place, "server", account);
  assert.equal((await fs.stat(place.server)).uid, account.uid);

  await fs.mkdir(place.worker, { mode: 0o700 });
  assert.throws(() => prepareState(place, "worker", account), /is not nobody's/);
  assert.equal((await fs.stat(place.worker)).uid, 0);

  await fs.chown(home, account.uid, account.gid);
  assert.throws(() => prepareState(place, "server", account), /is not root's alone/);
});

function accountOfNobody(): Account {
  assert.ok(nobody !== null);
  return nobody;
}

function environment(home: string, more: Record<string, string> = {}): Record<string, string> {
  const usual = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", WORKER_PORT: "0" };
  return { ...usual, OPENCLAW_WORKER_HOME: home, ...more };
}

async function closedFolder(stack: AsyncDisposableStack): Promise<string> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "openclaw-closed-"));
  stack.defer(() => fs.rm(folder, { recursive: true, force: true }));
  return folder;
}

async function temporaryHome(stack: AsyncDisposableStack): Promise<string> {
  const folder = await closedFolder(stack);
  await fs.chmod(folder, 0o755);
  return folder;
}

function removeUserAtEnd(stack: AsyncDisposableStack, name: string): void {
  if (findAccount(name) !== null) return;
  stack.defer(() => void spawnSync("/usr/sbin/userdel", [name]));
}

function stopAtEnd(stack: AsyncDisposableStack, child: ChildProcess): void {
  stack.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
}

async function lineOf(child: ChildProcess, pattern: RegExp): Promise<string> {
  assert.ok(child.stdout !== null);
  for await (const line of createInterface({ input: child.stdout })) {
    const match = pattern.exec(line);
    if (match !== null) return match[1] ?? "";
  }
  return assert.fail("it ended before");
}

/** A zombie has ended. */
async function isRunning(pid: number): Promise<boolean> {
  const stat = await fs.readFile(`/proc/${pid}/stat`, "utf8").catch(() => "0 (gone) Z");
  return !/\) [ZX]/.test(stat);
}
