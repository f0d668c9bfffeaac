// `audit verify --receipt`: is this result what the worker wrote down? A good receipt on another
// result proves nothing: what the result says is compared with the entry.

import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { messageOf } from "@openclaw-worker/base";
import {
  checkReceipt,
  receiptSchema,
  reportDigest,
  reportSchema,
  statusOf,
  type AuditEntry,
} from "@openclaw-worker/protocol";
import { exitCodes, Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import { expanded } from "../place.ts";
import type { Known } from "./check.ts";
import { printReceipt, type ReceiptSaid } from "./say.ts";
import { strange, trustedKeys } from "./trust.ts";

interface ReceiptFlags {
  readonly key?: string;
  readonly json?: boolean;
}

/** Checks a receipt, or a result that has one, and says what it found. */
export function verifyReceipt(host: Host, named: string, flags: ReceiptFlags): number {
  const said = judge(host, readFile(host, named), flags.key);
  printReceipt(host, said, flags.json === true);
  return said.ok ? exitCodes.ok : exitCodes.failed;
}

/** The head that a receipt was signed over. @throws Failure when the receipt itself is not right */
export function receiptHead(host: Host, named: string): Known {
  const { receipt } = readFile(host, named);
  const checked = checkReceipt(receipt);
  if (checked.kind === "good") return { checkpoint: checked.checkpoint, from: "the receipt" };
  throw new Failure("The receipt is not right", {
    why: checked.why,
    remedy: "Check it alone: openclaw-worker audit verify --receipt FILE",
  });
}

interface Given {
  readonly receipt: unknown;
  /** The result that it came with. */
  readonly result: object | null;
}

function judge(host: Host, { receipt, result }: Given, named: string | undefined): ReceiptSaid {
  const checked = checkReceipt(receipt);
  if (checked.kind === "bad") return { ok: false, what: checked.what, why: checked.why };
  const { entry, checkpoint, key } = checked;
  const trusted = trustedKeys(host, checkpoint.worker, named);
  const by = trusted.find(({ fingerprint }) => fingerprint === key.fingerprint) ?? null;
  const told = { entry, checkpoint, key: key.fingerprint, keyIs: by?.because ?? null };
  const differs = result === null ? null : difference(result, entry);
  if (differs !== null) return { ok: false, what: "result", why: differs, ...told };
  if (by !== null) return { ok: true, ...told };
  return { ok: false, what: "key", why: strange(key.fingerprint, trusted), ...told };
}

/** What a result says otherwise than the worker's entry, or null. */
function difference(result: object, { type, taskId, data }: AuditEntry): string | null {
  const said = new Map<string, unknown>(Object.entries(result));
  if (type !== "outcome")
    return `its receipt is for an entry of the type ${type}, not for an outcome`;
  if (said.get("taskId") !== taskId) return `its receipt is for the task ${taskId ?? "(none)"}`;
  for (const name of ["outcome", "exitCode"]) {
    if (name in data && data[name] !== said.get(name)) {
      return `its ${name} is ${JSON.stringify(said.get(name))}, and the worker noted ${JSON.stringify(data[name])}`;
    }
  }
  for (const name of ["stdout", "stderr"]) {
    const text = said.get(name) ?? "";
    const noted = data[name];
    if (typeof noted !== "string") continue;
    if (typeof text !== "string") return `its ${name} is no text`;
    if (createHash("sha256").update(text).digest("hex") !== noted) {
      return `its ${name} is not the one whose digest the worker noted`;
    }
  }
  return wholeDifference(result, data["report"]);
}

/** Everything else that the worker reported; its status follows from it. */
function wholeDifference(result: object, noted: unknown): string | null {
  const parsed = reportSchema.safeParse(result);
  if (!parsed.success) return "it is no result of a worker";
  if (typeof noted === "string" && reportDigest(parsed.data) !== noted) {
    return "something in it (its error, encodings, times, rule or hint, say) is not as the worker noted";
  }
  const { outcome, exitCode } = parsed.data;
  const status = "status" in result ? result.status : undefined;
  if (outcome === undefined || status === undefined) return null;
  return status === statusOf(outcome, exitCode) ? null : `its status is ${JSON.stringify(status)}`;
}

function readFile(host: Host, named: string): Given {
  const file = path.resolve(host.cwd, expanded(named, host.home));
  let value: unknown;
  try {
    value = JSON.parse(fs.readFileSync(file, "utf8"));
  } catch (cause) {
    throw new Failure("The receipt cannot be read", {
      why: messageOf(cause),
      remedy: "Give a file with a result: openclaw-worker task ID --json > result.json",
      cause,
    });
  }
  if (receiptSchema.safeParse(value).success) return { receipt: value, result: null };
  // `task --json` and `run --json` print the result; the API wraps nothing around it either.
  if (typeof value !== "object" || value === null) return { receipt: value, result: null };
  if ("receipt" in value) return { receipt: value.receipt, result: value };
  throw new Failure("There is no receipt in it", {
    why: `${file} holds neither a receipt nor a result that has one`,
    remedy: "Only results of workers that keep an audit log have one; a server can leave it out.",
  });
}
