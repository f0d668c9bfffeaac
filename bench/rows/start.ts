// What a person at a terminal waits for.

import path from "node:path";
import { openHouse } from "../house.ts";
import { alternate, spreadOf } from "../measure.ts";
import type { Bench, Finding, Line, Row } from "../row.ts";

export const start: Row = {
  name: "start",
  title: "The command itself, from its start to its end",
  run,
};

async function run(bench: Bench): Promise<Finding> {
  await using house = await openHouse(bench, { slots: 3 });
  const spawner = await bench.crew.aide("spawner");
  const command = path.join(bench.checkout, "bin", "openclaw-worker.cjs");
  const given = { ...bench.env, OPENCLAW_WORKER_HOME: house.home };
  const env = Object.entries(given).map(([name, value]) => `${name}=${value}`);
  const timing = (args: readonly string[]) => () =>
    spawner.number("one", { argv: [bench.node, ...args], env, bytesMin: 0 });
  const [helped = [], ran = [], bare = []] = await alternate(
    [timing([command, "--help"]), timing([command, "run", "true"]), timing(["-e", "0"])],
    { rounds: bench.size(30, 8), warmup: 3, pauseMs: 100 },
  );
  await spawner.stop();
  const beside = { who: "node -e 0", value: spreadOf(bare).p50 };
  const line = (what: string, ours: number): Line => ({
    what,
    unit: "ms",
    ours,
    beside,
    goal: null,
  });
  return {
    lines: [line("--help, p50", spreadOf(helped).p50), line("run true, p50", spreadOf(ran).p50)],
    notes: ["From a checkout, with the compiled code kept that `up` makes possible."],
  };
}
