// The adapter around the sandbox library: a profile and a first stage in, bubblewrap's argument
// list out. The library is never initialized, so no proxy runs and no variable is added.
//
// Making the list, the library starts programs itself, outside of any cage. What it starts inherits
// this process's environment and working folder, which nothing here can change; the program that
// opens a runner does, before any task: it works in an empty folder, and its environment is constant
// (`settleIn` in the command's host.ts). With a PATH that holds a folder of tasks, whatever they
// call `which` would run here, beside the worker's token.
//
//   which rg, which bash       by PATH, with the whole environment: guarded by settleIn
//   rg --files … <here>        absolute (profile.ripgrep.command), --no-config; it searches the
//                              working folder, which is empty: guarded by settleIn
//   bwrap --version            absolute (profile.bwrapPath), in a folder of root's (toolFolders)
//   bwrap --help               only without the library's seccomp helper, which is always given
//   bwrap … true               only as root, who never has a cage (blueprint.ts)
//   npm root -g                only when the helper is gone: blueprint.ts has seen it, mounts.ts
//                              demands it; by PATH, guarded by settleIn
//   a folder in TMPDIR         only where it mounts an empty folder; /tmp, since settleIn
//
// It reads SRT_DEBUG as well, and prints what it does when that is set: gone, since settleIn.

import { SandboxManager, type SandboxRuntimeConfig } from "@anthropic-ai/sandbox-runtime";
import type { Clock } from "@openclaw-worker/base";
import { checkBubblewrap } from "./bubblewrap.ts";
import { launcherEnv } from "./launcher.ts";
import { boundedMounts, checkedCage, withFilter, type Asked, type Scratch } from "./mounts.ts";
import { runOnce } from "./spawn.ts";
import { aptRemedy, CageUnavailable } from "./unavailable.ts";

export interface WrapOptions {
  readonly clock: Clock;
  readonly profile: SandboxRuntimeConfig;
  readonly asked: Asked;
  readonly scratch: Scratch;
  /** Shell text that runs inside. */
  readonly inside: string;
  readonly signal?: AbortSignal;
}

/**
 * Arguments that build the cage when they are executed, the program's path first; bubblewrap reads
 * the filter of system calls from `filterFd`. Throws CageUnavailable when bubblewrap is too old, when
 * the library warns, or when its answer is not the cage that was asked for.
 */
export async function wrap(options: WrapOptions): Promise<readonly string[]> {
  await checkBubblewrap(options.asked.bwrap, options.clock);
  SandboxManager.updateConfig(options.profile);
  const found = SandboxManager.checkDependencies();
  const [complaint] = [...found.errors, ...found.warnings];
  if (complaint !== undefined) {
    throw new CageUnavailable(`The cage cannot be built as it must be: ${complaint}`, aptRemedy);
  }
  if (bytesOfPaths(options.profile) > pathBytesMax) throw tooLong();
  const line = await SandboxManager.wrapWithSandbox(
    options.inside,
    "/bin/bash",
    options.profile,
    options.signal,
  );
  const argv = await wordsOf(line, options.clock);
  return boundedMounts(checkedCage(withFilter(argv), options.asked), options.scratch);
}

/**
 * The kernel takes 128 KiB as one argument. Each path stands twice on the line, beside the folders
 * above it; a line that is too long would go through a file that the library then holds open.
 */
const pathBytesMax = 45_000;

function bytesOfPaths({ filesystem }: SandboxRuntimeConfig): number {
  const { denyRead, allowRead = [], allowWrite, denyWrite } = filesystem;
  const entries = [...denyRead, ...allowRead, ...allowWrite, ...denyWrite];
  const paths = entries.map((entry) => (typeof entry === "string" ? entry : entry.path));
  return paths.reduce((bytes, path) => bytes + Buffer.byteLength(path), 0);
}

function tooLong(): CageUnavailable {
  return new CageUnavailable(
    "The cage's description is too long: the policy names, or its rules find, too many paths",
    "Name fewer roots in the policy, and in its Read and Edit rules folders instead of files",
  );
}

/** The words of a shell line, by the shell itself; nothing of the line is executed. */
export async function wordsOf(line: string, clock: Clock): Promise<readonly string[]> {
  const printed = await runOnce({
    argv: ["/bin/bash", "--noprofile", "--norc", "-c", `printf '%s\\0' ${line}`],
    env: launcherEnv,
    cwd: "/",
    clock,
    timeoutMs: 5_000,
    outputBytesMax: 4_194_304,
  });
  if (printed.exitCode !== 0) {
    throw new CageUnavailable(
      `The cage's arguments cannot be read: ${printed.stderr.toString("utf8").trim()}`,
      "Run: openclaw-worker doctor",
    );
  }
  return printed.stdout.toString("utf8").split("\0").slice(0, -1);
}
