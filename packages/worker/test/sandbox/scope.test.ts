// A scope of the user's manager around a cage. There is no such manager in these tests: what it would
// be asked for is tested, and what becomes of a worker whose manager is of no use.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { before, test } from "node:test";
import { inScope, managerSocket, scopeLimits } from "../../src/sandbox/scope.ts";
import { refuseRoot, temporaryFolder } from "../fixtures/stage.ts";

before(refuseRoot);

test("a scope bounds the memory and the processes of the whole cage, and keeps what it runs", () => {
  const tools = { systemdRun: "/usr/bin/systemd-run", env: "/usr/bin/env", userId: 1_000 };
  const limits = scopeLimits(8 * 2 ** 30, 256);
  assert.deepEqual(inScope(["/usr/bin/bwrap", "--unshare-net", "--", "/bin/bash"], tools, limits), [
    ...["/usr/bin/env", "XDG_RUNTIME_DIR=/run/user/1000"],
    ...["/usr/bin/systemd-run", "--user", "--scope", "--quiet", "--collect"],
    "--slice=openclaw-worker.slice",
    ...["--property", "MemoryMax=6442450944", "--property", "MemorySwapMax=0"],
    ...["--property", "TasksMax=272", "--property", "CPUWeight=50", "--property", "IOWeight=50"],
    ...["--", "/usr/bin/env", "-u", "XDG_RUNTIME_DIR"],
    ...["/usr/bin/bwrap", "--unshare-net", "--", "/bin/bash"],
  ]);
});

const program = join(import.meta.dirname, "../fixtures/worker-like.ts");

/** What a worker says on a machine with a manager's socket, and this text as systemd-run. */
async function startWith(systemdRun: string, folder: string): Promise<unknown> {
  mkdirSync(join(folder, "root"), { recursive: true });
  const fake = join(folder, "systemd-run");
  writeFileSync(fake, systemdRun);
  chmodSync(fake, 0o755);
  const socket = join(folder, "socket");
  const manager = createServer().listen(socket);
  await once(manager, "listening");
  const place = managerSocket(process.getuid?.() ?? -1);
  const disk = ["--dev-bind", "/", "/", "--tmpfs", "/run/user", "--bind", socket, place];
  const machine = ["bwrap", ...disk, "--ro-bind", fake, "/usr/bin/systemd-run", "--"];
  const [command, ...argv] = [...machine, process.execPath, "--conditions=source", program];
  const run = spawnSync(command, [...argv, folder], { encoding: "utf8" });
  await new Promise((resolve) => manager.close(resolve));
  return JSON.parse(run.stdout === "" ? JSON.stringify(run.stderr) : run.stdout);
}

test("where the user has a manager, every cage is started through it", async () => {
  using folder = temporaryFolder();
  const noted = join(folder.path, "noted");
  const said = await startWith(
    `#!/bin/bash\necho "$XDG_RUNTIME_DIR $*" >> '${noted}'\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"\n`,
    folder.path,
  );
  assert.deepEqual(said, { open: true });
  assert.match(readFileSync(noted, "utf8"), /^\/run\/user\/\d+ --user --scope .*MemoryMax=\d+/);
});

test("a manager that makes no scope costs its limits, not the cage", async () => {
  using folder = temporaryFolder();
  const said = await startWith("#!/bin/sh\necho no bus >&2; exit 1\n", folder.path);
  assert.deepEqual(said, { open: true });
  assert.equal(existsSync(join(folder.path, "noted")), false);
});
