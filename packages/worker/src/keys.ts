// The keys of people who may approve or submit. They are enrolled by hand at this computer, in a file
// beside the policy; the server has no way to it.

import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  openSync,
  readFileSync,
  realpathSync,
  statSync,
} from "node:fs";
import { messageOf } from "@openclaw-worker/base";
import { nameSchema, parsePublicKey, type PublicKey } from "@openclaw-worker/protocol";
import { z } from "zod";
import { replaceFile } from "./durable.ts";
import { hasCode } from "./errno.ts";
import { problemAbove } from "./trust.ts";

const roleSchema = z.enum(["approver", "submitter"]);
export type KeyRole = z.infer<typeof roleSchema>;

const enrolledSchema = z.strictObject({
  name: nameSchema,
  /** `ssh-ed25519 AAAA…`, without a comment. */
  publicKey: z.string().max(1_000),
  roles: z.array(roleSchema).min(1).max(2),
  addedAt: z.int(),
  revokedAt: z.int().nullable(),
});
export type EnrolledKey = z.infer<typeof enrolledSchema>;

const keysMax = 1_000;
const ringSchema = z.strictObject({
  version: z.literal(1),
  keys: z.array(enrolledSchema).max(keysMax),
});
/** Everybody's keys, the revoked ones too: a key that was revoked is never taken again. */
export type KeyRing = z.infer<typeof ringSchema>;

export const emptyRing: KeyRing = { version: 1, keys: [] };

export interface NewKey {
  readonly name: string;
  /** As OpenSSH writes it; a comment is left out. */
  readonly publicKey: string;
  readonly roles: readonly KeyRole[];
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export type RingChange =
  | { readonly kind: "changed"; readonly ring: KeyRing; readonly key: EnrolledKey }
  | { readonly kind: "refused"; readonly because: string };

/** The ring with one more key; refused for a name or a key that it knows. */
export function enrollKey(ring: KeyRing, { name, publicKey, roles, at }: NewKey): RingChange {
  const parsed = parsePublicKey(publicKey);
  if (parsed === null) {
    return { kind: "refused", because: "that is no Ed25519 public key (ssh-ed25519 AAAA…)" };
  }
  if (!nameSchema.safeParse(name).success) {
    return { kind: "refused", because: "a name is 1 to 64 of letters, digits, '.', '_' and '-'" };
  }
  const same = ring.keys.find((known) => known.publicKey === parsed.text);
  if (same !== undefined) {
    const state = same.revokedAt === null ? "is enrolled already" : "was revoked: make a new one";
    return { kind: "refused", because: `this key (${same.name}) ${state}` };
  }
  if (ring.keys.some((known) => known.name === name && known.revokedAt === null)) {
    return { kind: "refused", because: `${name} has a key already: revoke that one first` };
  }
  if (ring.keys.length >= keysMax) return { kind: "refused", because: `at most ${keysMax} keys` };
  const key: EnrolledKey = {
    name,
    publicKey: parsed.text,
    roles: [...new Set(roles)],
    addedAt: at,
    revokedAt: null,
  };
  return { kind: "changed", ring: { ...ring, keys: [...ring.keys, key] }, key };
}

/** The ring with one key revoked, by its name or fingerprint. */
export function revokeKey(ring: KeyRing, which: string, at: number): RingChange {
  const found = ring.keys.find(
    (known) =>
      known.revokedAt === null &&
      (known.name === which || parsePublicKey(known.publicKey)?.fingerprint === which),
  );
  if (found === undefined) return { kind: "refused", because: `no key in force is ${which}` };
  const key = { ...found, revokedAt: at };
  const keys = ring.keys.map((known) => (known === found ? key : known));
  return { kind: "changed", ring: { ...ring, keys }, key };
}

/** @throws Error that says what is wrong in the text of a key file */
export function parseKeyRing(text: string): KeyRing {
  const parsed = ringSchema.safeParse(JSON.parse(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "is not understood"}`);
  }
  const bad = parsed.data.keys.find(
    ({ publicKey }) => parsePublicKey(publicKey)?.text !== publicKey,
  );
  if (bad !== undefined) throw new Error(`the key of ${bad.name} is no Ed25519 public key`);
  return parsed.data;
}

/** What became of looking up the key that signed something. */
export type KeyFound =
  | { readonly kind: "key"; readonly name: string; readonly key: PublicKey }
  | { readonly kind: "revoked"; readonly name: string }
  | { readonly kind: "unknown" };

/** The key with this fingerprint, if it is in force for the role. */
export function findKey(ring: KeyRing, fingerprint: string, role: KeyRole): KeyFound {
  let found: KeyFound = { kind: "unknown" };
  for (const { name, publicKey, roles, revokedAt } of ring.keys) {
    const key = parsePublicKey(publicKey);
    if (key === null || key.fingerprint !== fingerprint) continue;
    // A file that was written by hand may name a key twice: once revoked, it stays so.
    if (revokedAt !== null) return { kind: "revoked", name };
    if (roles.includes(role)) found = { kind: "key", name, key };
  }
  return found;
}

export type RingLoad =
  | { readonly kind: "ring"; readonly ring: KeyRing }
  | { readonly kind: "missing" }
  | { readonly kind: "refused"; readonly because: string };

export interface KeyFile {
  readonly file: string;
  /** Who must own the file (root may own it too). */
  readonly uid: number;
}

const fileBytesMax = 1_048_576;

/** Reads the key file: nobody but its owner may be able to change it. Never throws. */
export function loadKeyRing({ file, uid }: KeyFile): RingLoad {
  let opened: number;
  try {
    opened = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return { kind: "missing" };
    return { kind: "refused", because: `${file}: ${messageOf(thrown)}` };
  }
  try {
    return { kind: "ring", ring: parseKeyRing(readOwned(opened, file, uid)) };
  } catch (thrown) {
    return { kind: "refused", because: `${file}: ${messageOf(thrown)}` };
  } finally {
    closeSync(opened);
  }
}

/** @throws Error when others could have changed it */
function readOwned(opened: number, file: string, uid: number): string {
  const seen = fstatSync(opened);
  if (!seen.isFile() || seen.size > fileBytesMax) throw new Error("is no file of keys");
  if (seen.uid !== uid && seen.uid !== 0)
    throw new Error(`belongs to another user: take it with  sudo chown "$(id -un)" '${file}'`);
  if ((seen.mode & 0o022) !== 0)
    throw new Error(`can be changed by other users: close it with  chmod 600 '${file}'`);
  const open = problemAbove(realpathSync(file), uid, statSync);
  if (open !== null) throw new Error(open);
  if ((seen.mode & 0o077) !== 0 && seen.uid === uid) fchmodSync(opened, 0o600);
  return readFileSync(opened, "utf8");
}

/** Changes whenever the key file does: cheap enough to ask before each signature is judged. */
export function keyFileStamp(file: string): string {
  try {
    const { ino, size, ctimeNs } = statSync(file, { bigint: true });
    return `${ino} ${size} ${ctimeNs}`;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/** Puts the ring into its file (0600), whole or not at all, and waits for the disk. */
export function saveKeyRing(file: string, ring: KeyRing): void {
  replaceFile(file, `${JSON.stringify(ring, null, 2)}\n`);
}
