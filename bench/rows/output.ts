// A task that prints a gigabyte: what is kept is bounded, and so is the memory.

import { openHouse } from "../house.ts";
import { medianOf } from "../measure.ts";
import { rssMb } from "../proc.ts";
import { atMost, type Bench, type Finding, type Row } from "../row.ts";

export const output: Row = {
  name: "output",
  title: "1 GB printed by a task",
  run,
};

const sampleMs = 20;

async function run(bench: Bench): Promise<Finding> {
  const bytes = bench.size(1_000_000_000, 100_000_000);
  const command = `head -c ${bytes} /dev/zero | tr '\\0' x`;
  await using house = await openHouse(bench, { slots: 3 });
  const load = await bench.crew.aide("load");
  const spawner = await bench.crew.aide("spawner");
  await load.number("one", { ...house.address, command: "echo hi", via: "bot" });
  const pids = { worker: house.worker?.pid ?? 0, server: house.server.pid };
  const before = { worker: rssMb(pids.worker), server: rssMb(pids.server) };
  const peak = { ...before };
  const sampling = setInterval(() => {
    peak.worker = Math.max(peak.worker, rssMb(pids.worker));
    peak.server = Math.max(peak.server, rssMb(pids.server));
  }, sampleMs);
  const ours: number[] = [];
  const bare: number[] = [];
  try {
    for (let round = 0; round < bench.size(3, 1); round += 1) {
      ours.push(await load.number("one", { ...house.address, command, via: "bot" }));
      const argv = ["sh", "-c", command];
      bare.push(await spawner.number("one", { argv, env: [], bytesMin: bytes }));
    }
  } finally {
    clearInterval(sampling);
  }
  await load.stop();
  await spawner.stop();
  const rate = (ms: readonly number[]): number => bytes / 1e3 / medianOf(ms);
  const grown = { worker: peak.worker - before.worker, server: peak.server - before.server };
  return {
    lines: [
      {
        what: "worker RSS growth",
        unit: "MB",
        ours: grown.worker,
        beside: null,
        goal: atMost(grown.worker, 64, "≤ 64 MB"),
      },
      {
        what: "server RSS growth",
        unit: "MB",
        ours: grown.server,
        beside: null,
        goal: atMost(grown.server, 64, "≤ 64 MB"),
      },
      {
        what: "rate",
        unit: "MB/s",
        ours: rate(ours),
        goal: null,
        beside: {
          who: "bare spawn, output read and dropped",
          value: rate(bare),
        },
      },
    ],
    notes: [
      `${bytes / 1e6} MB, ${ours.length} times; peaks sampled every ${sampleMs} ms, from before the`,
      "first to after the last. Head and tail, 4 MiB together, are kept and travel to the reader.",
    ],
  };
}
