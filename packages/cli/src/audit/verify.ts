// `audit verify`: is the log what the worker signed? Offline, except with --server.

import fs from "node:fs";
import path from "node:path";
import { messageOf } from "@openclaw-worker/base";
import { auditFiles, type Checkpoint, type SignedCheckpoint } from "@openclaw-worker/protocol";
import { connect } from "../deliver.ts";
import { exitCodes, Failure, usageFailure } from "../failure.ts";
import type { Host } from "../host.ts";
import { expanded, placeOf } from "../place.ts";
import type { AskFlags } from "../task-flags.ts";
import { checkLog, type CheckOptions, type Item, type Known, type Verdict } from "./check.ts";
import { isExported, readBare, readExported } from "./exported.ts";
import { hasLog, readFolder } from "./folder.ts";
import { openRemote, ownHashes } from "./remote.ts";
import { receiptHead, verifyReceipt } from "./receipt.ts";
import { printVerdict, progressOf, type Report } from "./say.ts";
import { isKeyKnown, keepSeen, ownHead, seenHead, strange, trustedKeys } from "./trust.ts";

export interface VerifyFlags extends AskFlags {
  readonly log?: string;
  readonly server?: boolean;
  readonly receipt?: string;
  readonly key?: string;
  readonly worker?: string;
}

/** Checks what the flags name, and says what it found. The exit code is 1 when something is not right. */
export async function verifyAudit(host: Host, flags: VerifyFlags): Promise<number> {
  if (flags.server === true && flags.log !== undefined) {
    throw usageFailure("--log and --server", "a log is in a file or on the server", "Give one.");
  }
  if (flags.server === true) return verifyRemote(host, flags);
  const { receipt } = flags;
  if (flags.log === undefined && receipt !== undefined) return verifyReceipt(host, receipt, flags);
  const folder = flags.log === undefined ? needFolder(host) : null;
  const named = folder ?? path.resolve(host.cwd, expanded(flags.log ?? "", host.home));
  const { items, noted } = sourceOf(named);
  const known = receipt === undefined ? [] : [receiptHead(host, receipt)];
  return conclude(host, flags, { name: named, items, noted, known });
}

/** The worker's state folder. @throws Failure when there is no log in it */
export function needFolder(host: Host): string {
  const { worker } = placeOf(host);
  const readable = ((): boolean => {
    try {
      return hasLog(worker);
    } catch (cause) {
      throw new Failure("The audit log cannot be read", {
        why: messageOf(cause),
        remedy: "Look as the user that the worker runs as.",
        cause,
      });
    }
  })();
  if (readable) return worker;
  throw new Failure("There is no audit log here", {
    why: `${path.join(worker, auditFiles.entries)} does not exist`,
    remedy:
      "Look at the worker's computer; or name an exported log: --log FILE; or the server's: --server",
  });
}

interface Source {
  readonly items: AsyncIterable<readonly Item[]>;
  readonly noted: CheckOptions["noted"];
}

/** A worker's folder, the entries in one, an exported log, or entries alone. @throws Failure */
export function sourceOf(named: string): Source {
  const aside = { name: auditFiles.hashes, what: "side" } as const;
  const seen = fs.statSync(named, { throwIfNoEntry: false });
  if (seen === undefined) {
    throw new Failure("There is no such log", { why: named, remedy: "Check the path." });
  }
  if (seen.isDirectory()) return { items: readFolder(named), noted: aside };
  if (isExported(named)) {
    const noted = { name: "the hash beside it", what: "side" } as const;
    return { items: readExported(named), noted };
  }
  const folder = path.dirname(named);
  const inPlace =
    path.basename(named) === auditFiles.entries &&
    fs.existsSync(path.join(folder, auditFiles.heads));
  return { items: inPlace ? readFolder(folder) : readBare(named), noted: aside };
}

interface Subject extends Source {
  readonly name: string;
  readonly known: readonly Known[];
}

async function conclude(host: Host, flags: VerifyFlags, subject: Subject): Promise<number> {
  const { items, noted, known, name } = subject;
  const onProgress = progressOf(host);
  const verdict = await checkLog(items, { key: null, noted, known, onProgress });
  onProgress(null);
  const report = judged(host, flags, { name, verdict, known });
  printVerdict(host, report, flags.json === true);
  return report.problem === null ? exitCodes.ok : exitCodes.failed;
}

