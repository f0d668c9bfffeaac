// The worker's ring of keys, changed by hand at its computer: the server has no way to it.

import fs from "node:fs";
import path from "node:path";
import { messageOf } from "@openclaw-worker/base";
import { parsePublicKey, type PublicKey } from "@openclaw-worker/protocol";
import {
  emptyRing,
  enrollKey,
  loadKeyRing,
  revokeKey,
  saveKeyRing,
  type EnrolledKey,
  type KeyRing,
  type RingChange,
} from "@openclaw-worker/worker";
import { exitCodes, Failure, usageFailure } from "../failure.ts";
import type { Host } from "../host.ts";
import { ownFolder } from "../keep.ts";
import { paintOf } from "../paint.ts";
import { placeOf } from "../place.ts";
import { tableText } from "../table.ts";

export interface EnrollFlags {
  readonly role: readonly ("approver" | "submitter")[];
  readonly fingerprint?: string;
  readonly json?: boolean;
}

interface Enrollment {
  readonly name: string;
  /** A public key, or the name of a file that holds one. */
  readonly key: string;
  readonly flags: EnrollFlags;
}

/** Enrolls after a person has compared the fingerprints. Resolves with the exit code. */
export async function enroll(host: Host, { name, key, flags }: Enrollment): Promise<number> {
  const parsed = readPublicKey(host, key);
  const ring = readRing(host);
  const change = enrollKey(ring, {
    name,
    publicKey: parsed.text,
    roles: flags.role,
    at: host.clock.now(),
  });
  const changed = demand(change, "The key is not enrolled");
  if (!(await isCompared(host, parsed, flags))) {
    throw new Failure("The key is not enrolled", {
      why: "its fingerprint was not confirmed",
      remedy: "Show the fingerprint on the other screen (openclaw-worker key show) and compare.",
    });
  }
  writeRing(host, changed.ring);
  const what = flags.role.map((role) => (role === "approver" ? "approve" : "submit")).join(" and ");
  const text = `${name} may ${what} from now on, with ${parsed.fingerprint}\n`;
  host.stdout.write(flags.json === true ? `${JSON.stringify(shownKey(changed.key))}\n` : text);
  return exitCodes.ok;
}

export function listKeys(host: Host, json: boolean): number {
  const keys = readRing(host).keys.map(shownKey);
  if (json) host.stdout.write(`${JSON.stringify(keys, null, 2)}\n`);
  else if (keys.length === 0) {
    host.stderr.write(
      "No key is enrolled.\n  do:  openclaw-worker key enroll NAME 'ssh-ed25519 …' --role approver\n",
    );
  } else {
    const rows = keys.map(({ name, roles, fingerprint, addedAt, revokedAt }) => [
      name,
      roles.join(","),
      fingerprint,
      dayOf(addedAt),
      revokedAt === null ? "" : `revoked ${dayOf(revokedAt)}`,
    ]);
    const head = ["NAME", "MAY", "FINGERPRINT", "SINCE", ""];
    host.stdout.write(
      tableText([head, ...rows], host.stdout.isTerminal ? host.stdout.columns : 400),
    );
  }
  return exitCodes.ok;
}

export function revoke(host: Host, which: string, json: boolean): number {
  const change = revokeKey(readRing(host), which, host.clock.now());
  const { ring, key } = demand(change, "No key was revoked");
  writeRing(host, ring);
  const text = `${key.name}'s key is out of force\n`;
  host.stdout.write(json ? `${JSON.stringify(shownKey(key))}\n` : text);
  return exitCodes.ok;
}

async function isCompared(host: Host, key: PublicKey, flags: EnrollFlags): Promise<boolean> {
  if (flags.fingerprint !== undefined) return flags.fingerprint.trim() === key.fingerprint;
  if (!host.stdin.isTerminal) {
    throw usageFailure(
      "Nobody can compare the fingerprint",
      "standard input is no terminal",
      "Give what the other screen shows: --fingerprint 'SHA256:…'",
    );
  }
  const paint = paintOf(host, host.stderr);
  host.stderr.write(
    `Fingerprint of this key:\n\n  ${paint.bold(key.fingerprint)}\n\n` +
      "Does the other screen show exactly this? (openclaw-worker key show, there)\n" +
      "Type yes: ",
  );
  return (await host.stdin.readLine(host.signal))?.trim().toLowerCase() === "yes";
}

function readPublicKey(host: Host, given: string): PublicKey {
  const text = given.trim().startsWith("ssh-") ? given : readText(path.resolve(host.cwd, given));
  const key = parsePublicKey(text);
  if (key !== null) return key;
  throw usageFailure(
    "That is no public key",
    "an Ed25519 public key reads ssh-ed25519 AAAA…",
    "Print it where it was made: openclaw-worker key show",
  );
}

function readText(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (cause) {
    throw new Failure("The public key cannot be read", {
      why: messageOf(cause),
      remedy: "Give the key itself in quotes, or a file that holds it.",
      cause,
    });
  }
}

function ringFile(host: Host): string {
  return path.join(placeOf(host).home, "keys.json");
}

function readRing(host: Host): KeyRing {
  const load = loadKeyRing({ file: ringFile(host), uid: ownerOf(host)?.uid ?? host.uid });
  if (load.kind === "ring") return load.ring;
  if (load.kind === "missing") return emptyRing;
  const closed = load.because.includes("EACCES");
  throw new Failure("The enrolled keys cannot be read", {
    why: load.because,
    remedy: closed
      ? "Do it as the user whose worker it is."
      : "Mend the file as it says; the worker keeps the keys that it read last.",
  });
}

function writeRing(host: Host, ring: KeyRing): void {
  const file = ringFile(host);
  const owner = ownerOf(host);
  if (owner === null) ownFolder(path.dirname(file));
  try {
    saveKeyRing(file, ring);
    if (owner !== null) fs.chownSync(file, owner.uid, owner.gid);
  } catch (cause) {
    throw new Failure("The keys cannot be written", {
      why: messageOf(cause),
      remedy: `Do it as the user whose worker it is: the owner of ${path.dirname(file)}.`,
      cause,
    });
  }
}

/** As root: the user whose worker reads the file, which is the policy's owner. */
function ownerOf(host: Host): { readonly uid: number; readonly gid: number } | null {
  if (host.uid !== 0) return null;
  try {
    const { uid, gid } = fs.statSync(placeOf(host).policy);
    return { uid, gid };
  } catch {
    return null;
  }
}

function demand(change: RingChange, what: string): Extract<RingChange, { kind: "changed" }> {
  if (change.kind === "changed") return change;
  throw new Failure(what, {
    why: change.because,
    remedy: "See who is known: openclaw-worker key list",
  });
}

function shownKey(key: EnrolledKey) {
  const fingerprint = parsePublicKey(key.publicKey)?.fingerprint ?? "";
  return { ...key, fingerprint };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
