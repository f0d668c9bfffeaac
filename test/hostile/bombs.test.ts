// Commands that would take the computer down. Each ends by itself or is ended, with its own reason in
// the report; nothing of it survives; the worker stays as large as it was, and does the next task.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { totalmem } from "node:os";
import { after, before, test } from "node:test";
import { outlive } from "../survivors.ts";
import { openDen, type Den } from "./den.ts";
import type { Told } from "./plane.ts";

const fileBytes = 67_108_864;
const killBytes = 33_554_432;

let den: Den;
let idle = 0;
before(async () => {
  den = await openDen({
    policy: (_initial, { root }) =>
      JSON.stringify({
        roots: [root],
        default: "cage",
        limits: { fileBytes, outputKillBytes: killBytes, processes: 128 },
      }),
  });
  await den.run("echo warm");
  idle = den.memory();
});
after(() => den[Symbol.asyncDispose]());

interface Bomb {
  /** `mark` is in the arguments or the environment of all that it starts. */
  readonly command: (mark: string) => string;
  readonly timeoutMs?: number;
  readonly ends: (told: Told) => void;
}

const timedOut = (told: Told): void => {
  assert.equal(told["outcome"], "timeout");
  assert.match(String(told["error"]), /^Timeout after \d+ ms/);
};
const ended = (told: Told): void =>
  assert.ok(
    ["done", "timeout"].includes(String(told["outcome"])),
    JSON.stringify(told).slice(0, 500),
  );

const bombs: Readonly<Record<string, Bomb>> = {
  "a fork bomb": { command: () => ":(){ :|:& };:; wait", timeoutMs: 3_000, ends: ended },
  "a fork bomb that ignores signals": {
    command: () => `trap '' TERM INT HUP; f() { f & f & wait; }; f`,
    timeoutMs: 3_000,
    ends: ended,
  },
  "daemons that leave their parents and hold the output": {
    command: (mark) =>
      `for i in 1 2 3; do (setsid bash -c 'trap "" TERM HUP; exec -a ${mark} sleep 1000' & ) ; done; sleep 0.2; echo left`,
    ends: (told) => assert.deepEqual([told["outcome"], told["stdout"]], ["done", "left\n"]),
  },
  "a sleep of a day that ignores SIGTERM": {
    command: (mark) =>
      `trap '' TERM INT HUP QUIT; (exec -a ${mark} sleep 1d) & exec -a ${mark} sleep 1d`,
    timeoutMs: 1_500,
    ends: timedOut,
  },
  "a program that stops itself": {
    command: () => "kill -STOP $$; echo on",
    timeoutMs: 1_500,
    ends: timedOut,
  },
  "a program that reads input for ever": {
    command: () => "exec sleep 1000 </dev/zero",
    timeoutMs: 1_500,
    ends: timedOut,
  },
  "burning cores": {
    command: (mark) => `for i in 1 2 3 4; do (exec -a ${mark} perl -e '1 while 1') & done; wait`,
    timeoutMs: 2_000,
    ends: timedOut,
  },
  "a flood of output": {
    command: () => "yes",
    ends: (told) => {
      assert.equal(told["outcome"], "failed");
      assert.match(String(told["error"]), /printed more than \d+ bytes and was ended/);
      assert.ok(String(told["stdout"]).startsWith("y\ny\n"));
      assert.ok(told["truncated"] !== undefined);
    },
  },
  "a flood on both streams by many": {
    command: () => "for i in $(seq 16); do (yes; true) & (yes >&2; true) & done; wait",
    ends: (told) => {
      assert.equal(told["outcome"], "failed");
      assert.match(String(told["error"]), /printed more than/);
    },
  },
  "one line without an end": {
    command: () => "cat /dev/zero",
    ends: (told) => {
      assert.equal(told["outcome"], "failed");
      assert.match(String(told["error"]), /printed more than/);
    },
  },
  "a file of 5 GB in a root": {
    command: () => "head -c 5000000000 /dev/zero >big; echo $?; wc -c <big; rm big",
    ends: (told) => {
      assert.equal(told["outcome"], "done");
      assert.doesNotMatch(String(told["stdout"]), /^0\n/);
      assert.ok(Number(String(told["stdout"]).split("\n")[1]) <= fileBytes, String(told["stdout"]));
    },
  },
  "a sparse file of 5 GB in a root": {
    command: () => "truncate -s 5G sparse; echo $?; rm -f sparse",
    ends: (told) => assert.doesNotMatch(String(told["stdout"]), /^0\n/),
  },
  "5 GB in /tmp, /dev/shm and the home": {
    command: () =>
      "for d in /tmp /dev/shm ~; do for i in $(seq 80); do head -c 64000000 /dev/zero >$d/big$i || break; done; done 2>/dev/null; cat /tmp/big* /dev/shm/big* ~/big* 2>/dev/null | wc -c",
    timeoutMs: 30_000,
    ends: (told) => {
      ended(told);
      if (told["outcome"] === "done")
        assert.ok(Number(told["stdout"]) < 4e9, String(told["stdout"]));
    },
  },
  "a million empty files in /tmp": {
    command: () => "cd /tmp; perl -e 'for (1..1000000) { open my $f, \">\", $_ or die $! }'",
    timeoutMs: 2_500,
    ends: ended,
  },
  "more memory than the computer has": {
    // It is asked for and never touched: the test shall not make the machine swap.
    command: () =>
      `node -e 'const all = []; for (let i = 0; i < ${Math.ceil(totalmem() / 2 ** 30)}; i++) all.push(Buffer.allocUnsafeSlow(2 ** 30)); console.log("got it all")'`,
    ends: (told) => {
      assert.equal(told["outcome"], "done");
      assert.notEqual(told["stdout"], "got it all\n");
      assert.ok(Number(told["exitCode"]) > 0);
    },
  },
};

const grownMax = 64;

for (const [name, { command, timeoutMs = 20_000, ends }] of Object.entries(bombs)) {
  test(`${name} ends with its reason, leaves nothing, and the next task works`, async () => {
    const mark = `bomb-${randomBytes(8).toString("hex")}`;
    den.peak();
    const memory = den.memory();
    const told = await den.plane.run(
      { kind: "command", command: command(mark), env: { BOMB: mark } },
      { timeoutMs },
    );
    ends(told);
    assert.deepEqual(await outlive(mark, 3_000), []);
    const grown = den.peak() - memory;
    assert.ok(grown < grownMax, `the worker grew by ${grown} MiB`);
    await den.worksOn();
  });
}

test("after all of that the root is empty, and the worker about as large as before", () => {
  assert.deepEqual(readdirSync(den.root), []);
  assert.ok(den.memory() - idle < grownMax, `it is ${den.memory()} MiB, and was ${idle}`);
});
