// The worker's folder on the disk: nobody else reads it, and one worker at a time uses it.

import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
} from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { messageOf } from "@openclaw-worker/base";
import { hasCode } from "./errno.ts";

/** Makes the folder (0700) if it is missing, or closes it to others. Null, or why it cannot be used. */
export function preparePrivateFolder(folder: string, uid: number): string | null {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const seen = statSync(folder);
    if (!seen.isDirectory()) return `${folder} is not a folder: move it away`;
    if (seen.uid !== uid) {
      return `${folder} belongs to another user: take it with  sudo chown -R "$(id -un)" '${folder}'`;
    }
    if ((seen.mode & 0o077) !== 0) chmodSync(folder, 0o700);
    return null;
  } catch (thrown) {
    return `${folder} cannot be used: ${messageOf(thrown)}`;
  }
}

/**
 * The folder that holds this worker's folder and perhaps the server's: made (0700) if it is missing.
 * It may be root's, when root set both up for two users; nobody else may be able to change it.
 */
export function prepareParentFolder(folder: string, uid: number): string | null {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const seen = statSync(folder);
    if (!seen.isDirectory()) return `${folder} is not a folder: move it away`;
    if (seen.uid !== uid && seen.uid !== 0) {
      return `${folder} belongs to another user: take it with  sudo chown "$(id -un)" '${folder}'`;
    }
    if ((seen.mode & 0o022) === 0) return null;
    if (seen.uid === 0 && uid !== 0) {
      return `${folder} can be changed by other users: close it with  sudo chmod go-w '${folder}'`;
    }
    chmodSync(folder, seen.mode & 0o755);
    return null;
  } catch (thrown) {
    return `${folder} cannot be used: ${messageOf(thrown)}`;
  }
}

export type SecretRead =
  | { readonly kind: "secret"; readonly text: string }
  | { readonly kind: "missing" }
  | { readonly kind: "refused"; readonly because: string };

const secretBytesMax = 4_096;

/** Reads a file that holds one line that only its owner may know; closes it (0600) if others could read it. */
export function readSecret(file: string, uid: number): SecretRead {
  let opened: number;
  try {
    opened = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return { kind: "missing" };
    return { kind: "refused", because: `${file} cannot be read: ${messageOf(thrown)}` };
  }
  try {
    const seen = fstatSync(opened);
    if (!seen.isFile() || seen.size > secretBytesMax)
      return { kind: "refused", because: `${file} is not a token's file` };
    if (seen.uid !== uid) {
      return {
        kind: "refused",
        because: `${file} belongs to another user: take it with  sudo chown "$(id -un)" '${file}'`,
      };
    }
    if ((seen.mode & 0o077) !== 0) chmodSync(file, 0o600);
    return { kind: "secret", text: readFileSync(opened, "utf8").trim() };
  } catch (thrown) {
    return { kind: "refused", because: `${file} cannot be read: ${messageOf(thrown)}` };
  } finally {
    closeSync(opened);
  }
}

/**
 * Keeps a state folder for this process until it is disposed or the process ends, however it ends:
 * the lock is the system's own, on an SQLite file in an open exclusive transaction.
 * @returns null when another process has it
 * @throws Error when the file cannot be made
 */
export function lockFolder(file: string): Disposable | null {
  closeSync(openSync(file, "a", 0o600));
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (thrown) {
    database.close();
    if (isBusy(thrown)) return null;
    throw thrown;
  }
  return { [Symbol.dispose]: () => database.close() };
}

// SQLITE_BUSY, https://sqlite.org/rescode.html#busy
function isBusy(thrown: unknown): boolean {
  return thrown instanceof Error && "errcode" in thrown && thrown.errcode === 5;
}
