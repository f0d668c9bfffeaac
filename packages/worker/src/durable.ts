// Small files that must be whole, and on the disk, before anybody relies on them.

import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fsyncSync,
  openSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

/**
 * Writes a file (0600) in another's place, whole or not at all; it is on the disk when this returns.
 * @throws Error when the disk does not take it: the old file is then still there
 */
export function replaceFile(file: string, text: string): void {
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    writeSynced(draft, text);
    renameSync(draft, file);
  } catch (thrown) {
    try {
      unlinkSync(draft);
    } catch {
      // It was not made, or it was moved: there is nothing to clear away.
    }
    throw thrown;
  }
  const folder = openSync(path.dirname(file), constants.O_RDONLY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function writeSynced(file: string, text: string): void {
  const opened = openSync(file, "wx", 0o600);
  try {
    writeFileSync(opened, text);
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}
