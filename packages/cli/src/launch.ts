// How the two long-lived programs are started: as this user, or, when this is root, as users of
// their own (root/descend.ts).

import fs from "node:fs";
import path from "node:path";
import type { Host, Program } from "./host.ts";
import type { Place } from "./place.ts";
import { accountFor, type Account, type Role } from "./root/account.ts";
import { descend } from "./root/descend.ts";
import { prepareRoots, prepareState } from "./root/folders.ts";
import { Failure } from "./failure.ts";

export interface LaunchOptions {
  readonly host: Host;
  readonly place: Place;
  /** May make system users (`--with-deps`). */
  readonly make: boolean;
  /** Variables that win over the caller's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** End by SIGTERM when the parent dies, however it dies. */
  readonly tied: boolean;
  /** What it runs instead of the role's own command. */
  readonly args?: readonly string[];
}

const setpriv = "/usr/bin/setpriv";
const descentTools = ["/usr/bin/unshare", setpriv, "/usr/bin/getent"];

/**
 * The program of a role, ready to start; as root, its user and folders are there when it returns.
 * @throws Failure with the command that mends it
 */
export function programOf(role: Role, options: LaunchOptions): Program {
  const { host, place, tied } = options;
  const given = { ...host.env, ...options.env, OPENCLAW_WORKER_HOME: place.home };
  const env = role === "worker" ? withoutStore(given) : given;
  const { installDir, launcher, nodePath } = host;
  const args = options.args ?? [role];
  if (host.uid === 0) {
    const account = prepareRole(role, options);
    demandReadable([launcher, nodePath, path.join(installDir, "node_modules/zod/package.json")]);
    return descend({ account, installDir, launcher, nodePath, args, env, tied });
  }
  const program = [nodePath, launcher, ...args];
  const [file = nodePath, ...rest] =
    tied && canTie(host) ? [setpriv, "--pdeathsig", "TERM", "--", ...program] : program;
  return { file, args: rest, env: definedOf(env) };
}

// The store's address may hold a password, and is the server's alone.
function withoutStore<T extends Readonly<Record<string, string | undefined>>>(env: T) {
  return { ...env, WORKER_STORE: undefined, WORKER_STORE_UNCHECKED: undefined };
}

/** Another user must be able to read the installation; of its own folder's mode nothing is asked. */
function demandReadable(files: readonly string[]): void {
  const closed = files.find((file) => {
    const seen = fs.statSync(file, { throwIfNoEntry: false });
    return seen !== undefined && (seen.mode & 0o004) === 0;
  });
  if (closed === undefined) return;
  throw new Failure("The installation is closed to other users", {
    why: `${closed} can be read by its owner only, and the programs run as users of their own`,
    remedy: "Open what lies in the installation's folder: chmod -R go+rX *",
  });
}

/** Can a program be ended by the kernel when its parent dies? */
export function canTie(host: Pick<Host, "platform">): boolean {
  return host.platform === "linux" && fs.existsSync(setpriv);
}

/** As root: the role's user, its folder, and for the worker the roots that the environment names. */
export function prepareRole(role: Role, options: LaunchOptions): Account {
  const { host, place } = options;
  const missing = descentTools.filter((file) => !fs.existsSync(file));
  if (host.platform !== "linux" || missing.length > 0) {
    throw new Failure("Cannot leave root here", {
      why:
        host.platform === "linux"
          ? `${missing.join(", ")} is missing`
          : "changing to another user needs Linux's util-linux",
      remedy: "Start this as an ordinary user.",
    });
  }
  const say = (line: string): void => host.stderr.write(`${line}\n`);
  const account = accountFor(role, host, { make: options.make, say });
  prepareState(place, role, account);
  const roots = host.env["OPENCLAW_WORKER_ROOTS"] ?? "";
  // A policy file, once there, wins over the variable.
  if (role === "worker" && !fs.existsSync(place.policy)) prepareRoots(roots, account, say);
  return account;
}

/** The variables that are set. */
export function definedOf(
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
