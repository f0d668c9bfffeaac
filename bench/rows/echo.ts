// A task every now and then, as a person or a bot sends them: the cage is warm.

import { openHouse } from "../house.ts";
import { alternate, spreadOf } from "../measure.ts";
import { atMost, type Bench, type Finding, type Row } from "../row.ts";

export const echo: Row = {
  name: "echo",
  title: "`echo`, submit to result, caged, 100 ms apart",
  run,
};

async function run(bench: Bench): Promise<Finding> {
  await using house = await openHouse(bench, { slots: 4 });
  const load = await bench.crew.aide("load");
  const spawner = await bench.crew.aide("spawner");
  const task = { ...house.address, command: "echo hi" };
  const argv = ["sh", "-c", "echo hi"];
  const [bot = [], client = [], bare = []] = await alternate(
    [
      () => load.number("one", { ...task, via: "bot" }),
      () => load.number("one", { ...task, via: "client" }),
      () => spawner.number("one", { argv, env: [], bytesMin: 3 }),
    ],
    { rounds: bench.size(250, 30), warmup: 20, pauseMs: 100 },
  );
  await load.stop();
  await spawner.stop();
  const [ours, packaged, spawned] = [spreadOf(bot), spreadOf(client), spreadOf(bare)];
  const who = "bare spawn of sh -c";
  const p50 = { who, value: spawned.p50 };
  const p99 = { who, value: spawned.p99 };
  return {
    lines: [
      {
        what: "p50, node:http",
        unit: "ms",
        ours: ours.p50,
        beside: p50,
        goal: atMost(ours.p50, spawned.p50 + 5, "spawn + 5 ms"),
      },
      {
        what: "p99, node:http",
        unit: "ms",
        ours: ours.p99,
        beside: p99,
        goal: atMost(ours.p99, spawned.p99 + 20, "spawn + 20 ms"),
      },
      { what: "p50, our client", unit: "ms", ours: packaged.p50, beside: p50, goal: null },
      { what: "p99, our client", unit: "ms", ours: packaged.p99, beside: p99, goal: null },
    ],
    notes: [`${ours.samples} samples each, taking turns, each 100 ms after the one before ended.`],
  };
}
