// The server's own folder: made 0700, checked, and with a token when none was given.

import { messageOf } from "@openclaw-worker/base";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { checkToken, ConfigError } from "./config.ts";

/**
 * Makes the state folder or checks the one that is there: it must belong to this user. A mode that
 * lets others in is mended.
 * @throws ConfigError with the command that fixes it
 */
export function prepareStateDir(stateDir: string, uid: number): void {
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const stat = statSync(stateDir);
    if (stat.uid !== uid) {
      throw new ConfigError(
        `${stateDir} belongs to user ${stat.uid}, this server runs as user ${uid}. Run: chown -R ${uid} '${stateDir}'`,
      );
    }
    if ((stat.mode & 0o077) !== 0) chmodSync(stateDir, 0o700);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(
      `Cannot use the state folder ${stateDir}: ${messageOf(error)}. ` +
        "Choose another with OPENCLAW_WORKER_HOME, or make it writable for this user.",
      { cause: error },
    );
  }
}

/** Makes the file, empty, when there is none; only this user may read it. */
export function ownFile(file: string): string {
  closeSync(openSync(file, "a", 0o600));
  chmodSync(file, 0o600);
  return file;
}

export interface KeptToken {
  readonly token: string;
  readonly file: string;
  /** Made just now: it is printed once, and never again. */
  readonly isNew: boolean;
}

/** The token in the state folder; a new one (256 bits) is made when there is none. */
export function keptToken(stateDir: string): KeptToken {
  const file = `${stateDir}/token`;
  if (existsSync(file)) {
    try {
      return { token: checkToken(readFileSync(file, "utf8").trim()), file, isNew: false };
    } catch (error) {
      throw new ConfigError(`${file}: ${messageOf(error)}`, { cause: error });
    }
  }
  const token = randomBytes(32).toString("hex");
  writeFileSync(file, `${token}\n`, { mode: 0o600, flag: "wx" });
  return { token, file, isNew: true };
}
