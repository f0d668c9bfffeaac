// The queue alone: a worker in a process of its own answers at once, and nothing is executed.

import path from "node:path";
import type { Aide } from "../crew.ts";
import { fieldsOf } from "../fields.ts";
import { openHouse } from "../house.ts";
import { alternate, pause, spreadOf } from "../measure.ts";
import { atLeast, atMost, type Bench, type Finding, type Row } from "../row.ts";

export const queue: Row = {
  name: "queue",
  title: "The queue without execution, durable, whole life of a task",
  run,
};

const slots = 64;

async function run(bench: Bench): Promise<Finding> {
  await using house = await openHouse(bench, { slots: null });
  const { crew } = bench;
  const [load, relay] = await Promise.all([crew.aide("load"), crew.aide("relay")]);
  const port = await relay.number("listen", { file: path.join(bench.folder, "relay.db") });
  const plain = { url: `http://127.0.0.1:${port}`, token: "" };
  const [answerer, plainAnswerer] = await Promise.all([
    crew.aide("answerer"),
    crew.aide("answerer"),
  ]);
  await answerer.ask("house", { ...house.address, slots });
  await plainAnswerer.ask("relay", { url: plain.url, slots });

  const task = { command: "true" };
  const [ours = [], theirs = []] = await alternate(
    [
      () => load.number("one", { ...house.address, ...task, via: "bot" }),
      () => load.number("one", { ...plain, ...task, via: "bot" }),
    ],
    { rounds: bench.size(200, 40), warmup: 20, pauseMs: 50 },
  );
  const [mine, other] = [spreadOf(ours), spreadOf(theirs)];
  const who = "bare durable relay";
  const rates: Finding["lines"][number][] = [];
  let best = 0;
  for (const submitters of [1, 8, 32]) {
    const count = bench.size(submitters === 1 ? 1_500 : 5_000, 600);
    const rate = await ratesOf(load, [house.address, plain], {
      submitters,
      count,
      rounds: bench.size(4, 2),
    });
    best = Math.max(best, rate[0]);
    rates.push({
      what: `${submitters} submitters`,
      unit: "tasks/s",
      ours: rate[0],
      beside: {
        who,
        value: rate[1],
      },
      goal: submitters === 32 ? atLeast(best, 2e3, "≥ 2,000/s") : null,
    });
  }
  for (const aide of [load, answerer, plainAnswerer, relay]) await aide.stop();
  return {
    lines: [
      {
        what: "p50, 50 ms apart",
        unit: "ms",
        ours: mine.p50,
        beside: {
          who,
          value: other.p50,
        },
        goal: atMost(mine.p50, 3, "≤ 3 ms"),
      },
      { what: "p99", unit: "ms", ours: mine.p99, beside: { who, value: other.p99 }, goal: null },
      ...rates,
    ],
    notes: [
      `A worker of our protocol with ${slots} slots; for the relay ${slots} parked polls.`,
      "Rates with hand-written HTTP on the asking side, because node:http there would cost more",
      "than the server. The relay has no leases, fences, limits, events or policy.",
    ],
  };
}

interface Turns {
  readonly submitters: number;
  readonly count: number;
  readonly rounds: number;
}

type Address = Readonly<Record<string, string>>;

/** Tasks per second at each of the two addresses, in turns. */
async function ratesOf(
  load: Aide,
  [first, second]: readonly [Address, Address],
  { submitters, count, rounds }: Turns,
): Promise<readonly [number, number]> {
  const turn = async (address: Address): Promise<number> => {
    await pause(200);
    const params = { ...address, command: "true", via: "lean", submitters, count };
    return fieldsOf(await load.ask("many", params)).number("elapsedMs");
  };
  const [a = [], b = []] = await alternate([() => turn(first), () => turn(second)], {
    rounds,
    warmup: 1,
    pauseMs: 0,
  });
  const rate = (elapsed: readonly number[]): number =>
    (count * elapsed.length * 1000) / elapsed.reduce((sum, ms) => sum + ms, 0);
  return [rate(a), rate(b)];
}
