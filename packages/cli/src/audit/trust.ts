// Whose key is it? A signature is worth what is known of the key: named by the user, this computer's
// own worker's, or seen at an earlier look at the server.

import fs from "node:fs";
import { randomBytes } from "node:crypto";
import path from "node:path";
import { messageOf } from "@openclaw-worker/base";
import {
  fingerprintSchema,
  parsePrivateKey,
  parsePublicKey,
  signedCheckpointSchema,
  signerOf,
  type Checkpoint,
  type SignedCheckpoint,
} from "@openclaw-worker/protocol";
import { Failure, usageFailure } from "../failure.ts";
import type { Host } from "../host.ts";
import { ownFolder } from "../keep.ts";
import { expanded, placeOf } from "../place.ts";
import { lastHead } from "./folder.ts";

/** A fingerprint that is trusted, and why. */
export interface Trusted {
  readonly fingerprint: string;
  readonly because: string;
}

/** Worker → the newest head that was found good. */
type Seen = ReadonlyMap<string, SignedCheckpoint>;

/** The keys that may have signed for this worker. One that the user names is the only one. */
export function trustedKeys(host: Host, worker: string, named?: string): readonly Trusted[] {
  if (named !== undefined) {
    return [{ fingerprint: namedFingerprint(host, named), because: "named by --key" }];
  }
  const own = ownFingerprint(host);
  const head = seenHead(host, worker);
  const seen = head === null ? null : signerOf(head);
  return [
    ...(own === null ? [] : [{ fingerprint: own, because: "this computer's worker" }]),
    ...(seen === null
      ? []
      : [{ fingerprint: seen.fingerprint, because: `the worker ${worker}, as seen before` }]),
  ];
}

/** Why a key that none of these is, is not believed. */
export function strange(key: string, trusted: readonly Trusted[]): string {
  const [first] = trusted;
  return first === undefined
    ? `it is signed by ${key}, and whose that is is not known here: compare it, and give --key`
    : `it is signed by ${key}, and the key known here is ${first.fingerprint}`;
}

/** Is it known which key signs for this worker, so that no other may? */
export function isKeyKnown(host: Host, worker: string, named?: string): boolean {
  if (named !== undefined || seenHead(host, worker) !== null) return true;
  return ownFingerprint(host) !== null && ownHead(host)?.worker === worker;
}

/** The newest head of this computer's worker; null when there is none, or it is not this user's to read. */
export function ownHead(host: Host): Checkpoint | null {
  try {
    return lastHead(placeOf(host).worker)?.head.checkpoint ?? null;
  } catch {
    return null;
  }
}

/** Fingerprint of this computer's worker; null when there is none, or it is not this user's to read. */
export function ownFingerprint(host: Host): string | null {
  try {
    const pem = fs.readFileSync(path.join(placeOf(host).worker, "identity.pem"), "utf8");
    return parsePrivateKey(pem)?.public.fingerprint ?? null;
  } catch {
    return null;
  }
}

/** The newest head of this worker that was found good at an earlier look at the server. */
export function seenHead(host: Host, worker: string): SignedCheckpoint | null {
  return readSeen(host).get(worker) ?? null;
}

/** Remembers a good head: a server that shows another history later is caught. */
export function keepSeen(host: Host, head: SignedCheckpoint): void {
  const { worker, size } = head.checkpoint;
  const before = readSeen(host);
  if ((before.get(worker)?.checkpoint.size ?? -1) >= size) return;
  const file = seenFile(host);
  ownFolder(path.dirname(file));
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  const heads = Object.fromEntries(new Map([...before, [worker, head]]));
  const seen = { version: 1, heads };
  fs.writeFileSync(draft, `${JSON.stringify(seen, null, 2)}\n`, { mode: 0o600, flag: "wx" });
  fs.renameSync(draft, file);
}

/** @throws Failure when the file is there and cannot be read: what it knows must not be forgotten */
function readSeen(host: Host): Seen {
  const file = seenFile(host);
  try {
    const value: unknown = JSON.parse(fs.readFileSync(file, "utf8"));
    if (typeof value !== "object" || value === null || !("heads" in value))
      throw new Error("no heads");
    const entries = Object.entries(value.heads ?? {});
    return new Map(entries.map(([name, head]) => [name, signedCheckpointSchema.parse(head)]));
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return new Map();
    throw new Failure("What was seen before cannot be read", {
      why: `${file}: ${messageOf(cause)}`,
      remedy: "Mend it; or move it away, and compare the worker's key again.",
      cause,
    });
  }
}

function seenFile(host: Host): string {
  return path.join(placeOf(host).home, "audit-seen.json");
}

/** @throws Failure when it is neither a fingerprint nor a public key nor a file that holds one */
function namedFingerprint(host: Host, named: string): string {
  if (fingerprintSchema.safeParse(named).success) return named;
  const key =
    parsePublicKey(named) ?? keyInFile(path.resolve(host.cwd, expanded(named, host.home)));
  if (key !== null) return key.fingerprint;
  throw usageFailure(
    `--key ${named} is no key`,
    "it is neither a fingerprint (SHA256:…) nor a public key (ssh-ed25519 …) nor a file with one",
    "Show the worker's at its computer: openclaw-worker audit key",
  );
}

function keyInFile(file: string) {
  try {
    return parsePublicKey(fs.readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}
