// The cage alone: from the hand-over of a command to the runner until its report, without server,
// journal or network. What a cage costs beside the bare program.

import { randomUUID } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import type { Aide } from "../crew.ts";
import { fieldsOf } from "../fields.ts";
import { alternate, pause, spreadOf, type Spread } from "../measure.ts";
import { rssMb } from "../proc.ts";
import { atLeast, atMost, type Bench, type Finding, type Line, type Row } from "../row.ts";
import { openSshd } from "../sshd.ts";

export const cage: Row = {
  name: "cage",
  title: "`echo` in the cage alone: cold, warm and paced, back to back",
  run,
};

const slots = 4;
const command = "echo hi";
const pauseMs = 100;

async function run(bench: Bench): Promise<Finding> {
  await using ssh = await openSshd(bench);
  const { crew } = bench;
  const [warm, cold] = [await crew.aide("runner"), await crew.aide("runner")];
  const [spawner, sshing] = [await crew.aide("spawner"), await crew.aide("spawner")];
  const folders = [warm, cold].map(() => path.join(bench.folder, randomUUID().slice(0, 8)));
  for (const folder of folders) fs.mkdirSync(folder);
  await warm.ask("open", { folder: folders[0], warm: slots });
  await cold.ask("open", { folder: folders[1], warm: 0 });

  const bare = { argv: ["sh", "-c", command], env: [], bytesMin: 3 };
  const remote = ssh.kind === "open" ? { ...bare, argv: [...ssh.argv, command] } : null;
  const contenders = [
    () => warm.number("one", { command }),
    () => cold.number("one", { command }),
    () => spawner.number("one", bare),
    ...(remote === null ? [] : [() => sshing.number("one", remote)]),
  ];
  const rounds = bench.size(200, 30);
  const paced = await alternate(contenders, { rounds, warmup: 10, pauseMs });
  const [ready, built, spawned, far] = paced.map(spreadOf);
  if (ready === undefined || built === undefined || spawned === undefined) throw new Error("none");

  const packed: readonly Packed[] = [
    { aide: warm, params: { command } },
    { aide: spawner, params: bare },
    ...(remote === null ? [] : [{ aide: sshing, params: remote }]),
  ];
  const one = await turns(bench, packed, 1);
  const four = await turns(bench, packed, slots);
  const rss = rssMb(warm.pid);
  for (const aide of [warm, cold]) await aide.ask("close");
  for (const aide of [warm, cold, spawner, sshing]) await aide.stop();
  return {
    lines: [
      ...pacedLines({ ready, built, spawned, far: far ?? null }),
      ...packedLines("back to back", one),
      ...packedLines(`${slots} at a time`, four),
      { what: "RSS of the runner after it", unit: "MB", ours: rss, beside: null, goal: null },
    ],
    notes: [
      `${rounds} samples each, taking turns ${pauseMs} ms apart. Warm: a cage was ready. Cold: it is built when`,
      "the command comes. Back to back the ready ones are used up, and each waits for one that is built.",
      "Spawn and ssh start from a small Node, ours from one that has the worker's code loaded.",
      ...(ssh.kind === "open" ? [] : [`ssh was not measured: ${ssh.why}.`]),
    ],
  };
}

interface Paced {
  readonly ready: Spread;
  readonly built: Spread;
  readonly spawned: Spread;
  readonly far: Spread | null;
}

function pacedLines({ ready, built, spawned, far }: Paced): readonly Line[] {
  const bare = (value: number) => ({ who: "bare spawn of sh -c", value });
  const line = (what: string, ours: number, beside: Line["beside"]): Line => ({
    what,
    unit: "ms",
    ours,
    beside,
    goal: null,
  });
  return [
    {
      ...line("warm, paced: p50", ready.p50, bare(spawned.p50)),
      goal: atMost(ready.p50, spawned.p50 + 5, "spawn + 5 ms"),
    },
    {
      ...line("warm, paced: p99", ready.p99, bare(spawned.p99)),
      goal: atMost(ready.p99, spawned.p99 + 20, "spawn + 20 ms"),
    },
    line("cold, paced: p50", built.p50, bare(spawned.p50)),
    line("cold, paced: p99", built.p99, bare(spawned.p99)),
    ...(far === null
      ? []
      : [line("warm, paced: p50", ready.p50, { who: "open ssh", value: far.p50 })]),
  ];
}

interface Packed {
  readonly aide: Aide;
  readonly params: Readonly<Record<string, unknown>>;
}

interface Pace {
  readonly p50: number;
  readonly perSecond: number;
}

/** Each contender's pace, in turns, some commands at a time. */
async function turns(
  bench: Bench,
  contenders: readonly Packed[],
  parallel: number,
): Promise<readonly Pace[]> {
  const samples: number[][] = contenders.map(() => []);
  const elapsed = contenders.map(() => 0);
  const count = bench.size(60, 20) * parallel;
  for (let round = -1; round < bench.size(5, 2); round += 1) {
    for (const [index, { aide, params }] of contenders.entries()) {
      // The cages are ready again before a turn, and nobody else is at work.
      await pause(400);
      const done = fieldsOf(await aide.ask("many", { ...params, parallel, count }));
      if (round < 0) continue;
      samples[index]?.push(...done.numbers("samples"));
      elapsed[index] = (elapsed[index] ?? 0) + done.number("elapsedMs");
    }
  }
  return samples.map((own, index) => ({
    p50: spreadOf(own).p50,
    perSecond: (own.length / (elapsed[index] ?? 1)) * 1_000,
  }));
}

function packedLines(when: string, [ours, bare, ssh]: readonly Pace[]): readonly Line[] {
  if (ours === undefined || bare === undefined) return [];
  const rate = (who: string, rival: Pace): Line => ({
    what: `${when}: rate`,
    unit: "tasks/s",
    ours: ours.perSecond,
    beside: { who, value: rival.perSecond },
    goal:
      who === "open ssh"
        ? atLeast(ours.perSecond, rival.perSecond, "no slower than open ssh")
        : null,
  });
  const p50 = ssh === undefined ? null : { who: "open ssh", value: ssh.p50 };
  return [
    {
      what: `${when}: p50`,
      unit: "ms",
      ours: ours.p50,
      beside: p50,
      goal: p50 === null ? null : atMost(ours.p50, p50.value, "no slower than open ssh"),
    },
    ...(ssh === undefined ? [] : [rate("open ssh", ssh)]),
    rate("bare spawn", bare),
  ];
}
