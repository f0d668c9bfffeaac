// Programs that the cage is built from. They are looked for where the constant PATH of the worker's
// launcher leads, and nowhere else.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { exitCodes, Failure } from "./failure.ts";
import type { Host } from "./host.ts";
import { constantPath } from "./root/descend.ts";

interface Tool {
  readonly file: string;
  readonly packageName: string;
  readonly systems: readonly string[];
}

const tools: readonly Tool[] = [
  { file: "bwrap", packageName: "bubblewrap", systems: ["linux"] },
  { file: "socat", packageName: "socat", systems: ["linux"] },
  { file: "rg", packageName: "ripgrep", systems: ["linux", "darwin"] },
];

// A package manager and how it installs without questions; the first one that is there is used.
const managers: readonly (readonly [file: string, ...install: readonly string[]])[] = [
  ["apt-get", "install", "-y"],
  ["dnf", "install", "-y"],
  ["zypper", "--non-interactive", "install"],
  ["pacman", "-S", "--noconfirm"],
];

/** Absolute path of a tool, or null. */
export function findTool(file: string): string | null {
  const folders = [...constantPath.split(":"), "/opt/homebrew/bin"];
  return folders.map((folder) => path.join(folder, file)).find((one) => fs.existsSync(one)) ?? null;
}

/** Packages that are missing, by name. */
export function missingPackages(platform: string): readonly string[] {
  return tools
    .filter(({ systems, file }) => systems.includes(platform) && findTool(file) === null)
    .map(({ packageName }) => packageName);
}

/** The command that installs packages on this machine, as it is typed. */
export function installCommand(
  host: Pick<Host, "platform" | "uid">,
  names: readonly string[],
): string {
  if (host.platform === "darwin") return `brew install ${names.join(" ")}`;
  const [manager] = present();
  const words = [...(manager ?? ["apt-get", "install", "-y"]), ...names].join(" ");
  return host.uid === 0 ? words : `sudo ${words}`;
}

/**
 * Sees to it that the cage's programs are there.
 * @throws Failure that names the command when they are not, and `install` does not allow to get them
 */
export function ensureTools(host: Host, install: boolean): void {
  if (host.platform === "win32") {
    throw new Failure("Windows has no cage for tasks", {
      why: "the cage is made of Linux's or macOS's own sandbox",
      remedy: "Use WSL2: install it with `wsl --install`, and start this inside it.",
    });
  }
  const missing = missingPackages(host.platform);
  if (missing.length === 0) return;
  const command = installCommand(host, missing);
  const [manager] = present();
  if (!install || host.uid !== 0 || manager === undefined) {
    const also = host.uid === 0 && !install ? "\nor let us do it: add --with-deps." : "";
    throw new Failure(`Missing: ${missing.join(", ")}`, {
      why: "the cage that every task runs in is built from these",
      remedy: `${command}${also}`,
    });
  }
  host.stderr.write(`Installing what the cage is built from: ${command}\n`);
  const [file, ...args] = manager;
  if (file === "apt-get") runVisibly(host, file, ["update", "-q"]);
  runVisibly(host, file, [...args, ...missing]);
  const still = missingPackages(host.platform);
  if (still.length > 0) {
    throw new Failure(`Could not install ${still.join(", ")}`, {
      why: "the package manager's own words are above",
      remedy: `Mend that, then: ${command}`,
      exitCode: exitCodes.failed,
    });
  }
}

function present(): typeof managers {
  return managers.filter(([file]) => findTool(file) !== null);
}

function runVisibly(host: Host, file: string, args: readonly string[]): void {
  const env = { ...host.env, DEBIAN_FRONTEND: "noninteractive" };
  // Standard output stays ours: the manager's talk goes where our own talk goes.
  spawnSync(file, args, { stdio: ["ignore", 2, 2], env });
}
