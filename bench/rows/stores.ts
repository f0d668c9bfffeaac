// The queue without execution, on both stores: SQLite in the server's process, Redis beside it, and
// two servers on one Redis.

import type { Aide } from "../crew.ts";
import { fieldsOf } from "../fields.ts";
import { openHouse, type House } from "../house.ts";
import { alternate, pause, spreadOf } from "../measure.ts";
import { startRedis } from "../redis.ts";
import { atMost, type Bench, type Finding, type Line, type Row } from "../row.ts";

export const stores: Row = {
  name: "stores",
  title: "Redis beside SQLite: durable tasks without execution",
  run,
};

const slots = 64;

async function run(bench: Bench): Promise<Finding> {
  const { crew } = bench;
  await using redis = await startRedis(bench);
  const serverEnv = { WORKER_STORE: redis.url };
  await using sqlite = await openHouse(bench, { slots: null });
  await using one = await openHouse(bench, { slots: null, serverEnv });
  // The same token: a worker that is known to one is known to the other.
  const shared = { ...serverEnv, WORKER_TOKEN: one.token };
  await using second = await openHouse(bench, { slots: null, serverEnv: shared });
  const other = { ...second.address, token: one.token };
  const load = await crew.aide("load");
  for (const house of [sqlite, one]) {
    const answerer = await crew.aide("answerer");
    await answerer.ask("house", { ...house.address, slots });
  }

  const single = (address: House["address"]) => () =>
    load.number("one", { ...address, command: "true", via: "bot" });
  const [embedded = [], near = [], far = []] = await alternate(
    [single(sqlite.address), single(one.address), single(other)],
    { rounds: bench.size(300, 60), warmup: 20, pauseMs: 30 },
  );
  const plain = spreadOf(embedded);
  const beside = (value: number) => ({ who: "SQLite", value });
  const lines: Line[] = [
    line("Redis p50, 30 ms apart", spreadOf(near).p50, beside(plain.p50)),
    line("Redis p99", spreadOf(near).p99, beside(plain.p99)),
    {
      ...line(
        "submitted at one server, worked at the other, p50",
        spreadOf(far).p50,
        beside(plain.p50),
      ),
      goal: atMost(spreadOf(far).p50, 20, "< 20 ms"),
    },
  ];
  for (const submitters of [1, 8, 32]) {
    const count = bench.size(submitters === 1 ? 1_500 : 4_000, 600);
    const turn = { submitters, count, rounds: bench.size(4, 2) };
    const rates = await ratesOf(
      load,
      [[sqlite.address], [one.address], [one.address, other]],
      turn,
    );
    const [embeddedRate = 0, oneRate = 0, twoRate = 0] = rates;
    const what = `${submitters} submitter${submitters === 1 ? "" : "s"}`;
    lines.push(rateLine(`${what}, Redis`, oneRate, embeddedRate));
    if (submitters > 1)
      lines.push(rateLine(`${what}, two servers on Redis`, twoRate, embeddedRate));
  }
  return {
    lines,
    notes: [
      `A worker of our protocol with ${slots} slots that runs nothing; with two servers its poll waits at the first.`,
      "Redis with appendfsync always on the same disk, over a Unix socket. Everything shares the machine's cores.",
    ],
  };
}

function line(what: string, ours: number, beside: Line["beside"]): Line {
  return { what, unit: "ms", ours, beside, goal: null };
}

function rateLine(what: string, ours: number, value: number): Line {
  return { what, unit: "tasks/s", ours, beside: { who: "SQLite", value }, goal: null };
}

interface Turn {
  readonly submitters: number;
  readonly count: number;
  readonly rounds: number;
}

type Addresses = readonly House["address"][];

/** Tasks per second of each contender; submitters are spread over its addresses. */
async function ratesOf(
  load: Aide,
  contenders: readonly Addresses[],
  { submitters, count, rounds }: Turn,
): Promise<readonly number[]> {
  const turn = async (addresses: Addresses): Promise<number> => {
    await pause(200);
    const share = {
      submitters: Math.max(1, Math.round(submitters / addresses.length)),
      count: Math.round(count / addresses.length),
    };
    const elapsed = await Promise.all(
      addresses.map(async (address) => {
        const params = { ...address, ...share, command: "true", via: "lean" };
        return fieldsOf(await load.ask("many", params)).number("elapsedMs");
      }),
    );
    return Math.max(...elapsed);
  };
  const samples = await alternate(
    contenders.map((addresses) => () => turn(addresses)),
    { rounds, warmup: 1, pauseMs: 0 },
  );
  return samples.map(
    (elapsed) => (count * elapsed.length * 1000) / elapsed.reduce((sum, ms) => sum + ms, 0),
  );
}
