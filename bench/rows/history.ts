// What a million finished tasks cost the next one.

import fs from "node:fs";
import path from "node:path";
import { openHouse, type House } from "../house.ts";
import { alternate, spreadOf } from "../measure.ts";
import { atMost, type Bench, type Finding, type Line, type Row } from "../row.ts";

export const history: Row = {
  name: "history",
  title: "Claims with 1,000,000 finished tasks in the store",
  run,
};

async function run(bench: Bench): Promise<Finding> {
  const count = bench.size(1_000_000, 50_000);
  const home = path.join(bench.folder, "history");
  const folder = path.join(home, "server");
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, "tasks.db");
  const filler = await bench.crew.aide("filler");
  const from = performance.now();
  await filler.ask("fill", { file, count });
  await filler.stop();
  const fillSeconds = (performance.now() - from) / 1000;
  const bytes = fs.statSync(file).size;

  await using full = await openHouse(bench, { slots: null, home });
  await using empty = await openHouse(bench, { slots: null });
  const lines = await compare(bench, full, empty);
  fs.rmSync(home, { recursive: true, force: true });
  return {
    lines,
    notes: [
      `${count} tasks with their events and results, ${Math.round(bytes / 1e6)} MB, filled in`,
      `${Math.round(fillSeconds)} s (${Math.round(count / fillSeconds)} whole lives a second in big`,
      "transactions). A claim is a poll that finds one task, over HTTP.",
    ],
  };
}

async function compare(bench: Bench, full: House, empty: House): Promise<readonly Line[]> {
  const load = await bench.crew.aide("load");
  const instance = "bench-claimer";
  for (const house of [full, empty]) await load.ask("introduce", { ...house.address, instance });
  const claiming = (house: House) => () => load.number("claim", { ...house.address, instance });
  const getting = (house: House, path: string) => () =>
    load.number("get", { ...house.address, path });
  const turns = { rounds: bench.size(1_500, 300), warmup: 100, pauseMs: 0 };
  const [fullClaims = [], emptyClaims = []] = await alternate(
    [claiming(full), claiming(empty)],
    turns,
  );
  const lists = { rounds: bench.size(200, 50), warmup: 20, pauseMs: 0 };
  const asked = "/tasks?limit=50&status=completed";
  const [fullLists = [], emptyLists = []] = await alternate(
    [getting(full, asked), getting(empty, asked)],
    lists,
  );
  const [fullStats = [], emptyStats = []] = await alternate(
    [getting(full, "/tasks/stats"), getting(empty, "/tasks/stats")],
    lists,
  );
  await load.stop();
  const line = (what: string, ours: number, value: number): Line => ({
    what,
    unit: "ms",
    ours,
    goal: null,
    beside: {
      who: "an empty store",
      value,
    },
  });
  const [claims, plain] = [spreadOf(fullClaims), spreadOf(emptyClaims)];
  return [
    line("claim p50", claims.p50, plain.p50),
    {
      ...line("claim p99", claims.p99, plain.p99),
      goal: atMost(claims.p99, 2 * plain.p99, "≤ 2 ×"),
    },
    line("list of 50 p50", spreadOf(fullLists).p50, spreadOf(emptyLists).p50),
    line("stats p50", spreadOf(fullStats).p50, spreadOf(emptyStats).p50),
  ];
}
