import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Folder extends Disposable {
  readonly path: string;
}

/** A temporary folder that is gone at the end of the block. */
export function temporaryFolder(owner?: number): Folder {
  const path = mkdtempSync(join(tmpdir(), "openclaw-server-"));
  if (owner !== undefined) chownSync(path, owner, owner);
  return {
    path,
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
