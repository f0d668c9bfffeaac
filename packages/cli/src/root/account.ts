// Users of this machine: who a program becomes when it was started as root.

import { spawnSync } from "node:child_process";
import { Failure } from "../failure.ts";
import type { Host } from "../host.ts";

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

/** The two programs that never run as root. */
export type Role = "server" | "worker";

interface SystemUser {
  readonly name: string;
  readonly home: string;
  readonly makeHome: boolean;
  readonly shell: string;
}

// The worker's home lies outside the state folder: its workspace (~/openclaw) must not touch that.
const systemUsers: Readonly<Record<Role, SystemUser>> = {
  server: {
    name: "openclaw-server",
    home: "/nonexistent",
    makeHome: false,
    shell: "/usr/sbin/nologin",
  },
  worker: {
    name: "openclaw-worker",
    home: "/home/openclaw-worker",
    makeHome: true,
    shell: "/bin/bash",
  },
};

export interface AccountOptions {
  /** Make the system user when it is missing (`--with-deps`). */
  readonly make: boolean;
  readonly say: (line: string) => void;
}

/**
 * The user that a role runs as: for the worker the one who typed `sudo`, if there is one; else the
 * role's own system user.
 * @throws Failure when that user is missing and may not, or cannot, be made
 */
export function accountFor(role: Role, host: Pick<Host, "env">, options: AccountOptions): Account {
  const behind = role === "worker" ? userBehindSudo(host) : null;
  return behind ?? systemAccount(systemUsers[role], options);
}

/** The user's entry, by name or number, from wherever this machine keeps its users. */
export function findAccount(nameOrUid: string): Account | null {
  const asked = spawnSync("/usr/bin/getent", ["passwd", "--", nameOrUid], { encoding: "utf8" });
  return asked.status === 0 ? parseAccount(asked.stdout) : null;
}

/** A line of passwd(5). */
export function parseAccount(line: string): Account | null {
  const [name, , uid, gid, , home, shell] = line.trimEnd().split(":");
  if (name === undefined || home === undefined || shell === undefined) return null;
  if (!/^\d+$/.test(uid ?? "") || !/^\d+$/.test(gid ?? "")) return null;
  return {
    name,
    uid: Number(uid),
    gid: Number(gid),
    home,
    shell: shell === "" ? "/bin/sh" : shell,
  };
}

function userBehindSudo(host: Pick<Host, "env">): Account | null {
  const uid = host.env["SUDO_UID"] ?? "";
  if (!/^[1-9]\d*$/.test(uid)) return null;
  const account = findAccount(uid);
  if (account !== null) return account;
  throw new Failure("The user who called sudo is not known here", {
    why: `SUDO_UID is ${uid}, and this machine has no such user`,
    remedy: "Unset SUDO_UID to use the system user openclaw-worker.",
  });
}

function systemAccount(user: SystemUser, { make, say }: AccountOptions): Account {
  const found = findAccount(user.name);
  if (found !== null) return checked(found);
  const home = [`--home-dir=${user.home}`, user.makeHome ? "--create-home" : "--no-create-home"];
  const argv = ["--system", "--user-group", ...home, `--shell=${user.shell}`, user.name];
  if (!make) {
    throw new Failure(`The system user ${user.name} is missing`, {
      why: "neither the server nor a task ever runs as root, so each has a user of its own",
      remedy: `Let us make it: add --with-deps; or make it: useradd ${argv.join(" ")}`,
    });
  }
  say(`Making the system user ${user.name}: useradd ${argv.join(" ")}`);
  const made = spawnSync("/usr/sbin/useradd", argv, { encoding: "utf8" });
  const account = findAccount(user.name);
  if (account !== null) return checked(account);
  throw new Failure(`Cannot make the system user ${user.name}`, {
    why: made.error?.message ?? made.stderr.trim(),
    remedy: `Make it by hand: useradd ${argv.join(" ")}`,
  });
}

function checked(account: Account): Account {
  if (account.uid !== 0) return account;
  throw new Failure(`The user ${account.name} is root`, {
    why: `its entry in the user list has the number 0`,
    remedy: `Remove that entry; nothing of ours runs as root.`,
  });
}
