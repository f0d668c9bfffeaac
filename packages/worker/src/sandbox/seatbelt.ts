// The cage on macOS: a Seatbelt profile, as the library writes it, for the same Cage.
//
// It was never run: these arguments have been made and read on Linux only, and the worker refuses to
// start on macOS (blueprint.ts). What is missing before it may: a real machine for the self-test; a
// home and a temporary folder of each task's own (there are no mounts to overlay them with, so a
// folder is handed in); processes that outlive their group (there is no PID namespace); warm cages;
// limits of memory. DNS is not closed by Seatbelt's network rules.

import { wrapCommandWithSandboxMacOS } from "@anthropic-ai/sandbox-runtime/dist/sandbox/macos-sandbox-utils.js";
import type { Clock } from "@openclaw-worker/base";
import type { Cage } from "../job.ts";
import { plainStartOf } from "./pattern.ts";
import type { Closed } from "./profile.ts";
import type { Shown } from "./shown.ts";
import { CageUnavailable } from "./unavailable.ts";
import { wordsOf } from "./wrap.ts";

export interface SeatbeltOptions {
  readonly clock: Clock;
  readonly cage: Pick<Cage, "denyRead" | "denyWrite">;
  /** What the cage shows, and what was found in it that must be closed. */
  readonly shown: Shown;
  readonly closed: Closed;
  /** Absolute paths that are never visible. */
  readonly hidden: readonly string[];
  /** The task's own folder, for its home and its temporary files. */
  readonly own: string;
  /** Shell text that runs inside. */
  readonly inside: string;
}

/** Folders that programs of macOS read to start at all. */
const macFolders = [
  "/System",
  "/usr",
  "/bin",
  "/sbin",
  "/Library/Apple",
  "/Library/Developer/CommandLineTools",
  "/Applications/Xcode.app/Contents/Developer",
  "/private/etc",
  "/private/var/db/dyld",
  "/private/var/db/timezone",
  "/private/var/select",
  "/dev",
] as const;

/**
 * Arguments that run the shell text under a Seatbelt profile: `/usr/bin/sandbox-exec -p <profile>
 * <shell> -c <text>`. Nothing can be read or written but what is listed, there is no network, and
 * what rules with wildcards close is closed by the kernel when it is opened, not when it is found.
 * Throws CageUnavailable when the library's answer is not that.
 */
export async function seatbeltArgv(options: SeatbeltOptions): Promise<readonly string[]> {
  const { cage, closed, hidden, own, shown } = options;
  const line = wrapCommandWithSandboxMacOS({
    command: options.inside,
    needsNetworkRestriction: true,
    readConfig: {
      denyOnly: globsOf(cage.denyRead),
      literalDenyOnly: ["/", ...hidden, ...closed.unreadable],
      allowWithinDeny: [],
      literalAllowWithinDeny: [...macFolders, own, ...shown.readable, ...shown.writable],
    },
    writeConfig: {
      allowOnly: [],
      literalAllowOnly: [own, ...shown.writable],
      denyWithinAllow: [...globsOf(cage.denyRead), ...globsOf(cage.denyWrite)],
      literalDenyWithinAllow: [...closed.unreadable, ...closed.readOnly],
    },
    binShell: "/bin/bash",
  });
  const words = await wordsOf(line, options.clock);
  // In front stands `env` with variables of the library's: ours are set inside.
  const argv = words.slice(words.indexOf("/usr/bin/sandbox-exec"));
  const [program, flag, profile = ""] = argv;
  if (program !== "/usr/bin/sandbox-exec" || flag !== "-p" || !isStrict(profile)) {
    throw new CageUnavailable(
      "The cage is not what was asked for: its Seatbelt profile opens too much",
      "Run: openclaw-worker doctor",
    );
  }
  return argv;
}

function isStrict(profile: string): boolean {
  return (
    profile.includes("(deny default") &&
    !/\(allow (?:network|default|file-write)\*?\)/.test(profile)
  );
}

/** The library's patterns mean what ours do: what names a folder names everything below it. */
function globsOf(patterns: readonly string[] = []): string[] {
  // In a folder's own name the library would read these as a pattern.
  const unclear = patterns.find((pattern) => /[[\]{}]/.test(plainStartOf(pattern)));
  if (unclear === undefined) return [...patterns];
  throw new CageUnavailable(
    `The rule for ${unclear} cannot be enforced on macOS: its folder has a bracket in its name`,
    "Give the folder another name",
  );
}
