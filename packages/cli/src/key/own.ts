// This user's own key: what they sign tasks and approvals with. It never leaves this computer; only
// its public half is given to workers.

import fs from "node:fs";
import path from "node:path";
import { messageOf } from "@openclaw-worker/base";
import {
  newPrivateKey,
  parsePrivateKey,
  privateKeyPem,
  type PrivateKey,
} from "@openclaw-worker/protocol";
import { Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import { ownFolder, writeNew } from "../keep.ts";
import { placeOf } from "../place.ts";

const keyBytesMax = 4_096;

/** Where it lies unless `--identity` says otherwise. */
export function keyFileOf(host: Host): string {
  return path.join(placeOf(host).home, "key.pem");
}

/**
 * Makes a key in a new file, 0600.
 * @throws Failure when a file is there: a key is never replaced
 */
export function makeKey(host: Host, file: string): PrivateKey {
  if (fs.existsSync(file)) {
    throw new Failure("There is a key already", {
      why: `${file} is there, and workers may know its public half`,
      remedy:
        "Show it: openclaw-worker key show. Make another: openclaw-worker key new --identity FILE",
    });
  }
  if (path.dirname(file) === placeOf(host).home) ownFolder(path.dirname(file));
  const key = newPrivateKey();
  writeNew(file, privateKeyPem(key), null);
  return key;
}

/**
 * The key in the file, or null when there is none.
 * @throws Failure when it cannot be used: it is not ours alone, or no Ed25519 key
 */
export function readKey(host: Host, file: string): PrivateKey | null {
  const text = readOwn(host, file);
  if (text === null) return null;
  const key = parsePrivateKey(text);
  if (key !== null) return key;
  throw new Failure("The key cannot be used", {
    why: `${file} holds no Ed25519 private key in PEM (PKCS #8)`,
    remedy: "Make one: openclaw-worker key new --identity FILE",
  });
}

/** @throws Failure when there is no key */
export function needKey(host: Host, file: string): PrivateKey {
  const key = readKey(host, file);
  if (key !== null) return key;
  throw new Failure("There is no key to sign with", {
    why: `${file} does not exist`,
    remedy:
      "Make one: openclaw-worker key new\n" +
      "then let the worker know it, at its computer: openclaw-worker key enroll …",
  });
}

function readOwn(host: Host, file: string): string | null {
  let opened: number;
  try {
    opened = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
    throw new Failure("The key cannot be read", {
      why: messageOf(cause),
      remedy: `Look at it: ls -l ${file}`,
      cause,
    });
  }
  try {
    const { mode, size, uid } = fs.fstatSync(opened);
    if ((mode & 0o077) !== 0 || (host.uid >= 0 && uid !== host.uid)) {
      throw new Failure("The key is not yours alone", {
        why: `others can read ${file}, or it belongs to another user`,
        remedy: `chmod 600 ${file}`,
      });
    }
    return size > keyBytesMax ? "" : fs.readFileSync(opened, "utf8");
  } finally {
    fs.closeSync(opened);
  }
}
