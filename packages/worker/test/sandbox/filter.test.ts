import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "@openclaw-worker/base";
import { checkBubblewrap } from "../../src/sandbox/bubblewrap.ts";
import { systemCallFilter } from "../../src/sandbox/filter.ts";
import { openStreamFolder } from "../../src/sandbox/folders.ts";
import { CageUnavailable } from "../../src/sandbox/unavailable.ts";
import { temporaryFolder } from "../fixtures/stage.ts";

const [allow, enosys, kill] = [0x7fff_0000, 0x0005_0026, 0x8000_0000];

/** What the kernel would answer: runs the program as classic BPF is defined. */
function answerTo(arch: number, call: number): number {
  const program = systemCallFilter();
  let loaded = -1;
  for (let at = 0; at < program.length; at += 8) {
    const [yes, no] = [program.readUInt8(at + 2), program.readUInt8(at + 3)];
    const value = program.readUInt32LE(at + 4);
    const skip = (holds: boolean): void => void (at += 8 * (holds ? yes : no));
    switch (program.readUInt16LE(at)) {
      case 0x20:
        loaded = value === 0 ? call : arch;
        break;
      case 0x15:
        skip(loaded === value);
        break;
      case 0x35:
        skip(loaded >= value);
        break;
      case 0x06:
        return value;
      default:
        assert.fail("an instruction that is not known");
    }
  }
  return assert.fail("the program runs over its end");
}

const refused: Readonly<Record<string, readonly [number, readonly number[]]>> = {
  "x86-64": [0xc000_003e, [103, 248, 249, 250, 298, 321, 323, 425, 426, 427]],
  arm64: [0xc000_00b7, [116, 217, 218, 219, 241, 280, 282, 425, 426, 427]],
  i386: [0x4000_0003, [103, 286, 287, 288, 336, 357, 374, 425, 426, 427]],
  arm: [0x4000_0028, [103, 309, 310, 311, 364, 386, 388, 425, 426, 427]],
};

for (const [name, [arch, calls]] of Object.entries(refused)) {
  test(`on ${name} keys, the kernel's log and what opens the kernel do not exist, and all else does`, () => {
    const not = Array.from({ length: 600 }, (_, call) => call).filter(
      (call) => answerTo(arch, call) !== allow,
    );
    assert.deepEqual(not, calls);
    for (const call of calls) assert.equal(answerTo(arch, call), enosys);
  });
}

test("the second table of x86-64 is closed whole, and a machine that is not known ends the program", () => {
  for (const call of [0x4000_0000, 0x4000_0000 + 250, 0xffff_ffff]) {
    assert.equal(answerTo(0xc000_003e, call), enosys);
  }
  assert.equal(answerTo(0x8000_0016, 1), kill);
});

test("each cage reads the filter from its beginning, and without the file none is started", () => {
  using folder = temporaryFolder();
  const streams = openStreamFolder(folder.path, systemClock());
  using first = streams.openFilter();
  using second = streams.openFilter();
  assert.notEqual(first.fd, second.fd);
  streams[Symbol.dispose]();
  assert.throws(() => streams.openFilter(), /ENOENT/);
});

test("a bubblewrap that is too old is named with its version, and what it lacks", async () => {
  using folder = temporaryFolder();
  const old = join(folder.path, "bwrap");
  const help = "--help) echo '    --perms OCTAL    Set permissions' >&2 ;;";
  writeFileSync(old, `#!/bin/sh\ncase $1 in ${help} --version) echo bubblewrap 0.5.0 ;; esac\n`);
  chmodSync(old, 0o755);
  const { message, remedy } = await checkBubblewrap(old, systemClock()).then(
    () => assert.fail("it was taken"),
    (error: unknown) =>
      error instanceof CageUnavailable ? error : assert.fail("a failure of another kind"),
  );
  assert.match(message, /^bubblewrap 0\.5\.0 .*lacks --add-seccomp-fd, --size$/);
  assert.match(remedy, /Upgrade/);
  await checkBubblewrap("/usr/bin/bwrap", systemClock());
});
