// The worker's folder on the disk: nobody else reads it, and one worker at a time uses it.

import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  unlinkSync,
} from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { messageOf } from "@openclaw-worker/base";
import { hasCode } from "./errno.ts";
import { problemAbove } from "./trust.ts";

/**
 * Makes the folder (0700) if it is missing, or closes it and what lies right in it to others: the
 * journal, the lock, the token, folders. Null, or why it cannot be used.
 */
export function preparePrivateFolder(folder: string, uid: number): string | null {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const seen = statSync(folder);
    if (!seen.isDirectory()) return `${folder} is not a folder: move it away`;
    if (seen.uid !== uid) {
      return `${folder} belongs to another user: take it with  sudo chown -R "$(id -un)" '${folder}'`;
    }
    if ((seen.mode & 0o077) !== 0) chmodSync(folder, 0o700);
    for (const name of readdirSync(folder)) {
      const problem = closeOwn(path.join(folder, name), uid);
      if (problem !== null) return problem;
    }
    return null;
  } catch (thrown) {
    return `${folder} cannot be used: ${messageOf(thrown)}`;
  }
}

/** What another user could have put there, before the folder was closed, is not used. */
function closeOwn(file: string, uid: number): string | null {
  const seen = lstatSync(file, { throwIfNoEntry: false });
  // Gone meanwhile, as an SQLite file beside a journal may be.
  if (seen === undefined) return null;
  if (seen.isSymbolicLink()) {
    // Where a token comes from is the user's choice; whose it is, is looked at when it is read.
    if (path.basename(file) === "token") return null;
    return `${file} is a link: nothing of the worker's is one. Look where it leads, then  rm '${file}'`;
  }
  // Root may leave something here (`sudo touch …/stop`), and is trusted with it.
  if (seen.uid === 0 && uid !== 0) return null;
  if (seen.uid !== uid) {
    return `${file} belongs to another user: take it with  sudo chown -R "$(id -un)" '${file}'`;
  }
  if ((seen.mode & 0o077) !== 0) chmodSync(file, seen.isDirectory() ? 0o700 : 0o600);
  return null;
}

/**
 * The folder that holds this worker's folder and perhaps the server's: made (0700) if it is missing.
 * It may be root's, when root set both up for two users; nobody else may be able to change it, or
 * to put another in its place by changing a folder above it.
 */
export function prepareParentFolder(folder: string, uid: number): string | null {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const seen = statSync(folder);
    if (!seen.isDirectory()) return `${folder} is not a folder: move it away`;
    if (seen.uid !== uid && seen.uid !== 0) {
      return `${folder} belongs to another user: take it with  sudo chown "$(id -un)" '${folder}'`;
    }
    if ((seen.mode & 0o022) !== 0) {
      if (seen.uid === 0 && uid !== 0) {
        return `${folder} can be changed by other users: close it with  sudo chmod go-w '${folder}'`;
      }
      chmodSync(folder, seen.mode & 0o755);
    }
    const problem = problemAbove(realpathSync(folder), uid, statSync);
    return problem === null ? null : `${folder} ${problem}`;
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
    if ((seen.mode & 0o077) !== 0) fchmodSync(opened, 0o600);
    return { kind: "secret", text: readFileSync(opened, "utf8").trim() };
  } catch (thrown) {
    return { kind: "refused", because: `${file} cannot be read: ${messageOf(thrown)}` };
  } finally {
    closeSync(opened);
  }
}

/**
 * Keeps a state folder for this process until it is disposed or the process ends, however it ends:
 * the lock is the system's own, on an SQLite file in an open exclusive transaction. Sockets in the
 * folder are then a dead process's, and are removed: nobody may wait behind one.
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
  removeSockets(path.dirname(file));
  return { [Symbol.dispose]: () => database.close() };
}

function removeSockets(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isSocket()) unlinkSync(path.join(folder, entry.name));
  }
}

// SQLITE_BUSY, https://sqlite.org/rescode.html#busy
function isBusy(thrown: unknown): boolean {
  return thrown instanceof Error && "errcode" in thrown && thrown.errcode === 5;
}
