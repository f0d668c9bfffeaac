// The adapter around the sandbox library: a profile and a first stage in, bubblewrap's argument
// list out. The library is never initialized, so no proxy runs and no variable is added.

import { SandboxManager, type SandboxRuntimeConfig } from "@anthropic-ai/sandbox-runtime";
import type { Clock } from "@openclaw-worker/base";
import { launcherEnv } from "./launcher.ts";
import { runOnce } from "./spawn.ts";
import { aptRemedy, CageUnavailable } from "./unavailable.ts";

export interface WrapOptions {
  readonly clock: Clock;
  readonly profile: SandboxRuntimeConfig;
  readonly roots: readonly string[];
  /** Shell text that runs inside. */
  readonly inside: string;
  readonly signal?: AbortSignal;
}

/**
 * Arguments that build the cage when they are executed, the program's path first. Throws
 * CageUnavailable when the library warns, or when its answer is not the cage that was asked for.
 */
export async function wrap(options: WrapOptions): Promise<readonly string[]> {
  SandboxManager.updateConfig(options.profile);
  const found = SandboxManager.checkDependencies();
  const [complaint] = [...found.errors, ...found.warnings];
  if (complaint !== undefined) {
    throw new CageUnavailable(`The cage cannot be built as it must be: ${complaint}`, aptRemedy);
  }
  const line = await SandboxManager.wrapWithSandbox(
    options.inside,
    "/bin/bash",
    options.profile,
    options.signal,
  );
  const argv = await wordsOf(line, options.clock);
  return checkedCage(argv, options.roots, options.profile.bwrapPath ?? "");
}

/** The words of a shell line, by the shell itself; nothing of the line is executed. */
async function wordsOf(line: string, clock: Clock): Promise<readonly string[]> {
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
      "Name fewer roots in the policy, or run: openclaw-worker doctor",
    );
  }
  return printed.stdout.toString("utf8").split("\0").slice(0, -1);
}

const mustHave = [
  "--new-session",
  "--die-with-parent",
  "--unshare-net",
  "--unshare-pid",
  "--unshare-user",
  "--proc",
] as const;

/**
 * Reads the arguments before they are trusted: exactly the roots are writable, and every namespace
 * is new. The library makes some folders writable that nobody asked for (/tmp/claude, where it
 * exists on the host); those are taken out, which can only narrow. Exported for its tests.
 */
export function checkedCage(
  argv: readonly string[],
  roots: readonly string[],
  bwrap: string,
): readonly string[] {
  const end = argv.indexOf("--");
  const options = argv.slice(0, end);
  const command = argv.slice(end);
  const missing = mustHave.filter((option) => !options.includes(option));
  if (end < 0 || argv[0] !== bwrap || missing.length > 0) {
    throw notAsAsked(
      missing.length > 0 ? `it lacks ${missing.join(", ")}` : "it is not bubblewrap's",
    );
  }
  if (!command.some((word) => word.includes("/apply-seccomp")))
    throw notAsAsked("it lacks seccomp");
  const kept: string[] = [];
  const writable = new Set<string>();
  for (let at = 0; at < options.length; at += 1) {
    const [option = "", source = "", target = ""] = options.slice(at, at + 3);
    if (/^--(dev-bind|bind-try|dev-bind-try|overlay|setenv)/.test(option)) {
      throw notAsAsked(`it uses ${option}`);
    }
    if (option !== "--bind") {
      kept.push(option);
      continue;
    }
    if (source === target && roots.includes(target)) {
      kept.push(option, source, target);
      writable.add(target);
    }
    at += 2;
  }
  const unbound = roots.filter((root) => !writable.has(root));
  if (unbound.length > 0)
    throw notAsAsked(`these roots are not writable in it: ${unbound.join(", ")}`);
  return [...kept, ...command];
}

function notAsAsked(what: string): CageUnavailable {
  return new CageUnavailable(
    `The cage is not what was asked for: ${what}`,
    "Check that every root exists and is no symbolic link, then run: openclaw-worker doctor",
  );
}
