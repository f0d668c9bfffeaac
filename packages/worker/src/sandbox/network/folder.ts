// Where gateways have their sockets: a private folder in the worker's state.

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { processesNaming } from "../processes.ts";
import { killAll } from "../spawn.ts";

const folderPrefix = "net-";

export interface SocketFolder extends Disposable {
  readonly path: string;
}

/**
 * Clears away what workers that were killed left below `stateDir`: gateways, their bridges, sockets.
 * One worker at a time has a state folder, so whatever names a folder of this kind is nobody's now.
 */
export function sweepGateways(stateDir: string): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  killAll(processesNaming(join(stateDir, folderPrefix)));
  for (const name of readdirSync(stateDir)) {
    if (name.startsWith(folderPrefix)) {
      rmSync(join(stateDir, name), { recursive: true, force: true });
    }
  }
}

/** A new folder for one gateway. */
export function openSocketFolder(stateDir: string): SocketFolder {
  const path = mkdtempSync(join(stateDir, folderPrefix));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
