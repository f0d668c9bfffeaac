// Results as a table for people and as JSON for machines.

import fs from "node:fs";
import path from "node:path";
import { machineLine, type Machine } from "./machine.ts";
import type { Finding, Line, Unit } from "./row.ts";

export interface RowResult {
  readonly name: string;
  readonly title: string;
  /** Why there is none. */
  readonly failed: string | null;
  readonly lines: Finding["lines"];
  readonly notes: Finding["notes"];
  readonly seconds: number;
}

export interface Results {
  readonly date: string;
  readonly quick: boolean;
  readonly machine: Machine;
  readonly rows: readonly RowResult[];
}

/** A table in Markdown, which reads well in a terminal too. */
export function tableOf(results: Results): string {
  const cells = results.rows.flatMap((row) => [
    [`**${row.title}** (${row.name})`, "", "", "", "", ""],
    ...row.lines.map(cellsOf),
    ...(row.failed === null ? [] : [[`not measured: ${row.failed}`, "", "", "", "", ""]]),
  ]);
  const head = ["what", "ours", "beside us", "", "ratio", "goal"];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => (row[column] ?? "").length)),
  );
  const text = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => pad(cell, widths[column] ?? 0)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  const notes = results.rows
    .filter((row) => row.notes.length > 0)
    .map((row) => `- **${row.name}**: ${row.notes.join(" ")}`);
  return [
    `${results.date}${results.quick ? ", quick" : ""}. ${machineLine(results.machine)}`,
    "",
    text(head),
    rule,
    ...cells.map(text),
    "",
    ...notes,
    "",
  ].join("\n");
}

function cellsOf(line: Line): readonly string[] {
  const beside = line.beside;
  return [
    line.what,
    shown(line.ours, line.unit),
    beside === null ? "" : shown(beside.value, line.unit),
    beside === null ? "" : beside.who,
    beside === null || beside.value === 0 ? "" : `${(line.ours / beside.value).toFixed(2)} ×`,
    line.goal === null ? "" : `${line.goal.met ? "met" : "MISSED"}: ${line.goal.text}`,
  ];
}

function shown(value: number, unit: Unit): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit}`;
}

function pad(text: string, width: number): string {
  return text.padEnd(width);
}

/** Writes `<date>.json` and `latest.md` into the folder. */
export function writeResults(folder: string, results: Results): void {
  fs.mkdirSync(folder, { recursive: true });
  const name = results.date.replaceAll(":", "-").replace(/\..*$/, "");
  fs.writeFileSync(path.join(folder, `${name}.json`), `${JSON.stringify(results, null, 2)}\n`);
  fs.writeFileSync(path.join(folder, "latest.md"), tableOf(results));
}
