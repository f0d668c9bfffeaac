// The user's login environment, asked for once. A login shell costs some 140 ms and runs the
// user's start files, so no task starts one.

import { randomUUID } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { abortable, messageOf, type Clock } from "@openclaw-worker/base";
import { isPrivatelyWritable, kindOf, namesIn, realPathOf } from "./sandbox/folders.ts";
import { systemFolders, systemPath } from "./sandbox/launcher.ts";
import { isWithin } from "./sandbox/path.ts";
import { runOnce } from "./sandbox/spawn.ts";
import type { CageEnvironment } from "./sandbox/variables.ts";

export interface LoginEnvironment extends CageEnvironment {
  /** What those folders need to be read for their programs to run: belongs into `Cage.readable`. */
  readonly readable: readonly string[];
  /** Why the login shell was not heard, in a sentence; null when all is well. */
  readonly warning: string | null;
}

export interface LoginOptions {
  readonly clock: Clock;
  /** Absolute path of the user's login shell. */
  readonly shell: string;
  readonly home: string;
  /** The worker's own environment; only a few harmless names of it reach the shell. */
  readonly base: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
}

const shellMs = 5_000;
const printedBytesMax = 1_048_576;

// Names that say who and where, never a secret. EDITOR is left out: nobody edits in a cage, and
// some editors' wrappers start a server. LD_*, NODE_OPTIONS, *_PROXY, *_TOKEN and all others stay
// outside, because a cage has no network and needs none of them.
const allowedNames = /^(LANG|LANGUAGE|LC_[A-Z]+|TZ|USER|LOGNAME|SHELL)$/;

// These hold one path each, and the tools find their versions by them. They pass only when the
// path lies in a folder that the cage shows anyway. CARGO_HOME and npm's own settings are not
// here: the folders they name hold registry tokens.
const toolHomeNames: ReadonlySet<string> = new Set([
  "ASDF_DATA_DIR",
  "ASDF_DIR",
  "BUN_INSTALL",
  "DENO_INSTALL",
  "GOROOT",
  "HOMEBREW_CELLAR",
  "HOMEBREW_PREFIX",
  "HOMEBREW_REPOSITORY",
  "JAVA_HOME",
  "NVM_BIN",
  "NVM_DIR",
  "PNPM_HOME",
  "PYENV_ROOT",
  "RBENV_ROOT",
  "RUSTUP_HOME",
  "SDKMAN_DIR",
  "VOLTA_HOME",
]);

/**
 * Runs the login shell once, for at most five seconds, and keeps what is on the allow-list. Falls
 * back to a constant small environment, with a warning. Rejects only with the signal's reason.
 */
export async function resolveLoginEnvironment(options: LoginOptions): Promise<LoginEnvironment> {
  try {
    const printed = await askShell(options);
    options.signal?.throwIfAborted();
    return environmentOf(new Map(printed), options, null);
  } catch (error) {
    options.signal?.throwIfAborted();
    const warning =
      `The login shell ${options.shell} did not tell its environment (${messageOf(error)}): ` +
      "tasks get the system's PATH only";
    return environmentOf(new Map(), options, warning);
  }
}

