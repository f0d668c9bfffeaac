// The worker's own key. It signs what the worker says of itself, and never leaves its folder.

import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import path from "node:path";
import { messageOf } from "@openclaw-worker/base";
import {
  newPrivateKey,
  parsePrivateKey,
  privateKeyPem,
  type PrivateKey,
} from "@openclaw-worker/protocol";
import { replaceFile } from "./durable.ts";
import { hasCode } from "./errno.ts";

const fileBytesMax = 4_096;

export type IdentityRead =
  | { readonly kind: "identity"; readonly key: PrivateKey; readonly isNew: boolean }
  | { readonly kind: "refused"; readonly because: string };

/** The worker's own key, from `identity.pem` in its state folder; made there at the first start. */
export function openIdentity(stateDir: string, uid: number): IdentityRead {
  const file = path.join(stateDir, "identity.pem");
  try {
    const found = readIdentity(file, uid);
    if (found !== null) return { kind: "identity", key: found, isNew: false };
    const key = newPrivateKey();
    replaceFile(file, privateKeyPem(key));
    return { kind: "identity", key, isNew: true };
  } catch (thrown) {
    const because = `${file}: ${messageOf(thrown)}. Put the right file back; or move it away, and the worker is a new one for everybody who knew it`;
    return { kind: "refused", because };
  }
}

function readIdentity(file: string, uid: number): PrivateKey | null {
  let opened: number;
  try {
    opened = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return null;
    throw thrown;
  }
  try {
    const seen = fstatSync(opened);
    if (!seen.isFile() || seen.size > fileBytesMax) throw new Error("is no key file");
    if (seen.uid !== uid || (seen.mode & 0o077) !== 0) {
      throw new Error("others can read or change it, so it is nobody's identity any more");
    }
    const key = parsePrivateKey(readFileSync(opened, "utf8"));
    if (key === null) throw new Error("holds no Ed25519 private key");
    return key;
  } finally {
    closeSync(opened);
  }
}
