// One task after another without a pause: cages are used up as fast as they are built.

import { fieldsOf } from "../fields.ts";
import { openHouse } from "../house.ts";
import { pause, spreadOf } from "../measure.ts";
import { rssMb } from "../proc.ts";
import { atLeast, atMost, type Bench, type Finding, type Line, type Row } from "../row.ts";
import { openSshd } from "../sshd.ts";

export const burst: Row = {
  name: "burst",
  title: "`echo` back to back, caged, 4 slots",
  run,
};

/** Runs `count` commands, `lanes` at a time. */
type Contender = (lanes: number, count: number) => Promise<unknown>;

interface Pace {
  readonly p50: number;
  readonly perSecond: number;
}

async function run(bench: Bench): Promise<Finding> {
  await using house = await openHouse(bench, { slots: 4 });
  await using ssh = await openSshd(bench);
  const load = await bench.crew.aide("load");
  const spawner = await bench.crew.aide("spawner");
  const spawning =
    (argv: readonly string[]): Contender =>
    (parallel, count) =>
      spawner.ask("many", { argv, env: [], bytesMin: 3, parallel, count });
  const ours: Contender = (submitters, count) =>
    load.ask("many", { ...house.address, command: "echo hi", via: "bot", submitters, count });
  const sshing = ssh.kind === "open" ? spawning([...ssh.argv, "echo hi"]) : null;
  const bare = spawning(["sh", "-c", "echo hi"]);

  const rounds = bench.size(5, 2);
  const one = await turns([ours, bare, sshing], { lanes: 1, count: bench.size(60, 20), rounds });
  const eight = await turns([ours, bare, sshing], { lanes: 8, count: bench.size(160, 40), rounds });
  const rss = rssMb(house.worker?.pid ?? 0);
  await load.stop();
  await spawner.stop();
  return {
    lines: [
      ...linesFor("1 submitter", one),
      ...linesFor("8 submitters", eight),
      { what: "worker RSS after it", unit: "MB", ours: rss, beside: null, goal: null },
    ],
    notes:
      ssh.kind === "open"
        ? ["ssh: a new command over an open connection (ControlMaster) to an sshd on loopback."]
        : [`ssh was not measured: ${ssh.why}.`],
  };
}

interface Turns {
  readonly lanes: number;
  readonly count: number;
  readonly rounds: number;
}

async function turns(
  contenders: readonly (Contender | null)[],
  { lanes, count, rounds }: Turns,
): Promise<readonly (Pace | null)[]> {
  const samples: number[][] = contenders.map(() => []);
  const elapsed = contenders.map(() => 0);
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, contender] of contenders.entries()) {
      if (contender === null) continue;
      // The pool of cages is full again before a turn, and nobody else is at work.
      await pause(400);
      const done = fieldsOf(await contender(lanes, count));
      if (round < 0) continue;
      samples[index]?.push(...done.numbers("samples"));
      elapsed[index] = (elapsed[index] ?? 0) + done.number("elapsedMs");
    }
  }
  return contenders.map((contender, index) =>
    contender === null
      ? null
      : {
          p50: spreadOf(samples[index] ?? []).p50,
          perSecond: ((samples[index]?.length ?? 0) / (elapsed[index] ?? 1)) * 1000,
        },
  );
}

function linesFor(when: string, [ours, bare, ssh]: readonly (Pace | null | undefined)[]): Line[] {
  if (ours == null || bare == null) return [];
  const rival = ssh ?? null;
  const beside = (pick: (pace: Pace) => number) =>
    rival === null ? null : { who: "open ssh", value: pick(rival) };
  const [p50, perSecond] = [beside((pace) => pace.p50), beside((pace) => pace.perSecond)];
  return [
    {
      what: `${when}: p50`,
      unit: "ms",
      ours: ours.p50,
      beside: p50,
      goal: p50 === null ? null : atMost(ours.p50, p50.value, "no slower than open ssh"),
    },
    {
      what: `${when}: rate`,
      unit: "tasks/s",
      ours: ours.perSecond,
      beside: perSecond,
      goal:
        perSecond === null
          ? null
          : atLeast(ours.perSecond, perSecond.value, "no slower than open ssh"),
    },
    {
      what: `${when}: rate`,
      unit: "tasks/s",
      ours: ours.perSecond,
      beside: {
        who: "bare spawn",
        value: bare.perSecond,
      },
      goal: null,
    },
  ];
}
