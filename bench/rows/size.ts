// What it costs to have it: memory while nothing happens, and the disk.

import fs from "node:fs";
import path from "node:path";
import { openHouse } from "../house.ts";
import { installedSize } from "../installed.ts";
import { pause } from "../measure.ts";
import { descendantsOf, rssMb } from "../proc.ts";
import { atMost, type Bench, type Finding, type Line, type Row } from "../row.ts";

export const size: Row = {
  name: "size",
  title: "Memory while idle, installed size",
  run,
};

interface Memory {
  readonly worker: number;
  readonly server: number;
  readonly cages: number;
}

async function run(bench: Bench): Promise<Finding> {
  const bare = bench.crew.start({
    argv: [bench.node, "-e", "setInterval(() => {}, 60000); console.log('up')"],
    env: bench.env,
  });
  await bare.line(/^up$/);
  await pause(1_000);
  const bareMb = rssMb(bare.pid);
  await bare.stop();

  const checkout = await idleMemory(bench, null);
  const built = path.join(bench.checkout, "packages", "cli", "dist", "main.js");
  const installed = fs.existsSync(built) ? await idleMemory(bench, built) : null;
  const beside = { who: "an idle Node", value: bareMb };
  const goal = (mb: number) => atMost(mb, 110, "≤ 110 MB");
  const line = (what: string, ours: number, aim: Line["goal"] = null): Line => ({
    what,
    unit: "MB",
    ours,
    beside,
    goal: aim,
  });
  const worker = installedSize(bench.checkout, ["packages/worker"]);
  const all = installedSize(bench.checkout, ["packages/cli"]);
  const largest = all.largest.map(([name, mb]) => `${name} ${mb.toFixed(1)}`).join(", ");
  return {
    lines: [
      ...(installed === null
        ? []
        : [
            line("worker RSS, as installed", installed.worker, goal(installed.worker)),
            line("server RSS, as installed", installed.server),
          ]),
      line(
        "worker RSS, checkout",
        checkout.worker,
        installed === null ? goal(checkout.worker) : null,
      ),
      line("server RSS, checkout", checkout.server),
      { what: "3 waiting cages, RSS", unit: "MB", ours: checkout.cages, beside: null, goal: null },
      {
        what: "installed: the command with all in it",
        unit: "MB",
        ours: all.mb,
        beside: null,
        goal: atMost(all.mb, 60, "≤ 60 MB"),
      },
      {
        what: "installed: the worker alone",
        unit: "MB",
        ours: worker.mb,
        beside: null,
        goal: null,
      },
    ],
    notes: [
      "RSS counts what programs share (some 45 MB of Node's own file) in every process. A checkout",
      "runs its sources, and Node's type stripping stays in memory; an install runs built files.",
      `Installed: ${all.packages} packages, walked in the lock from packages/cli without dev and`,
      `optional ones, in disk blocks; the largest: ${largest} MB.`,
      ...(installed === null ? ["As installed: not measured, because nothing is built."] : []),
    ],
  };
}

/** Of the sources, or of the built command. */
async function idleMemory(bench: Bench, built: string | null): Promise<Memory> {
  const command = built === null ? {} : { command: [built] };
  await using house = await openHouse(bench, { slots: 3, ...command });
  await pause(bench.size(10_000, 3_000));
  const worker = house.worker?.pid ?? 0;
  const cages = descendantsOf(worker).reduce((sum, pid) => sum + rssMb(pid), 0);
  return { worker: rssMb(worker), server: rssMb(house.server.pid), cages };
}
