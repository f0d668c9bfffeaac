// While thousands of file tasks go through the worker, two programs swap what they name, as fast as
// they can: one on the computer, one in a cage. Folders become links to a folder outside, files become
// links and hard links to a secret. Nothing of it may come back, and nothing may be changed there.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { Spec } from "@openclaw-worker/protocol";
import { startProgram } from "../program.ts";
import { openDen, type Den } from "./den.ts";
import type { Told } from "./plane.ts";

const raceMs = 10_000;
const atOnce = 48;

/**
 * Swaps `d` (a folder, a link to one), `f` (a file, a link, a hard link) and `p/q/r` (a folder in the
 * middle of a path) in the folder that it is given, until it is told or killed to end.
 */
const swapper = String.raw`
use strict; use Time::HiRes qw(time);
my ($here, $outside, $seconds) = @ARGV;
chdir $here or die "no $here";
my %number = (x86_64 => 316, aarch64 => 276);
my $exchange = $number{(split " ", qx(/usr/bin/uname -m))[0]} or die "unknown machine";
symlink $outside, "d.link"; symlink $outside, "p/q.link";
# The words of a system call must be variables of their own.
my ($d, $dLink, $q, $qLink) = ("d", "d.link", "p/q", "p/q.link");
my $end = time + $seconds; my $round = 0;
while (time < $end) {
  syscall($exchange, -100, $d, -100, $dLink, 2) == 0 or die "d: $!";
  syscall($exchange, -100, $q, -100, $qLink, 2) == 0 or die "q: $!";
  my $turn = $round++ % 3;
  unlink "t";
  if ($turn == 0) { open(my $out, ">", "t"); print $out "as it was\n"; close $out; }
  elsif ($turn == 1) { symlink "$outside/secret", "t"; }
  else { link("$outside/" . ($round % 2 ? "secret" : "target"), "t") or symlink "$outside/target", "t"; }
  rename "t", "f";
  # Now and then it holds still, so that some tasks come through whole.
  select undef, undef, undef, rand 0.01 if $round % 8 == 0;
}
print "$round rounds\n";
`;

test("10 s of swapped folders, links and hard links: no escape and no leak", async (t) => {
  await using den = await openDen({ slots: 32 });
  // Also a name that is only there must not be listed.
  const name = `name-${randomBytes(12).toString("hex")}`;
  writeFileSync(path.join(den.outside, name), "as it was\n");
  mkdirSync(path.join(den.outside, "r"));
  writeFileSync(path.join(den.outside, "r/target"), "as it was\n");
  den.plane.guard(name);
  const before = den.snapshot();
  for (const base of ["host", "cage"]) furnish(path.join(den.root, base));
  const program = path.join(den.root, "swap.pl");
  writeFileSync(program, swapper);

  const seconds = String(raceMs / 1_000);
  const onHost = startProgram({
    argv: ["/usr/bin/perl", program, path.join(den.root, "host"), den.outside, seconds],
    env: { PATH: "/usr/bin:/bin" },
  });
  const inCage = den.run(`perl swap.pl ${den.root}/cage ${den.outside} ${seconds}`);
  const tally = await race(den, performance.now() + raceMs);
  assert.deepEqual(await onHost.ended, { code: 0, signal: null }, onHost.lines.join("\n"));
  const caged = await inCage;
  assert.equal(caged["outcome"], "done", String(caged["stderr"]));
  t.diagnostic(`host: ${onHost.lines.join(" ")}, cage: ${String(caged["stdout"]).trim()}`);
  t.diagnostic([...tally].map(([ending, count]) => `${ending}: ${count}`).join(", "));

  assert.deepEqual(den.snapshot(), before, "something outside of the roots changed");
  assert.deepEqual(den.plane.leaks, []);
  // What a broken-off write leaves behind stays in the root, and is swept up.
  const left = readdirSync(den.root, { recursive: true }).map(String);
  assert.deepEqual(
    left.filter(
      (file) =>
        !/(^|\/)(host|cage|swap\.pl|[dfptqrx]|[dq]\.link|secret|target|name-.*|new-\d+)$/.test(
          file,
        ),
    ),
    [],
  );
  // The race was one: each verb came through, and each was refused.
  for (const kind of ["file-read", "file-write", "file-edit", "file-list"]) {
    assert.ok((tally.get(`${kind} done 0`) ?? 0) > 3, `${kind} came through`);
    assert.ok((tally.get(`${kind} refused`) ?? 0) > 3, `${kind} was refused`);
  }
  assert.equal((await den.run("echo on"))["stdout"], "on\n");
});

function furnish(base: string): void {
  mkdirSync(path.join(base, "d"), { recursive: true });
  mkdirSync(path.join(base, "p/q/r"), { recursive: true });
  for (const name of ["d/secret", "d/target", "p/q/r/target", "f"])
    writeFileSync(path.join(base, name), "as it was\n");
}

/** Keeps `atOnce` tasks on their way until the time is over; counts how they ended. */
async function race(den: Den, endsAt: number): Promise<ReadonlyMap<string, number>> {
  const tally = new Map<string, number>();
  let round = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      const spec = taskAt((round += 1));
      const told = await den.plane.run(spec);
      const ending = endingOf(spec, told);
      tally.set(ending, (tally.get(ending) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return tally;
}

function taskAt(round: number): Spec {
  const base = round % 2 === 0 ? "host" : "cage";
  const targets = [
    "d/target",
    "f",
    "p/q/r/target",
    "d/secret",
    `d/new-${round % 50}`,
    `p/q/r/new-${round % 50}/x`,
  ];
  const at = (verb: number): string =>
    `${base}/${targets[Math.floor(round / verb) % targets.length] ?? "f"}`;
  switch (Math.floor(round / 2) % 4) {
    case 0:
      return { kind: "file-read", path: at(8) };
    case 1:
      return { kind: "file-write", path: at(8), content: "as it was\n", encoding: "utf8" };
    case 2:
      return {
        kind: "file-edit",
        path: at(8),
        oldString: "as it was",
        newString: "as it was\nas it was",
        replaceAll: false,
      };
    default:
      return {
        kind: "file-list",
        path: `${base}/${["d", "p/q", "p/q/r", "d/."][Math.floor(round / 8) % 4] ?? "d"}`,
      };
  }
}

function endingOf(spec: Spec, told: Told): string {
  const outcome = String(told["outcome"]);
  return outcome === "done"
    ? `${spec.kind} done ${String(told["exitCode"])}`
    : `${spec.kind} ${outcome}`;
}