async function askShell(options: LoginOptions): Promise<readonly (readonly [string, string])[]> {
  const marker = randomUUID();
  // Interactive as well as login: nvm and its like are set up in .bashrc, below a line that leaves
  // when the shell is not interactive. What start files print lies outside the markers.
  const script = `printf %s ${marker}; /usr/bin/env -0; printf %s ${marker}`;
  const run = runOnce({
    argv: [options.shell, "-i", "-l", "-c", script],
    env: shellEnvironment(options),
    cwd: kindOf(options.home) === "folder" ? options.home : "/",
    clock: options.clock,
    timeoutMs: shellMs,
    outputBytesMax: printedBytesMax,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const shell = await (options.signal === undefined ? run : abortable(run, options.signal));
  if (shell.timedOut) throw new Error(`no answer in ${shellMs} ms`);
  const [, between, after] = shell.stdout.toString("utf8").split(marker);
  if (between === undefined || after === undefined) throw new Error(`exit code ${shell.exitCode}`);
  return between
    .split("\0")
    .map((line) => [line, line.indexOf("=")] as const)
    .filter(([, at]) => at > 0)
    .map(([line, at]) => [line.slice(0, at), line.slice(at + 1)] as const);
}

function shellEnvironment(options: LoginOptions): Readonly<Record<string, string>> {
  const passed = Object.entries(options.base).flatMap(([name, value]) =>
    value !== undefined && allowedNames.test(name) ? [[name, value] as const] : [],
  );
  return {
    ...Object.fromEntries(passed),
    HOME: options.home,
    PATH: systemPath.join(":"),
    SHELL: options.shell,
    TERM: "dumb",
  };
}

function environmentOf(
  printed: ReadonlyMap<string, string>,
  options: LoginOptions,
  warning: string | null,
): LoginEnvironment {
  const entries = [...printed];
  const allowed = entries.filter(([name]) => allowedNames.test(name));
  const toolHomes = entries.flatMap(([name, value]) => {
    const real = toolHomeNames.has(name) && value.startsWith("/") ? realPathOf(value) : null;
    return real === null ? [] : [[name, real] as const];
  });
  const path = loginPath(printed.get("PATH") ?? "", options.home);
  return {
    variables: {
      LANG: "C.UTF-8",
      SHELL: "/bin/bash",
      ...Object.fromEntries(allowed),
      TERM: "dumb",
    },
    toolHomes: Object.fromEntries(toolHomes),
    path,
    readable: [...new Set(path.flatMap((folder) => neededFor(folder, options.home)))],
    warning,
  };
}

/** Existing folders of a PATH besides the system's, as real paths, in order, once each. */
function loginPath(path: string, home: string): readonly string[] {
  const real = path
    .split(":")
    .filter((folder) => folder.startsWith("/"))
    .flatMap((folder) => realPathOf(folder) ?? [])
    // A folder that anybody can write is where anybody puts an `ls`; the home is no tool folder.
    .filter((folder) => folder !== home && folder !== "/" && isPrivatelyWritable(folder));
  const system = new Set<string>(
    systemPath.flatMap((folder) => [folder, realPathOf(folder) ?? ""]),
  );
  return [...new Set(real)].filter((folder) => !system.has(folder));
}

// Folders beside bin that programs in bin are made of.
const prefixMarks: ReadonlySet<string> = new Set(["Cellar", "lib", "libexec", "versions", "tools"]);
// Below these a bin folder has neighbors that are the user's own data, such as keyrings.
const personalNames: ReadonlySet<string> = new Set([
  ".local",
  ".cargo",
  ".config",
  ".gnupg",
  ".ssh",
]);
// A folder of small programs that start others from another place in the home.
const companions: Readonly<Record<string, readonly string[]>> = {
  ".cargo/bin": [".rustup"],
  ".local/bin": [
    ".local/share/pipx/venvs",
    ".local/share/uv/tools",
    ".local/share/claude/versions",
  ],
};

/**
 * A tool's folders: the PATH folder itself, its prefix when it looks like one, and companions.
 * Nothing for a system folder, which every cage shows.
 */
function neededFor(folder: string, home: string): readonly string[] {
  if (systemFolders.some((system) => isWithin(folder, system))) return [];
  const prefix = dirname(folder);
  const isPrefix =
    /^s?bin$|^shims$/.test(basename(folder)) &&
    prefix !== "/" &&
    prefix !== home &&
    !home.startsWith(`${prefix}/`) &&
    !personalNames.has(basename(prefix)) &&
    namesIn(prefix).some((name) => prefixMarks.has(name));
  const beside = Object.entries(companions)
    .filter(([bin]) => folder === join(home, bin))
    .flatMap(([, names]) => names.flatMap((name) => realPathOf(join(home, name)) ?? []));
  return [folder, ...(isPrefix ? [prefix] : []), ...beside];
}
