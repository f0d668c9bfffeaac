// The small files that `up` leaves behind: the token for each half, and what this command needs to
// find the server. Each is 0600 of the one who reads it.

import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { messageOf } from "@openclaw-worker/base";
import type { Connection } from "./connection.ts";
import { Failure } from "./failure.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const tokenBytesMax = 4_096;

/**
 * The token in the file; a new one (256 bits) is made when there is none.
 * @param owner who gets a file that is made; null: the user who runs this
 */
export function keptToken(file: string, owner: Owner | null): string {
  const kept = readKept(file);
  if (kept !== null) return kept;
  const token = randomBytes(32).toString("hex");
  writeNew(file, `${token}\n`, owner);
  return token;
}

/** Puts the token in the file unless one is there already. */
export function keepToken(file: string, token: string, owner: Owner | null): void {
  if (readKept(file) === null) writeNew(file, `${token}\n`, owner);
}

/** Writes the address and the token for this user's later commands, whole or not at all. */
export function keepConnection(file: string, connection: Connection): void {
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  const text = `${JSON.stringify({ url: connection.url, token: connection.token }, null, 2)}\n`;
  fs.writeFileSync(draft, text, { mode: 0o600, flag: "wx" });
  fs.renameSync(draft, file);
}

/** A folder of this user alone; an existing one stays as it is. */
export function ownFolder(folder: string): void {
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new Failure("Cannot make the state folder", {
      why: messageOf(cause),
      remedy: "Choose another with OPENCLAW_WORKER_HOME, or make its parent writable for you.",
      cause,
    });
  }
}

/** Writes a new file, 0600, of the owner; fails when one is there. */
export function writeNew(file: string, text: string, owner: Owner | null): void {
  const opened = fs.openSync(file, "wx", 0o600);
  try {
    if (owner !== null) fs.fchownSync(opened, owner.uid, owner.gid);
    fs.writeFileSync(opened, text);
  } finally {
    fs.closeSync(opened);
  }
}

// As root this reads in a folder of another user: a link there must not lead to a file of root's.
function readKept(file: string): string | null {
  let opened: number;
  try {
    opened = fs.openSync(
      file,
      fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK,
    );
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
    throw unreadable(file, messageOf(cause), cause);
  }
  try {
    const seen = fs.fstatSync(opened);
    const text =
      seen.isFile() && seen.size <= tokenBytesMax ? fs.readFileSync(opened, "utf8").trim() : "";
    if (/^[\x21-\x7e]{16,1024}$/.test(text)) return text;
    throw unreadable(file, "it holds no token", null);
  } finally {
    fs.closeSync(opened);
  }
}

function unreadable(file: string, why: string, cause: unknown): Failure {
  return new Failure(`Cannot use the token in ${file}`, {
    why,
    remedy: `Look at it, or move it away for a new one: mv ${file} ${path.basename(file)}.old`,
    cause,
  });
}
