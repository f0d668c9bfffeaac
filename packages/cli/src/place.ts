import path from "node:path";
import type { Host } from "./host.ts";

/** Where state lies. The two halves may belong to two users; neither reads the other's. */
export interface Place {
  readonly home: string;
  readonly server: string;
  readonly worker: string;
  readonly policy: string;
  /** Address and token for this command, 0600 of the user who ran `up`. */
  readonly client: string;
  readonly serverToken: string;
  readonly workerToken: string;
}

/** /root is closed to the two users that a root's programs run as: root's state lies elsewhere. */
const rootHome = "/var/lib/openclaw-worker";

export function placeOf(host: Pick<Host, "env" | "uid" | "home" | "cwd">): Place {
  const named = host.env["OPENCLAW_WORKER_HOME"] ?? "";
  const usual = host.uid === 0 ? rootHome : path.join(host.home, ".openclaw-worker");
  const home = named === "" ? usual : path.resolve(host.cwd, expanded(named, host.home));
  return {
    home,
    server: path.join(home, "server"),
    worker: path.join(home, "worker"),
    policy: path.join(home, "policy.json"),
    client: path.join(home, "client.json"),
    serverToken: path.join(home, "server", "token"),
    workerToken: path.join(home, "worker", "token"),
  };
}

/** `~` and `~/…` as the user's home. */
export function expanded(file: string, home: string): string {
  if (file === "~") return home;
  return file.startsWith("~/") ? path.join(home, file.slice(2)) : file;
}
