// Cancel: a tree that ignores SIGTERM and has a daemon of its own session is dead, all of it.

import { spawn } from "node:child_process";
import { fieldsOf } from "../fields.ts";
import { openHouse } from "../house.ts";
import { openBotCaller } from "../http.ts";
import { pause, spreadOf } from "../measure.ts";
import { isDead, pidsWith } from "../proc.ts";
import { atMost, type Bench, type Finding, type Row } from "../row.ts";

export const cancel: Row = {
  name: "cancel",
  title: "Cancel: until every process of the task is dead",
  run,
};

// The shell, a child, and two that were forked twice into a session of their own.
const processes = 4;
const patienceMs = 10_000;

async function run(bench: Bench): Promise<Finding> {
  await using house = await openHouse(bench, { slots: 3 });
  const caller = openBotCaller(house.address);
  const rounds = bench.size(20, 5);
  const ours: number[] = [];
  const bare: number[] = [];
  let survivors = 0;
  for (let round = 0; round < rounds; round += 1) {
    const marker = `7654.${process.pid}${round}`;
    const body = JSON.stringify({ command: stubborn(marker), timeout: 600_000 });
    const id = fieldsOf(JSON.parse(await caller.call("POST", "/tasks", body))).text("taskId");
    const pids = await appeared(marker);
    const from = performance.now();
    await caller.call("POST", `/tasks/${id}/cancel`, "{}");
    ours.push((await allDead(pids)) - from);
    const result = fieldsOf(JSON.parse(await caller.call("GET", `/tasks/${id}?wait=10000`)));
    if (result.text("outcome") !== "cancelled") throw new Error("a cancelled task says otherwise");
    const group = await killedGroup(`${marker}1`);
    bare.push(group.ms);
    survivors += group.survivors > 0 ? 1 : 0;
    await pause(200);
  }
  caller.close();
  const [spread, plain] = [spreadOf(ours), spreadOf(bare)];
  const who = "kill -9 of a process group, what it reaches";
  return {
    lines: [
      { what: "p50", unit: "ms", ours: spread.p50, beside: { who, value: plain.p50 }, goal: null },
      {
        what: "longest",
        unit: "ms",
        ours: spread.max,
        beside: {
          who,
          value: plain.max,
        },
        goal: atMost(spread.max, 2e3, "< 2 s"),
      },
    ],
    notes: [
      `${rounds} runs, from the first byte of POST cancel. Ours ended every process every time; after`,
      `kill -9 of the process group the daemon lived on in ${survivors} of ${rounds} runs.`,
    ],
  };
}

function stubborn(marker: string): string {
  const deaf = `trap "" TERM HUP INT`;
  const daemon = `${deaf}; sleep ${marker} & sleep ${marker}; true`;
  return `trap '' TERM HUP INT; (setsid sh -c '${daemon}' >/dev/null 2>&1 &); sleep ${marker}; true`;
}

async function appeared(marker: string): Promise<readonly number[]> {
  const until = performance.now() + patienceMs;
  for (;;) {
    const pids = pidsWith(marker);
    // The outer shell's own line holds the marker only outside of a cage.
    if (pids.length >= processes) return pids;
    if (performance.now() > until) throw new Error(`${pids.length} processes appeared`);
    await pause(10);
  }
}

async function allDead(pids: readonly number[]): Promise<number> {
  const until = performance.now() + patienceMs;
  while (!pids.every(isDead)) {
    if (performance.now() > until) throw new Error("a cancelled task lives on");
    await new Promise((resolve) => setImmediate(resolve));
  }
  return performance.now();
}

/** The same tree without a cage: its group is killed, and what is left afterwards is counted and ended. */
async function killedGroup(
  marker: string,
): Promise<{ readonly ms: number; readonly survivors: number }> {
  const child = spawn("sh", ["-c", stubborn(marker)], { detached: true, stdio: "ignore" });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const pids = await appeared(marker);
  const from = performance.now();
  process.kill(-(child.pid ?? 0), "SIGKILL");
  await exited;
  const ms = performance.now() - from;
  await pause(50);
  const left = pids.filter((pid) => !isDead(pid));
  for (const pid of left) process.kill(pid, "SIGKILL");
  return { ms, survivors: left.length };
}
