// What a check found, in words or as JSON.

import type { AuditEntry, Checkpoint } from "@openclaw-worker/protocol";
import type { Host } from "../host.ts";
import { paintOf } from "../paint.ts";
import { oneLine } from "../table.ts";
import type { Problem, Verdict } from "./check.ts";

export interface Report extends Omit<Verdict, "problem"> {
  /** What was checked. */
  readonly name: string;
  readonly worker: string;
  /** Why the key is trusted; null: it is not. */
  readonly keyIs: string | null;
  readonly problem: (Omit<Problem, "what"> & { readonly what: Problem["what"] | "key" }) | null;
}

export function printVerdict(host: Host, report: Report, asJson: boolean): void {
  const { name, worker, entries, signed, head, key, keyIs, rest, problem } = report;
  if (asJson) {
    const said = { ok: problem === null, log: name, worker, entries, signed, head, key, keyIs };
    host.stdout.write(`${JSON.stringify({ ...said, problem })}\n`);
    return;
  }
  const paint = paintOf(host, host.stdout);
  const line = (text: string): void => host.stdout.write(`${text}\n`);
  if (problem === null) {
    line(
      `${paint.green("good")}   ${countOf(entries)} of the worker ${oneLine(worker)}, none changed: ${name}`,
    );
  } else {
    const where = problem.what === "key" ? "" : `entry ${problem.seq}: `;
    line(`${paint.red("bad")}    ${where}${oneLine(problem.why)}`);
    line(`       (${problem.what}) in ${name}`);
  }
  if (head !== null) line(`signed ${signed} entries, ${new Date(head.at).toISOString()}`);
  if (key !== null) line(`key    ${key} (${keyIs ?? "NOT KNOWN HERE"})`);
  if (problem === null && entries > signed)
    line(`note   ${countOf(entries - signed)} at the end not signed yet`);
  if (rest > 0)
    line(
      `note   ${rest} bytes at the end are no whole entry: the worker is writing, or was killed`,
    );
}

export interface ReceiptSaid {
  readonly ok: boolean;
  readonly what?: string;
  readonly why?: string;
  readonly entry?: AuditEntry;
  readonly checkpoint?: Checkpoint;
  readonly key?: string;
  readonly keyIs?: string | null;
}

export function printReceipt(host: Host, said: ReceiptSaid, asJson: boolean): void {
  if (asJson) return host.stdout.write(`${JSON.stringify(said)}\n`);
  const paint = paintOf(host, host.stdout);
  const line = (text: string): void => host.stdout.write(`${text}\n`);
  const { ok, what, why, entry, checkpoint, key, keyIs } = said;
  if (ok) line(`${paint.green("good")}   the entry is in the worker's signed log`);
  else line(`${paint.red("bad")}    (${what ?? ""}) ${oneLine(why ?? "")}`);
  if (entry !== undefined) {
    const { seq, type, at, taskId = "" } = entry;
    line(`entry  ${seq}, ${type}, ${new Date(at).toISOString()}, task ${oneLine(taskId)}`);
    line(`data   ${oneLine(JSON.stringify(entry.data))}`);
  }
  if (checkpoint !== undefined) {
    const { worker, size, at, log } = checkpoint;
    line(`log    ${log} of ${worker}, ${size} entries, signed ${new Date(at).toISOString()}`);
  }
  if (key !== undefined) line(`key    ${key} (${keyIs ?? "NOT KNOWN HERE"})`);
}

/** Tells on a terminal how far the check is; null: it is over. */
export function progressOf(host: Host): (entries: number | null) => void {
  let shown = false;
  return (entries) => {
    if (!host.stderr.isTerminal || (entries === null && !shown)) return;
    shown = entries !== null;
    const text = entries === null ? "" : `checked ${entries.toLocaleString("en-US")} entries`;
    host.stderr.write(`\r${text}\u001B[K`);
  };
}

function countOf(entries: number): string {
  return entries === 1 ? "1 entry" : `${entries.toLocaleString("en-US")} entries`;
}
