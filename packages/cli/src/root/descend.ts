// How a program that was started as root runs without root.
//
// Dropping root inside the process would lose the cage silently: the sandbox's helper lies in an
// installation that perhaps only root can read. So the process is replaced by one that sees the
// installation read-only at a place of its own, in a private mount namespace, and that has neither
// capabilities nor a way to get them back. Each step replaces the one before (`exec`): the pid
// stays, and there is no chain of parents that could leave an orphan.

import path from "node:path";
import type { Program } from "../host.ts";
import type { Account } from "./account.ts";

export interface Descent {
  readonly account: Account;
  /** Folder of the installation, and the file in it that starts the command. */
  readonly installDir: string;
  readonly launcher: string;
  /** The Node to run: below `installDir`, or anywhere else (then it is shown beside it). */
  readonly nodePath: string;
  /** Name of the command and its arguments. */
  readonly args: readonly string[];
  /** The caller's environment: of it only the documented variables pass. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** End by SIGTERM when the parent dies. */
  readonly tied: boolean;
}

/** Where the installation and Node are shown; made by root, seen in the private namespace only. */
export const shownAt = "/run/openclaw-worker";
export const shownInstall = `${shownAt}/app`;
export const shownNode = `${shownAt}/node`;

/** Tells the descended program where the installation really lies: no root may touch that either. */
export const installedAtVariable = "OPENCLAW_INSTALLED_AT";

/** Variables that pass to a descended program; everything else of root's environment stays behind. */
const passedVariables: readonly string[] = [
  "WORKER_TOKEN",
  "APPROVE_TOKEN",
  "WORKER_URL",
  "WORKER_PORT",
  "WORKER_HOST",
  "WORKER_ID",
  "WORKER_ALLOW_HTTP",
  "POLL_INTERVAL",
  "LONG_POLL_WAIT",
  "MAX_CONCURRENT",
  "OPENCLAW_WORKER_HOME",
  "OPENCLAW_WORKER_ROOTS",
  "OPENCLAW_WORKER_LABELS",
  "OPENCLAW_LOG",
  "OPENCLAW_LEASE_MS",
  "WORKER_STORE",
  "WORKER_STORE_UNCHECKED",
  "CALLBACK_API_BASE_URL",
  "CALLBACK_BOT_TOKEN",
  "DISCORD_BOT_TOKEN",
  "NODE_EXTRA_CA_CERTS",
  "NO_COLOR",
  "LANG",
  "LC_ALL",
  "TZ",
];

// The installation's own folder may be closed to everybody but root, so what is in it is shown, a name
// at a time. $1 installation, $2 where it is shown, $3 Node, $4 where that is shown (or empty), then the rest.
const script = `set -e
mount -t tmpfs -o mode=755,size=1m,nosuid,nodev tmpfs "$2"
for one in "$1"/*; do
  shown="$2/$(basename "$one")"
  if [ -d "$one" ]; then mkdir "$shown"; else : > "$shown"; fi
  mount --rbind "$one" "$shown"
  mount -o remount,bind,ro,nosuid,nodev "$shown"
done
mount -o remount,ro,nosuid,nodev "$2"
if [ -n "$4" ]; then
  mount --bind "$3" "$4"
  mount -o remount,bind,ro,nosuid,nodev "$4"
fi
cd /
shift 4
exec "$@"`;

const privateView = "--mount --propagation private -- /bin/sh -c".split(" ").concat(script, "sh");

/** The program that runs `args` as the account. Pure: nothing is looked at or made. */
export function descend(descent: Descent): Program {
  const { account, installDir, launcher, nodePath } = descent;
  const inside = (file: string): string => path.join(shownInstall, path.relative(installDir, file));
  const own = isBelow(nodePath, installDir);
  const show = [installDir, shownInstall, nodePath, own ? "" : shownNode];
  const become = [
    "/usr/bin/setpriv",
    `--reuid=${account.uid}`,
    `--regid=${account.gid}`,
    "--clear-groups",
    "--no-new-privs",
    "--inh-caps=-all",
    "--bounding-set=-all",
    ...(descent.tied ? ["--pdeathsig", "TERM"] : []),
  ];
  const node = own ? inside(nodePath) : shownNode;
  return {
    file: "/usr/bin/unshare",
    args: [...privateView, ...show, ...become, "--", node, inside(launcher), ...descent.args],
    env: {
      ...passed(descent.env),
      PATH: constantPath,
      HOME: account.home,
      USER: account.name,
      LOGNAME: account.name,
      SHELL: account.shell,
      [installedAtVariable]: installDir,
    },
  };
}

export const constantPath = "/usr/local/bin:/usr/bin:/bin";

function passed(env: Descent["env"]): Record<string, string> {
  const known = passedVariables.flatMap((name) => {
    const value = env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(known);
}

function isBelow(file: string, folder: string): boolean {
  return !path.relative(folder, file).startsWith("..");
}
