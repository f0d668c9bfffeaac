// `audit list` and `audit show`: the log for reading. They check nothing; `verify` does.

import path from "node:path";
import { auditEntrySchema, canonicalJson, type AuditEntry } from "@openclaw-worker/protocol";
import { exitCodes, Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import { expanded } from "../place.ts";
import { oneLine, tableText } from "../table.ts";
import { needFolder, sourceOf } from "./verify.ts";

export interface LookFlags {
  readonly log?: string;
  readonly json?: boolean;
}

export interface ListFlags extends LookFlags {
  readonly limit: number;
  readonly task?: string;
  readonly type?: string;
}

/** The newest entries, oldest of them first. */
export async function listAudit(host: Host, flags: ListFlags): Promise<number> {
  const kept: AuditEntry[] = [];
  const { task, type, limit } = flags;
  for await (const entry of entriesOf(host, flags)) {
    if (task !== undefined && entry.taskId !== task) continue;
    if (type !== undefined && entry.type !== type) continue;
    kept.push(entry);
    if (kept.length > 2 * limit) kept.splice(0, kept.length - limit);
  }
  const shown = kept.slice(-limit);
  if (flags.json === true)
    for (const entry of shown) host.stdout.write(`${canonicalJson(entry)}\n`);
  else {
    const width = host.stdout.isTerminal ? host.stdout.columns : 400;
    const head = ["SEQ", "TIME", "TYPE", "TASK", "WHAT"];
    host.stdout.write(tableText([head, ...shown.map(row)], width));
  }
  return exitCodes.ok;
}

/** One entry by its number, or all of a task. @throws Failure when there is none */
export async function showAudit(host: Host, which: string, flags: LookFlags): Promise<number> {
  const seq = /^\d{1,15}$/.test(which) ? Number(which) : null;
  let found = 0;
  for await (const entry of entriesOf(host, flags)) {
    if (seq === null ? entry.taskId !== which : entry.seq !== seq) continue;
    found += 1;
    const text = flags.json === true ? canonicalJson(entry) : describe(entry);
    host.stdout.write(`${text}\n`);
    if (seq !== null) break;
  }
  if (found > 0) return exitCodes.ok;
  throw new Failure("Nothing in the audit log", {
    why: seq === null ? `no entry is about the task ${oneLine(which)}` : `it has no entry ${seq}`,
    remedy: "See what there is: openclaw-worker audit list",
  });
}

async function* entriesOf(host: Host, { log }: LookFlags): AsyncGenerator<AuditEntry> {
  const named =
    log === undefined ? needFolder(host) : path.resolve(host.cwd, expanded(log, host.home));
  for await (const items of sourceOf(named).items) {
    for (const item of items) {
      if (item.kind !== "entry") continue;
      const entry = entryOf(item.bytes.toString());
      if (entry !== null) yield entry;
      else host.stderr.write("A line is no entry: look with  openclaw-worker audit verify\n");
    }
  }
}

function entryOf(text: string): AuditEntry | null {
  try {
    return auditEntrySchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

function row({ seq, at, type, taskId = "", data }: AuditEntry): readonly string[] {
  return [String(seq), new Date(at).toISOString(), type, oneLine(taskId), summary(data)];
}

function summary(data: AuditEntry["data"]): string {
  const parts = Object.entries(data).map(([key, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return `${key}=${text}`;
  });
  return oneLine(parts.join(" ")).slice(0, 300);
}

function describe({ seq, at, type, taskId, data }: AuditEntry): string {
  const about = taskId === undefined ? "" : `, task ${oneLine(taskId)}`;
  const lines = Object.entries(data).map(([key, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return `  ${oneLine(key)}: ${oneLine(text)}`;
  });
  return [`entry ${seq}, ${type}, ${new Date(at).toISOString()}${about}`, ...lines].join("\n");
}
