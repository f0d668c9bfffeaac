// Ten thousand workers with nothing to do, and a task for one of them now and then.

import { limits } from "@openclaw-worker/protocol";
import type { Aide } from "../crew.ts";
import { openHouse } from "../house.ts";
import { openBotCaller, type Address } from "../http.ts";
import { nowUs, pause, spreadOf, type Spread } from "../measure.ts";
import { cpuSeconds, rssMb } from "../proc.ts";
import { atMost, type Bench, type Finding, type Row } from "../row.ts";

export const idle: Row = {
  name: "idle",
  title: "10,000 idle workers on one server",
  run,
};

interface Parking {
  readonly emptyMb: number;
  readonly parkedMb: number;
  readonly parkMs: number;
  readonly cpuPercent: number;
  readonly wake: Spread;
}

interface Place {
  readonly kind: "house" | "bare";
  readonly address: Address;
  readonly pid: number;
}

async function run(bench: Bench): Promise<Finding> {
  const count = bench.size(10_000, 1_000);
  const ours = await inHouse(bench, count);
  const bare = await inBare(bench, count);
  const who = "bare node:http";
  const beside = (pick: (parking: Parking) => number) => ({ who, value: pick(bare) });
  return {
    lines: [
      {
        what: `RSS with ${count}`,
        unit: "MB",
        ours: ours.parkedMb,
        beside: beside((one) => one.parkedMb),
        goal: atMost(ours.parkedMb, 300, "≤ 300 MB"),
      },
      {
        what: "RSS with none",
        unit: "MB",
        ours: ours.emptyMb,
        beside: beside((one) => one.emptyMb),
        goal: null,
      },
      {
        what: "processor, of one core",
        unit: "%",
        ours: ours.cpuPercent,
        beside: beside((one) => one.cpuPercent),
        goal: atMost(ours.cpuPercent, 2, "< 2 %"),
      },
      {
        what: "wake p50",
        unit: "ms",
        ours: ours.wake.p50,
        beside: beside((one) => one.wake.p50),
        goal: null,
      },
      {
        what: "wake p99",
        unit: "ms",
        ours: ours.wake.p99,
        beside: beside((one) => one.wake.p99),
        goal: atMost(ours.wake.p99, 50, "< 50 ms"),
      },
      {
        what: "until all are parked",
        unit: "s",
        ours: ours.parkMs / 1e3,
        beside: beside((one) => one.parkMs / 1e3),
        goal: null,
      },
    ],
    notes: [
      `Polls are held ${limits.workerPollMs / 1000} s, as our worker asks for: the processor time is`,
      `that of ${Math.round((count * 1000) / limits.workerPollMs)} polls a second that end empty and come`,
      "again. Wake: from the submit's first byte to the task at the worker that it names, at random,",
      "20 ms apart. The two servers are measured one after the other.",
    ],
  };
}

async function inHouse(bench: Bench, count: number): Promise<Parking> {
  await using house = await openHouse(bench, { slots: null });
  return await measure(
    bench,
    { kind: "house", address: house.address, pid: house.server.pid },
    count,
  );
}

async function inBare(bench: Bench, count: number): Promise<Parking> {
  const server = await bench.crew.aide("bare-parking");
  const address = { url: `http://127.0.0.1:${await server.number("listen")}`, token: "" };
  const parking = await measure(bench, { kind: "bare", address, pid: server.pid }, count);
  await server.stop();
  return parking;
}

async function measure(
  bench: Bench,
  { kind, address, pid }: Place,
  count: number,
): Promise<Parking> {
  const emptyMb = rssMb(pid);
  const half = Math.ceil(count / 2);
  const parkers = await Promise.all([bench.crew.aide("parker"), bench.crew.aide("parker")]);
  const from = performance.now();
  await Promise.all(
    parkers.map((parker, index) =>
      parker.ask("park", { ...address, kind, first: index * half, count: half }),
    ),
  );
  const parkMs = performance.now() - from;
  // The garbage of the rush is collected, and every poll has come back once.
  await pause(bench.size(limits.workerPollMs + 5_000, 3_000));
  const windowS = bench.size(30, 6);
  const before = cpuSeconds(pid);
  await pause(windowS * 1000);
  const cpuPercent = ((cpuSeconds(pid) - before) / windowS) * 100;
  const parkedMb = rssMb(pid);
  const wake = await wakes({ parkers, half, address, rounds: bench.size(400, 60) });
  for (const parker of parkers) await parker.stop();
  return { emptyMb, parkedMb, parkMs, cpuPercent, wake };
}

interface Wakes {
  readonly parkers: readonly Aide[];
  readonly half: number;
  readonly address: Address;
  readonly rounds: number;
}

async function wakes({ parkers, half, address, rounds }: Wakes): Promise<Spread> {
  const caller = openBotCaller(address);
  const samples: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const number = Math.floor(Math.random() * half * parkers.length);
    const name = `idle-${number}`;
    const arrival = parkers[Math.floor(number / half)]?.number("arrival", { name });
    // The aide has heard whom to listen for.
    await pause(20);
    const from = nowUs();
    await caller.call("POST", "/tasks", JSON.stringify({ command: "true", worker: name }));
    samples.push(((await arrival) ?? from) / 1000 - from / 1000);
  }
  caller.close();
  return spreadOf(samples);
}
