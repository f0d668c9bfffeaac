// This computer: Node, the system, the programs of the cage, the kernel's switches, the folders.

import { execFile } from "node:child_process";
import fs from "node:fs";
import type { Host } from "../host.ts";
import type { Place } from "../place.ts";
import { quoted } from "../root/folders.ts";
import { findTool, installCommand, missingPackages } from "../tools.ts";
import { fail, ok, warn, type Row } from "./row.ts";

export async function machineRows(host: Host, place: Place): Promise<readonly Row[]> {
  return [
    ok("node", `Node ${host.nodeVersion} (${host.nodePath})`),
    systemRow(host),
    toolsRow(host),
    ...(await bubblewrapRows(host)),
    ...namespaceRows(host),
    ...folderRows(host, place),
  ];
}

function systemRow(host: Host): Row {
  if (host.platform !== "win32") return ok("system", host.platform);
  return fail(
    "system",
    "Windows has no cage for tasks",
    "Use WSL2: `wsl --install`, and run this inside it.",
  );
}

function toolsRow(host: Host): Row {
  const missing = missingPackages(host.platform);
  if (missing.length === 0) return ok("tools", "all programs of the cage are there");
  return fail("tools", `missing: ${missing.join(", ")}`, installCommand(host, missing));
}

// bubblewrap before this has CVE-2026-87766.
const mendedVersion = [0, 12];

async function bubblewrapRows(host: Host): Promise<readonly Row[]> {
  const file = host.platform === "linux" ? findTool("bwrap") : null;
  if (file === null) return [];
  const said = await output(file, ["--version"]);
  const [, major = "0", minor = "0"] = /(\d+)\.(\d+)/.exec(said) ?? [];
  return [bubblewrapRow([Number(major), Number(minor)], said.trim())];
}

/** Exported for its test: which versions are warned of. */
export function bubblewrapRow(version: readonly [number, number], said: string): Row {
  const [major, minor] = version;
  const [mendedMajor = 0, mendedMinor = 0] = mendedVersion;
  if (major > mendedMajor || (major === mendedMajor && minor >= mendedMinor)) {
    return ok("bubblewrap", said);
  }
  return warn(
    "bubblewrap",
    `${said} has CVE-2026-87766 (mended in 0.12)`,
    "Upgrade it as soon as your system offers 0.12 or newer.",
  );
}

// A switch of the kernel, the value that closes user namespaces, and how to open them.
const switches = [
  ["/proc/sys/user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=15000"],
  [
    "/proc/sys/kernel/unprivileged_userns_clone",
    "0",
    "sudo sysctl -w kernel.unprivileged_userns_clone=1",
  ],
  [
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "1",
    "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (or an AppArmor profile for bwrap)",
  ],
] as const;

function namespaceRows(host: Host): readonly Row[] {
  if (host.platform !== "linux") return [];
  const closed = switches.find(([file, value]) => textOf(file)?.trim() === value);
  if (closed === undefined) return [ok("namespaces", "user namespaces are allowed")];
  const [file, value, remedy] = closed;
  return [fail("namespaces", `${file} is ${value}: the cage cannot be built`, remedy)];
}

function folderRows(host: Host, place: Place): readonly Row[] {
  if (!fs.existsSync(place.home)) {
    return [warn("state", `there is no ${place.home} yet`, "Start once: openclaw-worker up")];
  }
  const closed = [
    [place.server, "700"],
    [place.worker, "700"],
    [place.client, "600"],
    [place.policy, "600"],
  ] as const;
  const open = closed.filter(([file]) => isOpenToOthers(file));
  if (open.length === 0) return [ok("state", `${place.home}: closed to other users`)];
  return open.map(([file, mode]) =>
    fail(
      "state",
      `${file} is open to other users`,
      `${host.uid === 0 ? "" : "sudo "}chmod ${mode} ${quoted(file)}`,
    ),
  );
}

function isOpenToOthers(file: string): boolean {
  try {
    return (fs.statSync(file).mode & 0o077) !== 0;
  } catch {
    return false;
  }
}

function textOf(file: string): string | null {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

function output(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(file, args, { timeout: 5_000, env: {} }, (_, stdout) => resolve(stdout));
  });
}
