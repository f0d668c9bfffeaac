// `npm run bench`: measures, prints a table, and writes it to bench/results.

import { messageOf } from "@openclaw-worker/base";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createCrew, type Crew } from "./crew.ts";
import { descend } from "./descend.ts";
import { machineLine, machineOf } from "./machine.ts";
import { help, readOptions, type Options } from "./options.ts";
import { tableOf, writeResults, type Results, type RowResult } from "./report.ts";
import type { Bench, Row } from "./row.ts";
import { rows } from "./rows.ts";

const checkout = path.resolve(import.meta.dirname, "..");
const interrupted = 130;
// One Ctrl-C arrives twice: from the terminal, and from root's half of the bench.
const sameInterruptMs = 500;

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options.help) {
    const list = rows.map((row) => `  ${row.name.padEnd(17)} ${row.title}`);
    console.log(`${help}\nRows:\n${list.join("\n")}`);
    return 0;
  }
  const unknown = options.only?.find((name) => !rows.some((row) => row.name === name));
  if (unknown !== undefined) throw new TypeError(`There is no row ${unknown}: see --help`);
  const out = path.resolve(options.out ?? path.join(checkout, "bench", "results"));
  if (process.getuid?.() === 0) {
    const profile = options.profile === null ? null : path.resolve(options.profile);
    return descend({ checkout, args: withAbsolute(args, profile), results: out, profile });
  }
  const results = await measure(options);
  writeResults(out, results);
  console.log(options.json ? JSON.stringify(results, null, 2) : `\n${tableOf(results)}`);
  return results.rows.some((row) => row.failed !== null) ? 1 : 0;
}

/** The run changes its folder on the way: what was named from here is named in full. */
function withAbsolute(args: readonly string[], profile: string | null): readonly string[] {
  if (profile === null) return args;
  return [...args, "--profile", profile];
}

async function measure(options: Options): Promise<Results> {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "openclaw-bench-")));
  const env = environment();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => fs.rmSync(folder, { recursive: true, force: true }));
  const crew = stack.use(createCrew({ node: process.execPath, env }));
  const stopping = new AbortController();
  let interruptedAt = 0;
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      const now = performance.now();
      if (!stopping.signal.aborted) {
        interruptedAt = now;
        stopping.abort();
        void leave(crew, folder);
      } else if (now - interruptedAt > sameInterruptMs) crew.killAll();
    });
  }
  const machine = machineOf(folder, checkout);
  const say = (text: string): void => console.error(text);
  say(machineLine(machine));
  const bench: Bench = {
    crew,
    folder,
    checkout,
    env,
    say,
    node: process.execPath,
    count: options.count,
    profile: options.profile === null ? null : path.resolve(options.profile),
    size: (full, quick) => (options.quick ? quick : full),
  };
  const date = new Date().toISOString();
  const results: RowResult[] = [];
  for (const row of rows) {
    if (options.only?.includes(row.name) === false) continue;
    if (stopping.signal.aborted) break;
    say(`${row.name}: ${row.title}`);
    results.push(await runRow(row, bench));
  }
  return { date, quick: options.quick, machine, rows: results };
}

/** Ends what was started, removes what was written, and ends this process. */
async function leave(crew: Crew, folder: string): Promise<void> {
  await crew[Symbol.asyncDispose]();
  fs.rmSync(folder, { recursive: true, force: true });
  process.exit(interrupted);
}

async function runRow(row: Row, bench: Bench): Promise<RowResult> {
  const from = performance.now();
  const about = { name: row.name, title: row.title };
  const seconds = (): number => Math.round((performance.now() - from) / 1000);
  try {
    const { lines, notes } = await row.run(bench);
    return { ...about, failed: null, lines, notes, seconds: seconds() };
  } catch (error) {
    bench.say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return { ...about, failed: messageOf(error), lines: [], notes: [], seconds: seconds() };
  }
}

function environment(): Record<string, string> {
  const names = ["HOME", "USER", "LOGNAME", "PATH", "LANG", "SHELL", "TMPDIR"];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 2;
}
