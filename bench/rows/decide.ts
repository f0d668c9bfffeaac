// What the policy costs each command, before anything is run.

import { fieldsOf } from "../fields.ts";
import { spreadOf } from "../measure.ts";
import type { Bench, Finding, Row } from "../row.ts";

export const decide: Row = {
  name: "decide",
  title: "The policy's decision about a command, 55 rules",
  run,
};

async function run(bench: Bench): Promise<Finding> {
  const decider = await bench.crew.aide("decider");
  const spawner = await bench.crew.aide("spawner");
  const argv = ["sh", "-c", "echo hi"];
  const [decided, spawned]: [number[], number[]] = [[], []];
  let kinds = "";
  for (let turn = 0; turn < bench.size(5, 2); turn += 1) {
    const found = fieldsOf(await decider.ask("decide", { rounds: bench.size(400, 100) }));
    decided.push(...found.numbers("samples"));
    kinds = found.text("kinds");
    for (let one = 0; one < bench.size(40, 15); one += 1) {
      spawned.push(1_000 * (await spawner.number("one", { argv, env: [], bytesMin: 3 })));
    }
  }
  await decider.stop();
  await spawner.stop();
  const [ours, bare] = [spreadOf(decided), spreadOf(spawned)];
  const who = "bare spawn of sh -c";
  return {
    lines: [
      { what: "p50", unit: "µs", ours: ours.p50, beside: { who, value: bare.p50 }, goal: null },
      { what: "p99", unit: "µs", ours: ours.p99, beside: { who, value: bare.p99 }, goal: null },
    ],
    notes: [
      `${ours.samples} decisions about commands of which none is the same as another: ${kinds}.`,
      "It is beside what comes after it at the least: starting a program.",
    ],
  };
}
