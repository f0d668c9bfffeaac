// What the cage needs of the disk: a folder of its own for streams, and looks at folders.

import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFile,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Clock } from "@openclaw-worker/base";
import { systemCallFilter } from "./filter.ts";
import { launcherEnv, toolFolders } from "./launcher.ts";
import { killAll, runOnce } from "./spawn.ts";
import type { StreamEnds, StreamFolder, TaskInput, TaskStreams } from "./streams.ts";

const fifosPerBatch = 32;
const folderPrefix = "cage-";

/**
 * Makes the folder below `stateDir`, and clears away what workers that were killed left there and
 * what they left running. One worker at a time has a state folder.
 */
export function openStreamFolder(stateDir: string, clock: Clock): StreamFolder {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  killAll(leftRunning(join(stateDir, folderPrefix)));
  for (const name of readdirSync(stateDir)) {
    if (name.startsWith(folderPrefix))
      rmSync(join(stateDir, name), { recursive: true, force: true });
  }
  const path = mkdtempSync(join(stateDir, folderPrefix));
  const filter = join(path, "filter");
  writeFileSync(filter, systemCallFilter(), { mode: 0o600, flag: "wx" });
  let spare: readonly string[] = [];
  let batches = 0;
  let filling: Promise<void> | null = null;
  const fill = async (): Promise<void> => {
    batches += 1;
    const names = Array.from({ length: fifosPerBatch }, (_, at) => join(path, `${batches}-${at}`));
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
      while (spare.length < 2) await (filling ??= fill().finally(() => (filling = null)));
      const [stdout = "", stderr = "", ...rest] = spare;
      spare = rest;
      return openStreams(openInput(`${stdout}-in`), openOutput(stdout), openOutput(stderr));
    },
    openFilter() {
      const fd = openSync(filter, constants.O_RDONLY);
      return { fd, [Symbol.dispose]: () => closeSync(fd) };
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** Processes whose standard input is one of ours: a cage that was being built, for nobody now. */
function leftRunning(prefix: string): readonly number[] {
  const isOurs = (pid: string): boolean => {
    try {
      return readlinkSync(`/proc/${pid}/fd/0`).startsWith(prefix);
    } catch {
      // Another user's process, or one that has ended.
      return false;
    }
  };
  return namesIn("/proc")
    .filter((name) => /^\d+$/.test(name) && isOurs(name))
    .map(Number);
}

function openStreams(input: TaskInput, stdout: StreamEnds, stderr: StreamEnds): TaskStreams {
  return {
    input,
    stdout,
    stderr,
    closeChildSide() {
      for (const fd of [input.childFd, stdout.childFd, stderr.childFd]) closeSync(fd);
    },
  };
}

/** A pipe that the child writes. Our end first: a FIFO's writer waits until it has a reader. */
function openOutput(path: string): StreamEnds {
  const ownFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const childFd = openSync(path, constants.O_WRONLY);
  unlinkSync(path);
  return { ownFd, childFd };
}

function openInput(path: string): TaskInput {
  const ownFd = openSync(path, "wx", 0o600);
  const childFd = openSync(path, constants.O_RDONLY);
  unlinkSync(path);
  let open = true;
  const close = (): void => {
    if (open) closeSync(ownFd);
    open = false;
  };
  return {
    childFd,
    close,
    give: (text) =>
      new Promise((resolve, reject) => {
        // The descriptor is this write's own from here: closing it meanwhile would hand its number
        // to somebody else's file.
        open = false;
        writeFile(ownFd, text, (error) => {
          closeSync(ownFd);
          if (error === null) resolve();
          else reject(error);
        });
      }),
  };
}

/** The absolute path of a tool of the launch, or null when it is not installed. */
export function findTool(name: string): string | null {
  return (
    toolFolders.map((folder) => join(folder, name)).find((path) => kindOf(path) === "file") ?? null
  );
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

/** Whether there is a socket that belongs to this user. */
export function isOwnSocket(path: string, userId: number): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.isSocket() && stat.uid === userId;
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
export function plantSecret(
  folder: string,
  secret: string,
): Disposable & { readonly path: string } {
  const path = join(folder, "secret");
  writeFileSync(path, secret, { mode: 0o600 });
  return { path, [Symbol.dispose]: () => rmSync(path, { force: true }) };
}

export function removeFile(path: string): void {
  rmSync(path, { force: true });
}
