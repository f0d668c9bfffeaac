// A worker's log on a temporary folder, written by the worker's own code.

import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import assert from "node:assert/strict";
import os from "node:os";
import path from "node:path";
import { silentLog, systemClock, type Clock } from "@openclaw-worker/base";
import {
  newPrivateKey,
  privateKeyPem,
  type PrivateKey,
  type Receipt,
} from "@openclaw-worker/protocol";
import { openAudit, type Audit } from "../../../worker/src/audit/log.ts";

export interface LogFolder extends Disposable {
  /** OPENCLAW_WORKER_HOME */
  readonly home: string;
  /** The worker's state folder in it. */
  readonly folder: string;
  readonly key: PrivateKey;
  file(name: string): string;
  open(): Promise<Audit>;
}

export function makeFolder(wish: { readonly key?: PrivateKey } = {}): LogFolder {
  const home = mkdtempSync(path.join(os.tmpdir(), "openclaw-cli-"));
  const folder = path.join(home, "worker");
  mkdirSync(folder);
  const key = wish.key ?? newPrivateKey();
  writeFileSync(path.join(folder, "identity.pem"), privateKeyPem(key), { mode: 0o600 });
  return {
    home,
    folder,
    key,
    file: (name) => path.join(folder, name),
    async open() {
      const redact = (text: string): string => text;
      const parts = { folder, worker: "home", key, clock: ticking(), log: silentLog, redact };
      const opened = await openAudit(parts);
      assert.ok(opened.kind === "open", opened.kind === "changed" ? opened.because : "");
      return opened.audit;
    },
    [Symbol.dispose]: () => rmSync(home, { recursive: true }),
  };
}

/** What the log says of the last task: it printed "ok". */
const lastOutcome = { outcome: "done", exitCode: 0, stdout: sha256("ok"), stderr: sha256("") };

/** Adds this many entries, with a head after every `every` of them; the receipt of the last. */
export async function grow(log: LogFolder, count: number, every = 50): Promise<Receipt> {
  let receipt: Receipt | null = null;
  const salt = randomUUID();
  for (let done = 0; done < count; done += every) {
    await using audit = await log.open();
    for (let index = done; index < Math.min(count, done + every) - 1; index += 1) {
      audit.note(
        "decision",
        { decision: "allow", rule: `Bash(echo ${index})`, salt },
        `task-${index}`,
      );
    }
    receipt = await audit.sealed("outcome", lastOutcome, "task-last");
  }
  assert.ok(receipt !== null);
  return receipt;
}

/** Wall time that goes on by a minute at each look: heads differ in their times. */
function ticking(): Clock {
  const clock = systemClock();
  let now = 1_800_000_000_000;
  return { ...clock, now: () => (now += 60_000) };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
