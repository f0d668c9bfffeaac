// The folders of a start as root: who owns them, how closed they are, and what is refused with the
// command that mends it. An existing folder is never given to somebody else.

import fs from "node:fs";
import path from "node:path";
import { Failure } from "../failure.ts";
import { expanded, type Place } from "../place.ts";
import type { Account, Role } from "./account.ts";
import { ancestors, canUse, firstClosed, makeFolderAs } from "./act.ts";
import { shownAt, shownInstall, shownNode } from "./descend.ts";

type Say = (line: string) => void;

/**
 * Makes the state's parent (root's, open to enter) and the role's own folder in it (the account's,
 * closed to all others), and the places where the installation is shown.
 * @throws Failure when something there belongs to somebody else or cannot be reached
 */
export function prepareState(place: Place, role: Role, account: Account): void {
  prepareHome(place.home, account);
  const folder = place[role];
  if (makeOwn(folder, 0o700)) fs.lchownSync(folder, account.uid, account.gid);
  const seen = fs.lstatSync(folder);
  if (!seen.isDirectory() || seen.uid !== account.uid) {
    throw new Failure(`${folder} is not ${account.name}'s`, {
      why: `the ${role} runs as ${account.name} and keeps its state there`,
      remedy: `chown -R ${account.name}: ${quoted(folder)}`,
    });
  }
  makeOwn(shownAt, 0o755);
  makeOwn(shownInstall, 0o755);
  if (!fs.existsSync(shownNode)) fs.writeFileSync(shownNode, "", { mode: 0o644 });
}

/**
 * Sees to it that the worker's account can use every root: missing ones are made for it.
 * @param roots value of OPENCLAW_WORKER_ROOTS (`/a:/b`)
 */
export function prepareRoots(roots: string, account: Account, say: Say): void {
  for (const name of roots.split(":").filter((one) => one !== "")) {
    const root = expanded(name, account.home);
    // Anything else is the worker's to refuse, with its own words.
    if (path.isAbsolute(root)) prepareRoot(path.resolve(root), account, say);
  }
}

/** Makes one workspace for the account, or refuses with the line that mends it. */
export function prepareRoot(root: string, account: Account, say: Say): void {
  refuseSystem(root, account);
  if (!fs.existsSync(root)) {
    refuseClosed(path.dirname(firstMissing(root)), account);
    if (!makeFolderAs(account, root)) {
      for (const folder of ancestors(root)) {
        if (fs.existsSync(folder)) continue;
        fs.mkdirSync(folder, { mode: 0o755 });
        fs.lchownSync(folder, account.uid, account.gid);
      }
    }
    say(`Made the workspace ${root} for ${account.name}`);
  }
  if (canUse(account, root)) return;
  refuseClosed(root, account);
  throw new Failure(`${account.name} cannot write the root ${root}`, {
    why: `tasks run as ${account.name}, never as root, and an existing folder is not given away unasked`,
    remedy: `chown -R ${account.name}: ${quoted(root)}`,
  });
}

// Before anything is made, and above all before anybody is told to give it away.
function refuseSystem(root: string, account: Account): void {
  const real = fs.existsSync(root) ? fs.realpathSync(root) : root;
  const within = /^\/(?:bin|boot|dev|etc|lib\d*|libx32|proc|sbin|sys|usr)(?:\/|$)/.test(real);
  const top = /^\/(?:opt|root|run|var|home|srv|tmp)?$/.test(real);
  const holdsHome = real === account.home || account.home.startsWith(`${real}/`);
  if (!within && !top && !holdsHome) return;
  throw new Failure(`The root ${root} is not a folder to hand over`, {
    why: "it belongs to the system, or holds a home or other folders that are not meant",
    remedy: `Name a folder of your own, such as ${account.home}/openclaw`,
  });
}

function firstMissing(folder: string): string {
  return ancestors(folder).find((one) => !fs.existsSync(one)) ?? folder;
}

/** Refuses with the command that opens the way to a folder. */
function refuseClosed(folder: string, account: Account): void {
  const closed = firstClosed(account, folder);
  if (closed === null) return;
  const tail = closed === folder ? "" : ` (on the way to ${folder})`;
  throw new Failure(`${account.name} cannot enter ${closed}${tail}`, {
    why: `the programs run as users of their own, never as root, and this folder is closed to ${account.name}`,
    remedy: `chmod o+x ${quoted(closed)}\nor choose another folder (OPENCLAW_WORKER_HOME, OPENCLAW_WORKER_ROOTS).`,
  });
}

function prepareHome(home: string, account: Account): void {
  if (!fs.existsSync(home)) {
    for (const folder of ancestors(home)) makeOwn(folder, 0o755);
  }
  const seen = fs.lstatSync(home);
  // Whoever owns the parent can swap what is in it, under the eyes of root.
  if (!seen.isDirectory() || seen.uid !== 0 || (seen.mode & 0o022) !== 0) {
    throw new Failure(`${home} is not root's alone`, {
      why: "as root, the state's folder must be one that nobody else can change",
      remedy: "Set OPENCLAW_WORKER_HOME to another folder, or start without root.",
    });
  }
  // An empty folder has nothing to hide (`mktemp -d` makes them closed).
  if ((seen.mode & 0o001) === 0 && fs.readdirSync(home).length === 0) fs.chmodSync(home, 0o755);
  refuseClosed(home, account);
}

/** True when the folder was made now. The mode is set whatever the umask says. */
function makeOwn(folder: string, mode: number): boolean {
  try {
    fs.mkdirSync(folder, { mode });
  } catch (thrown) {
    if (fs.existsSync(folder)) return false;
    throw thrown;
  }
  fs.chmodSync(folder, mode);
  return true;
}

/** The text as one word of a shell. */
export function quoted(text: string): string {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
