// A real process that writes an audit log, for tests that kill it or fill its disk.
//
//   write <folder>   notes without end; prints the size of the log each time that it is on the disk
//   fill <folder>    notes until the disk is full, makes room, goes on; prints what it saw as JSON

import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { silentLog, systemClock } from "@openclaw-worker/base";
import {
  auditFiles,
  checkReceipt,
  newPrivateKey,
  parsePrivateKey,
  privateKeyPem,
  readEntry,
} from "@openclaw-worker/protocol";
import { openAudit, type Audit } from "../../src/audit/log.ts";

const [mode = "", folder = ""] = process.argv.slice(2);
const keyFile = path.join(folder, "identity.pem");
if (!existsSync(keyFile)) writeFileSync(keyFile, privateKeyPem(newPrivateKey()));
const key = parsePrivateKey(readFileSync(keyFile, "utf8"));
if (key === null) throw new Error("no key");

if (mode === "write") await write(await open());
else process.stdout.write(`${JSON.stringify(await fill())}\n`);

async function open(): Promise<Audit> {
  if (key === null) throw new Error("no key");
  const [clock, log] = [systemClock(), silentLog];
  const redact = (text: string): string => text;
  const opened = await openAudit({ folder, worker: "home", key, clock, log, redact });
  if (opened.kind === "changed") throw new Error(opened.because);
  return opened.audit;
}

async function write(audit: Audit): Promise<never> {
  for (let turn = 0; ; turn += 1) {
    for (let index = 0; index <= turn % 7; index += 1) {
      audit.note("decision", { turn, index, filler: "f".repeat((turn * 37) % 3_000) });
    }
    const broken = await audit.flushed();
    if (broken !== null) throw new Error(broken);
    process.stdout.write(`${audit.size()}\n`);
  }
}

async function fill(): Promise<unknown> {
  const ballast = path.join(folder, "ballast");
  writeFileSync(ballast, Buffer.alloc(131_072));
  let audit = await open();
  const states: (string | null)[] = [];
  using _watching = audit.watch((why) => states.push(why));
  let why: string | null = null;
  while (why === null) {
    audit.note("decision", { filler: "f".repeat(3_000) });
    why = await audit.flushed();
  }
  // A task that ends now has no receipt, and its outcome is not forgotten.
  const sealed = await audit.sealed("outcome", { exitCode: 7 }, "t");
  const whole = isWhole();
  const [full, size] = [await audit.flushed(), audit.size()];
  const mended = Promise.withResolvers<void>();
  using _mending = audit.watch((broken) => broken === null && mended.resolve());
  rmSync(ballast);
  await mended.promise;
  const receipt = await audit.sealed("outcome", { exitCode: 0 }, "u");
  await audit[Symbol.asyncDispose]();
  audit = await open();
  const after = audit.size();
  await audit[Symbol.asyncDispose]();
  const text = readFileSync(path.join(folder, auditFiles.entries), "utf8");
  return {
    why,
    full,
    sealed,
    whole,
    size,
    after,
    wholeAfter: isWhole(),
    receipt: checkReceipt(receipt).kind,
    kept: text.includes('"exitCode":7'),
    told: states.map((state) => state !== null),
  };
}

function isWhole(): boolean {
  const text = readFileSync(path.join(folder, auditFiles.entries), "utf8");
  const lines = text.split("\n");
  const last = lines.pop();
  return last === "" && lines.every((line, seq) => readEntry(line, seq).kind === "entry");
}
