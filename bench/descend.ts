// Root's bench goes on as a user that is not root: the worker refuses root. The checkout may lie in a
// folder that only root can read, so that user sees it read-only at a place of its own, in a mount
// namespace that nobody else sees. What the run writes is copied by root at the end.

import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const user = "openclaw-bench";
const home = `/var/lib/${user}`;

export interface Descent {
  readonly checkout: string;
  readonly args: readonly string[];
  /** Where the results shall be at the end. */
  readonly results: string;
  readonly profile: string | null;
}

/** Runs the bench again below root. @returns its exit code */
export async function descend({ checkout, args, results, profile }: Descent): Promise<number> {
  const id = ensureUser();
  const app = `/run/${user}/app`;
  fs.mkdirSync(app, { recursive: true });
  const out = fs.mkdtempSync(path.join(os.tmpdir(), `${user}-out-`));
  fs.chownSync(out, id, id);
  if (profile !== null) {
    fs.mkdirSync(profile, { recursive: true });
    fs.chownSync(profile, id, id);
  }
  try {
    const code = await become(checkout, app, [...args, "--out", out]);
    fs.mkdirSync(results, { recursive: true });
    for (const name of fs.readdirSync(out)) {
      fs.copyFileSync(path.join(out, name), path.join(results, name));
    }
    return code;
  } finally {
    fs.rmSync(out, { recursive: true, force: true });
  }
}

function ensureUser(): number {
  if (spawnSync("id", ["-u", user]).status !== 0) {
    console.error(`Making the system user ${user}: the bench runs as it, not as root`);
    const flags = ["--system", "--user-group", "--create-home", "--home-dir", home];
    const made = spawnSync("/usr/sbin/useradd", [...flags, "--shell", "/bin/bash", user]);
    if (made.status !== 0) throw new Error(`useradd failed: ${made.stderr.toString().trim()}`);
  }
  return Number(spawnSync("id", ["-u", user], { encoding: "utf8" }).stdout);
}

function become(checkout: string, app: string, args: readonly string[]): Promise<number> {
  const node = fs.realpathSync(process.execPath);
  const program = node.startsWith(`${checkout}/`)
    ? path.join(app, path.relative(checkout, node))
    : node;
  const script =
    'mount --bind "$1" "$2" && mount -o remount,bind,ro,nosuid,nodev "$2" && cd "$2" && shift 2 && exec "$@"';
  const argv = [
    "--mount",
    "--propagation",
    "private",
    "/bin/sh",
    "-c",
    script,
    "sh",
    checkout,
    app,
    "/usr/bin/setpriv",
    "--reuid",
    user,
    "--regid",
    user,
    "--clear-groups",
    "--no-new-privs",
    "--inh-caps=-all",
    "--bounding-set=-all",
    "--pdeathsig",
    "TERM",
    "/usr/bin/env",
    "-i",
    `HOME=${home}`,
    `USER=${user}`,
    "SHELL=/bin/bash",
    "LANG=C.UTF-8",
    `PATH=${path.dirname(program)}:/usr/sbin:/usr/bin:/sbin:/bin`,
    `TMPDIR=${os.tmpdir()}`,
    program,
    "--conditions=source",
    path.join(app, "bench", "main.ts"),
    ...args,
  ];
  const child = spawn("/usr/bin/unshare", argv, { stdio: "inherit" });
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => child.kill(name));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
