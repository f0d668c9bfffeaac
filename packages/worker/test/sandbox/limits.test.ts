// What one cage may use of the machine.

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { totalmem } from "node:os";
import { dirname, join } from "node:path";
import { before, test } from "node:test";
import { limitsFor, scratchFor } from "../../src/sandbox/limits.ts";
import { openStage, refuseRoot } from "../fixtures/stage.ts";

before(refuseRoot);

test("the folders that a cage has in memory are bounded, wherever a task writes", async () => {
  await using stage = await openStage();
  const { largeBytes, sharedBytes } = scratchFor(totalmem());
  const report = await stage.command(
    "for f in ~ /tmp /dev/shm /dev /opt /mnt /media; do stat -f -c '%S %b' $f; done; touch /dev/x",
  );
  const sizes = report.stdout
    .trim()
    .split("\n")
    .map((line) => line.split(" ").map(Number))
    .map(([block = 0, count = 0]) => block * count);
  const [home = 0, temporary = 0, shared = 0] = sizes;
  const page = 65_536;
  for (const size of [home, temporary]) assert.ok(Math.abs(size - largeBytes) <= page, `${size}`);
  assert.ok(Math.abs(shared - sharedBytes) <= page);
  for (const size of sizes.slice(4)) assert.ok(size > 0 && size <= 4_194_304, `${size}`);
  assert.match(report.stderr, /touch:.*Read-only file system/);
});

test("a task that fills its temporary folder is told that it is full, and the next one has room", async () => {
  await using stage = await openStage({ warm: 1 });
  const { sharedBytes } = scratchFor(totalmem());
  const report = await stage.command(`head -c ${sharedBytes + 1_000_000} /dev/zero > /dev/shm/x`);
  assert.match(report.stderr, /No space left on device/);
  assert.equal((await stage.command("du -s /dev/shm | cut -f1")).stdout, "0\n");
});

test("no file grows beyond the policy's size, and nothing in the cage can raise a limit", async () => {
  await using stage = await openStage({ more: () => ({ fileBytes: 1_000_000 }) });
  const report = await stage.command(
    "ulimit -f 4000 || ulimit -c 1 || ulimit -Hn 1000000 || echo kept; head -c 3000000 /dev/zero > f; bash -c 'head -c 3000000 /dev/zero > g'; exit 0",
  );
  assert.match(report.stdout, /^kept/);
  for (const name of ["f", "g"]) {
    const { size } = statSync(join(stage.root, name));
    assert.ok(size > 900_000 && size <= 1_000_448, `${size}`);
  }
});

test("the policy's number of processes is the cage's", async () => {
  await using stage = await openStage({ more: () => ({ processes: 20 }) });
  const report = await stage.command(
    "for i in $(seq 60); do sleep 1 & done 2>/dev/null; ls -d /proc/[0-9]* | wc -l",
    { timeoutMs: 20_000 },
  );
  assert.ok(report.outcome === "done");
  const most = Number(report.stdout.trim().split("\n").at(-1));
  assert.ok(!(most > 24), report.stdout);
  assert.equal((await stage.command("echo fine")).stdout, "fine\n");
});

test("a program that asks for more memory than there is gets an error, and node works as ever", async () => {
  const bin = dirname(process.execPath);
  await using stage = await openStage({ warm: 1, readable: [bin] });
  const asked = Math.floor(totalmem() * 0.8);
  const greedy = await stage.command(
    `python3 -c 'bytearray(${asked})' 2>&1 || perl -e '$x = "x" x ${asked}' 2>&1; cat /proc/self/oom_score_adj`,
  );
  assert.match(greedy.stdout, /MemoryError|Out of memory/);
  assert.match(greedy.stdout, /1000\n$/);
  const script =
    "const m = new WebAssembly.Memory({ initial: 10, maximum: 65536 }); new Array(5e6).fill({}); console.log(process.version, m.buffer.byteLength)";
  const node = await stage.command(`'${process.execPath}' -e '${script}'`);
  assert.equal(node.stdout, `${process.version} 655360\n`, node.stderr);
});

test("the limits of a machine are counted from what it has", () => {
  const machine = { kernel: "6.1.0", memoryBytes: 8 * 2 ** 30 };
  assert.deepEqual(limitsFor({}, machine), {
    processes: 1_024,
    fileKib: null,
    openFiles: 65_536,
    dataKib: 6 * 2 ** 20,
  });
  assert.equal(limitsFor({ fileBytes: 1_025 }, machine).fileKib, 2);
  assert.equal(limitsFor({ processes: 50 }, machine).processes, 50);
  assert.equal(limitsFor({ processes: 50 }, { ...machine, kernel: "5.10.0" }).processes, null);
  assert.deepEqual(scratchFor(2 ** 30), { largeBytes: 2 ** 27, sharedBytes: 2 ** 26 });
  assert.deepEqual(scratchFor(2 ** 40), { largeBytes: 2 ** 30, sharedBytes: 2 ** 28 });
});
