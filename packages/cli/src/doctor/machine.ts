// This computer: the system, Node, the programs of the cage, what this user may use.

import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { Host } from "../host.ts";
import { findTool, installCommand, missingPackages } from "../tools.ts";
import { kernelRows } from "./kernel.ts";
import { fail, ok, warn, type Row } from "./row.ts";

export async function machineRows(host: Host): Promise<readonly Row[]> {
  return [
    nodeRow(host.nodeVersion, host.nodePath),
    systemRow(host),
    toolsRow(host),
    ...(await bubblewrapRows(host)),
    ...kernelRows(host),
    ...limitRows(host),
    ...managerRows(host),
  ];
}

const oldestNode = [24, 16] as const;

/** Exported for its test: which versions are taken. */
export function nodeRow(version: string, file: string): Row {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldMajor, oldMinor] = oldestNode;
  if (major > oldMajor || (major === oldMajor && minor >= oldMinor)) {
    return ok("node", `Node ${version} (${file})`);
  }
  return fail("node", `Node ${version} (${file}) is too old`, {
    why: `this program needs Node ${oldestNode.join(".")} or newer`,
    do: "npm install openclaw-worker (its own Node comes along), or install Node 24 from https://nodejs.org",
  });
}

function systemRow(host: Host): Row {
  if (host.platform === "linux") return ok("system", host.platform);
  if (host.platform === "win32") {
    return fail("system", "Windows has no cage for tasks", {
      why: "a task would run with all that its user may do",
      do: "Use WSL2: `wsl --install`, and run this inside it.",
    });
  }
  return warn("system", `${host.platform} has no cage in this version`, {
    why: "the worker takes no task without one; server and commands work",
    do: "Run the worker on Linux.",
  });
}

function toolsRow(host: Host): Row {
  const missing = missingPackages(host.platform);
  if (missing.length === 0) return ok("tools", "all programs of the cage are there");
  return fail("tools", `missing: ${missing.join(", ")}`, {
    why: "the cage that every task runs in is built from these",
    do: installCommand(host, missing),
  });
}

// bubblewrap before this has CVE-2026-87766.
const mendedVersion = [0, 12] as const;

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
  const [mendedMajor, mendedMinor] = mendedVersion;
  if (major > mendedMajor || (major === mendedMajor && minor >= mendedMinor)) {
    return ok("bubblewrap", said);
  }
  return warn("bubblewrap", `${said} has CVE-2026-87766`, {
    why: "mounts below a folder that a task can write could lead out of the cage; this worker makes none there, and the hole is mended in 0.12",
    do: "sudo apt-get install --only-upgrade bubblewrap, as soon as your system offers 0.12 or newer",
  });
}

const openFilesMin = 1_024;
const processesMin = 512;

function limitRows(host: Host): readonly Row[] {
  if (host.platform !== "linux") return [];
  return [limitRow(textOf("/proc/self/limits"))];
}

/** Exported for its test: reads proc_pid_limits(5). */
export function limitRow(text: string): Row {
  const soft = (name: string): number => {
    const found = new RegExp(`^${name} +(\\d+|unlimited)`, "m").exec(text)?.[1];
    return found === undefined || found === "unlimited" ? Infinity : Number(found);
  };
  const [files, processes] = [soft("Max open files"), soft("Max processes")];
  if (files < openFilesMin) {
    return warn("limits", `at most ${files} open files`, {
      why: "each task needs some twenty, the server one for each worker and reader",
      do: `ulimit -n 65536 (a systemd unit: LimitNOFILE=65536)`,
    });
  }
  if (processes < processesMin) {
    return warn("limits", `at most ${processes} processes`, {
      why: "all tasks of this user share them: builds and tests then fail to fork",
      do: "ulimit -u 4096 (a systemd unit: TasksMax=4096)",
    });
  }
  return ok("limits", `open files ${files}, processes ${processes}`);
}

// With one, a task's memory and processes can be bounded by a scope of its own.
function managerRows(host: Host): readonly Row[] {
  if (host.platform !== "linux") return [];
  const runtime = host.env["XDG_RUNTIME_DIR"] ?? `/run/user/${host.uid}`;
  const found = fs.existsSync(path.join(runtime, "systemd", "private"));
  return [
    found
      ? ok("manager", "a systemd user manager runs: tasks can get scopes with memory limits")
      : ok(
          "manager",
          "no systemd user manager: tasks are bounded by the cage and by rlimits alone",
        ),
  ];
}

function textOf(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function output(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(file, args, { timeout: 5_000, env: {} }, (_, stdout) => resolve(stdout));
  });
}