interface Found {
  readonly name: string;
  readonly verdict: Verdict;
  readonly known: readonly Known[];
}

/** A log that is right in itself is still only as good as the key. */
function judged(host: Host, flags: VerifyFlags, { name, verdict, known }: Found): Report {
  const worker = verdict.head?.worker ?? known[0]?.checkpoint.worker ?? "";
  const trusted = trustedKeys(host, worker, flags.key);
  const { key } = verdict;
  const by = trusted.find(({ fingerprint }) => fingerprint === key) ?? null;
  const problem =
    verdict.problem ??
    (key === null || by !== null
      ? null
      : { seq: 0, what: "key" as const, why: strange(key, trusted) });
  return { ...verdict, name, worker, keyIs: by?.because ?? null, problem };
}

async function verifyRemote(host: Host, flags: VerifyFlags): Promise<number> {
  using client = connect(host, flags);
  const folder = placeOf(host).worker;
  const own = ownHead(host);
  const worker = flags.worker ?? own?.worker ?? (await onlyWorker(host, client));
  const isOwn = own !== null && own.worker === worker;
  using hashes = ownHashes(folder);
  const leaf = (seq: number): Buffer | null => (isOwn ? hashes.leaf(seq) : null);
  const remote = await openRemote(client, worker, leaf, host.signal);
  const seen = seenHead(host, worker);
  const known: readonly Known[] =
    seen === null ? [] : [{ checkpoint: seen.checkpoint, from: "the log as seen before" }];
  const noted = { name: "this computer's own log", what: "history" } as const;
  const onProgress = progressOf(host);
  const checked = await checkLog(remote.items, { key: null, noted, known, onProgress });
  onProgress(null);
  const verdict = {
    ...checked,
    problem: checked.problem ?? beyond(own, checked, isOwn) ?? behind(own, remote.head, isOwn),
  };
  const name = `the server's copy of ${worker}`;
  const report = judged(host, flags, { name, verdict, known });
  // The first look believes the key, and says so; from then on it is the only one.
  const isFirst = report.problem?.what === "key" && !isKeyKnown(host, worker, flags.key);
  const final = isFirst
    ? { ...report, problem: null, keyIs: "first seen now: compare it" }
    : report;
  if (final.problem === null) keepSeen(host, remote.head);
  printVerdict(host, final, flags.json === true);
  return final.problem === null ? exitCodes.ok : exitCodes.failed;
}

/** The server has more than this computer: somebody cut the log here, or signed with its key. */
function beyond(own: Checkpoint | null, { entries }: Verdict, isOwn: boolean): Verdict["problem"] {
  if (!isOwn || own === null || entries <= own.size) return null;
  const why = `the server has ${entries} entries that the worker signed, and this computer's own log has ${own.size}`;
  return { seq: own.size, what: "history", why };
}

/** What the server may lag behind: the worker hands its log on once a second. */
const lagMs = 60_000;

/** The server's copy ends long before this computer's own log: it was put back, or cut. */
function behind(
  own: Checkpoint | null,
  { checkpoint }: SignedCheckpoint,
  isOwn: boolean,
): Verdict["problem"] {
  if (!isOwn || own === null || checkpoint.size >= own.size) return null;
  if (own.at - checkpoint.at <= lagMs) return null;
  const ends = new Date(checkpoint.at).toISOString();
  const why = `the server's copy ends with ${checkpoint.size} entries of ${ends}, and this computer's own log has ${own.size}: it was cut or put back, or the server was away since`;
  return { seq: checkpoint.size, what: "history", why };
}

async function onlyWorker(host: Host, client: ReturnType<typeof connect>): Promise<string> {
  const workers = await client.workers(host.signal);
  const [first] = workers;
  if (first !== undefined && workers.length === 1) return first.name;
  throw usageFailure(
    "Which worker's log?",
    `the server knows ${workers.length} workers`,
    "Name it: --worker NAME (openclaw-worker workers lists them)",
  );
}
