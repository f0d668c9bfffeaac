// Whether the bubblewrap of this computer knows what a cage is built with. An old one would stop at
// the first word that it does not know, in words that help nobody.

import type { Clock } from "@openclaw-worker/base";
import { launcherEnv } from "./launcher.ts";
import { runOnce } from "./spawn.ts";
import { CageUnavailable } from "./unavailable.ts";

const needed = ["--add-seccomp-fd", "--perms", "--size"] as const;

/**
 * Throws CageUnavailable with the version of an old bubblewrap. One that does not answer is left to
 * the self-test, which finds out what it builds.
 */
export async function checkBubblewrap(bwrap: string, clock: Clock): Promise<void> {
  const help = await said([bwrap, "--help"], clock);
  const lacking = help === "" ? [] : needed.filter((option) => !help.includes(`${option} `));
  if (lacking.length === 0) return;
  const version = (await said([bwrap, "--version"], clock)) || "bubblewrap";
  throw new CageUnavailable(
    `${version} (${bwrap}) is too old for a cage: it lacks ${lacking.join(", ")}`,
    "Upgrade it, where need be with your system: Debian 12, Ubuntu 24.04 and later have one that is new enough",
  );
}

async function said(argv: readonly string[], clock: Clock): Promise<string> {
  const { stdout, stderr } = await runOnce({
    argv,
    env: launcherEnv,
    cwd: "/",
    clock,
    timeoutMs: 5_000,
    outputBytesMax: 65_536,
  });
  return `${stdout.toString("utf8")}${stderr.toString("utf8")}`.trim();
}
