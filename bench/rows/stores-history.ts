// What a million finished tasks cost the next one, on both stores; and what it takes to move them.

import fs from "node:fs";
import path from "node:path";
import { openHouse, type House } from "../house.ts";
import { alternate, spreadOf } from "../measure.ts";
import { rssMb } from "../proc.ts";
import { startRedis } from "../redis.ts";
import type { Bench, Finding, Line, Row } from "../row.ts";

export const storesHistory: Row = {
  name: "stores-history",
  title: "Claims and lists with finished tasks in SQLite and in Redis (--count)",
  run,
};

const asks: readonly (readonly [string, string])[] = [
  ["list of 50", "/tasks?limit=50"],
  ["list of 50 completed", "/tasks?limit=50&status=completed"],
  ["list of 50 of a worker and a kind", "/tasks?limit=50&worker=filler&kind=command"],
  ["stats", "/tasks/stats"],
];

async function run(bench: Bench): Promise<Finding> {
  const { crew } = bench;
  const count = bench.count ?? bench.size(1_000_000, 20_000);
  const home = path.join(bench.folder, "stores-history");
  const folder = path.join(home, "server");
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, "tasks.db");
  const filler = await crew.aide("filler");
  await filler.ask("fill", { file, count });
  await filler.stop();
  const bytes = fs.statSync(file).size;

  await using redis = await startRedis(bench);
  const from = performance.now();
  const migrate = crew.start({
    argv: [
      bench.node,
      path.join(bench.checkout, "bin", "openclaw-worker.cjs"),
      ...["store", "migrate", "--from", "sqlite", "--to", redis.url],
    ],
    env: { ...bench.env, OPENCLAW_WORKER_HOME: home },
  });
  await migrate.line(/^Copied/);
  const moveSeconds = (performance.now() - from) / 1_000;
  const memory = rssMb(redis.running.pid);

  await using embedded = await openHouse(bench, { slots: null, home });
  await using shared = await openHouse(bench, {
    slots: null,
    serverEnv: { WORKER_STORE: redis.url },
  });
  const lines = await compare(bench, shared, embedded);
  fs.rmSync(home, { recursive: true, force: true });
  return {
    lines: [
      ...lines,
      {
        what: "moved, copied and compared",
        unit: "s",
        ours: moveSeconds,
        beside: null,
        goal: null,
      },
      {
        what: "memory of Redis, file of SQLite",
        unit: "MB",
        ours: memory,
        beside: { who: "SQLite", value: bytes / 1e6 },
        goal: null,
      },
    ],
    notes: [
      `${count} finished tasks with results, moved from SQLite to Redis by \`store migrate\`; Redis' log ${Math.round(redis.logBytes() / 1e6)} MB.`,
    ],
  };
}

async function compare(bench: Bench, shared: House, embedded: House): Promise<readonly Line[]> {
  const load = await bench.crew.aide("load");
  const instance = "bench-claimer";
  for (const house of [shared, embedded])
    await load.ask("introduce", { ...house.address, instance });
  const lines: Line[] = [];
  const [ours = [], theirs = []] = await alternate(
    [shared, embedded].map((house) => () => load.number("claim", { ...house.address, instance })),
    { rounds: bench.size(1_500, 300), warmup: 100, pauseMs: 0 },
  );
  for (const [what, which] of [
    ["claim p50", "p50"],
    ["claim p99", "p99"],
  ] as const)
    lines.push(line(what, spreadOf(ours)[which], spreadOf(theirs)[which]));
  for (const [what, path] of asks) {
    const [mine = [], other = []] = await alternate(
      [shared, embedded].map((house) => () => load.number("get", { ...house.address, path })),
      { rounds: bench.size(200, 50), warmup: 20, pauseMs: 0 },
    );
    lines.push(line(`${what} p50`, spreadOf(mine).p50, spreadOf(other).p50));
  }
  await load.stop();
  return lines;
}

function line(what: string, ours: number, value: number): Line {
  return { what, unit: "ms", ours, beside: { who: "SQLite", value }, goal: null };
}
