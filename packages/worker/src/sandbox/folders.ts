// What the cage needs of the disk: a folder of its own for pipes, and looks at folders.

import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Clock } from "@openclaw-worker/base";
import { launcherEnv, toolFolders } from "./launcher.ts";
import { runOnce } from "./spawn.ts";

/** The two ends of one pipe: ours and the child's. */
export interface PipeEnds {
  readonly ownFd: number;
  readonly childFd: number;
}

export interface FifoTriple {
  readonly stdin: PipeEnds;
  readonly stdout: PipeEnds;
  readonly stderr: PipeEnds;
  closeChildSide(): void;
}

/** A private folder in the worker's state, for pipes that are opened and unlinked at once. */
export interface PipeFolder extends Disposable {
  readonly path: string;
  /** Three new pipes. Makes names in batches, because each batch costs a process. */
  open(): Promise<FifoTriple>;
}

const pipesPerBatch = 48;
const folderPrefix = "cage-";

/** Makes the folder below `stateDir` and removes those of workers that were killed. */
export function openPipeFolder(stateDir: string, clock: Clock): PipeFolder {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(stateDir)) {
    if (name.startsWith(folderPrefix)) rmSync(join(stateDir, name), { recursive: true, force: true });
  }
  const path = mkdtempSync(join(stateDir, folderPrefix));
  let spare: readonly string[] = [];
  let batches = 0;
  let filling: Promise<void> | null = null;
  const fill = async (): Promise<void> => {
    batches += 1;
    const names = Array.from({ length: pipesPerBatch }, (_, at) => join(path, `${batches}-${at}`));
    const mkfifo = findTool("mkfifo") ?? "/usr/bin/mkfifo";
    const made = await runOnce({
      argv: [mkfifo, "-m", "600", "--", ...names],
      env: launcherEnv,
      cwd: "/",
      clock,
      timeoutMs: 5_000,
      outputBytesMax: 65_536,
    });
    if (made.exitCode !== 0) throw new Error(`mkfifo failed: ${made.stderr.toString("utf8")}`);
    spare = [...spare, ...names];
  };
  return {
    path,
    async open() {
      while (spare.length < 3) await (filling ??= fill().finally(() => (filling = null)));
      const [stdin = "", stdout = "", stderr = "", ...rest] = spare;
      spare = rest;
      return openTriple(openIn(stdin), openOut(stdout), openOut(stderr));
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

function openTriple(stdin: PipeEnds, stdout: PipeEnds, stderr: PipeEnds): FifoTriple {
  return {
    stdin,
    stdout,
    stderr,
    closeChildSide() {
      for (const ends of [stdin, stdout, stderr]) closeSync(ends.childFd);
    },
  };
}

/** A pipe that the child writes. Our end first: a FIFO's writer waits until it has a reader. */
function openOut(path: string): PipeEnds {
  const ownFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const childFd = openSync(path, constants.O_WRONLY);
  unlinkSync(path);
  return { ownFd, childFd };
}

/** A pipe that the child reads. */
function openIn(path: string): PipeEnds {
  // Both ways for a moment, so that neither end waits for the other.
  const both = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const childFd = openSync(path, constants.O_RDONLY);
  const ownFd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  closeSync(both);
  unlinkSync(path);
  return { ownFd, childFd };
}

/** The absolute path of a tool of the launch, or null when it is not installed. */
export function findTool(name: string): string | null {
  return toolFolders.map((folder) => join(folder, name)).find((path) => kindOf(path) === "file") ?? null;
}

/** What is at `path`, symbolic links followed; null when nothing is, or when it cannot be seen. */
export function kindOf(path: string): "file" | "folder" | "other" | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  if (stat.isFile()) return "file";
  return stat.isDirectory() ? "folder" : "other";
}

/** Whether anything has this name, a dangling link included. */
export function nameExists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** The path without symbolic links, or null when there is nothing. */
export function realPathOf(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

/** Whether a folder exists and users other than its owner and root cannot write it. */
export function isPrivatelyWritable(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.isDirectory() && (stat.mode & 0o002) === 0;
}

/** Names in a folder, sorted; none when it cannot be read. */
export function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
}

/** A file with a secret, for the self-test to look for. Disposing of it removes it. */
export function plantSecret(folder: string, secret: string): Disposable & { readonly path: string } {
  const path = join(folder, "secret");
  writeFileSync(path, secret, { mode: 0o600 });
  return { path, [Symbol.dispose]: () => rmSync(path, { force: true }) };
}

export function removeFile(path: string): void {
  rmSync(path, { force: true });
}
