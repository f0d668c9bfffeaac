// A log on a temporary folder, for the tests of the audit.

import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { createLog, systemClock } from "@openclaw-worker/base";
import { auditFiles, newPrivateKey } from "@openclaw-worker/protocol";
import assert from "node:assert/strict";
import { openAudit, type Audit, type AuditOptions } from "../../src/audit/log.ts";
import { temporaryFolder } from "../stage.ts";

export interface Desk extends Disposable {
  readonly folder: string;
  readonly logged: readonly string[];
  readonly options: AuditOptions;
  readonly file: (name: keyof typeof auditFiles) => string;
  /** Opens the log; fails the test when it was changed. */
  open(wish?: Partial<AuditOptions>): Promise<Audit>;
  /** Why it does not open. */
  refusal(wish?: Partial<AuditOptions>): Promise<string>;
  lines(): readonly string[];
}

export function openDesk(): Desk {
  const folder = temporaryFolder();
  const logged: string[] = [];
  const clock = systemClock();
  const write = (line: string): void => void logged.push(line);
  const log = createLog({ clock, level: "info", format: "text", write });
  const redact = (text: string): string => text.replaceAll("hunter2", "[redacted]");
  const options = { folder, worker: "home", key: newPrivateKey(), clock, log, redact };
  const file = (name: keyof typeof auditFiles): string => path.join(folder, auditFiles[name]);
  return {
    folder,
    logged,
    options,
    file,
    async open(wish = {}) {
      const opened = await openAudit({ ...options, ...wish });
      assert.ok(opened.kind === "open", opened.kind === "changed" ? opened.because : "");
      return opened.audit;
    },
    async refusal(wish = {}) {
      const opened = await openAudit({ ...options, ...wish });
      if (opened.kind === "open") await opened.audit[Symbol.asyncDispose]();
      assert.ok(opened.kind === "changed", "the log was opened");
      return opened.because;
    },
    lines: () => readFileSync(file("entries"), "utf8").split("\n").slice(0, -1),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

/** Notes as a task makes them; resolves when they are on the disk. */
export async function fill(audit: Audit, count: number): Promise<void> {
  for (let seq = audit.size(), end = seq + count; seq < end; seq += 1) {
    audit.note("decision", { rule: `Bash(echo ${seq})`, kind: "allow" }, `task-${seq}`);
  }
  assert.equal(await audit.flushed(), null);
}
