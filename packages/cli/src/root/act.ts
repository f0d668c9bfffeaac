// What root asks or does as another user, one small program at a time: the kernel answers whether a
// folder can be reached, instead of our reading of modes, groups and access lists.

import { spawnSync } from "node:child_process";
import path from "node:path";
import type { Account } from "./account.ts";

/** Can the account enter this folder, from `/` down? */
function canEnter(account: Account, folder: string): boolean {
  return actAs(account, ["/usr/bin/test", "-x", folder]).ok;
}

/** Can the account read, write and enter this folder? */
export function canUse(account: Account, folder: string): boolean {
  const test = ["/usr/bin/test", "-r", folder, "-a", "-w", folder, "-a", "-x", folder];
  return actAs(account, test).ok;
}

/** The outermost folder on the way to `folder` that stops the account, or null. */
export function firstClosed(account: Account, folder: string): string | null {
  return ancestors(folder).find((one) => !canEnter(account, one)) ?? null;
}

export function makeFolderAs(account: Account, folder: string): boolean {
  return actAs(account, ["/usr/bin/mkdir", "-p", "--", folder]).ok;
}

/** `/a/b` → `/`, `/a`, `/a/b`. */
export function ancestors(folder: string): readonly string[] {
  const parent = path.dirname(folder);
  return parent === folder ? [folder] : [...ancestors(parent), folder];
}

interface Acted {
  readonly ok: boolean;
}

function actAs(account: Account, argv: readonly string[]): Acted {
  const user = ["--reuid", String(account.uid), "--regid", String(account.gid), "--clear-groups"];
  const done = spawnSync("/usr/bin/setpriv", [...user, "--no-new-privs", "--", ...argv], {
    cwd: "/",
    env: { PATH: "/usr/bin:/bin" },
    stdio: "ignore",
  });
  return { ok: done.status === 0 };
}
