// Where Redis is, from one line of configuration.

import { StoreRefused } from "../refused.ts";

export interface Address {
  readonly way: "one" | "sentinel" | "cluster";
  /** One for `one`; of sentinels or of cluster nodes otherwise. */
  readonly hosts: readonly HostPort[];
  /** A Unix socket instead of hosts. */
  readonly path: string | null;
  /** Name of the master that the sentinels watch. */
  readonly master: string;
  readonly username: string | null;
  readonly password: string | null;
  readonly sentinelPassword: string | null;
  readonly db: number;
  readonly tls: boolean;
  /** What all keys begin with: several houses may share one Redis. */
  readonly name: string;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const schemes: Readonly<Record<string, Pick<Address, "way" | "tls"> & { readonly port: number }>> =
  {
    redis: { way: "one", tls: false, port: 6379 },
    rediss: { way: "one", tls: true, port: 6379 },
    "redis+unix": { way: "one", tls: false, port: 0 },
    "redis-sentinel": { way: "sentinel", tls: false, port: 26_379 },
    "rediss-sentinel": { way: "sentinel", tls: true, port: 26_379 },
    "redis-cluster": { way: "cluster", tls: false, port: 6379 },
    "rediss-cluster": { way: "cluster", tls: true, port: 6379 },
  };
const forms =
  "redis://[user:password@]host[:port][/db][?name=…], rediss:// for TLS, redis+unix:///path[?db=…], " +
  "redis-sentinel://host:port,host:port/master or redis-cluster://host:port,host:port";

/**
 * Reads an address as `forms` has it. Query: `name` (what keys begin with), `db`, `sentinelPassword`.
 * @throws StoreRefused that names the part which is wrong, and never a password
 */
export function parseAddress(text: string): Address {
  const found = /^([a-z+-]+):\/\/(?:([^@/]*)@)?([^/?#]*)(\/[^?#]*)?(\?[^#]*)?$/.exec(text);
  const scheme = schemes[found?.[1] ?? ""];
  if (found === null || scheme === undefined) throw refuse("it has another form");
  const [, kind = "", credentials, places = "", pathText = "", queryText = ""] = found;
  const query = new URLSearchParams(queryText);
  const unknown = [...query.keys()].find(
    (key) => !["name", "db", "sentinelPassword"].includes(key),
  );
  if (unknown !== undefined) throw refuse(`it does not know ?${unknown}=`);
  const isUnix = kind === "redis+unix";
  const rest = pathText.slice(1);
  const name = query.get("name") ?? "openclaw-worker";
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(name)) throw refuse("name: letters, digits, '.', '_' and '-'");
  const dbText = query.get("db") ?? (scheme.way === "one" && !isUnix && rest !== "" ? rest : "0");
  if (!/^\d{1,4}$/.test(dbText)) throw refuse("the database must be a number");
  if (scheme.way === "cluster" && (dbText !== "0" || rest !== ""))
    throw refuse("a cluster has database 0 only");
  if (scheme.way === "sentinel" && rest === "")
    throw refuse("the master's name follows the sentinels: …/mymaster");
  if (isUnix && (pathText === "" || places !== ""))
    throw refuse("three slashes, then the socket's path");
  const [username, password] = credentialsOf(credentials);
  return {
    way: scheme.way,
    tls: scheme.tls,
    hosts: isUnix ? [] : places.split(",").map((one) => hostOf(one, scheme.port)),
    path: isUnix ? decodeURIComponent(pathText) : null,
    master: scheme.way === "sentinel" ? decodeURIComponent(rest) : "",
    username,
    password,
    sentinelPassword: query.get("sentinelPassword"),
    db: Number(dbText),
    name,
  };
}

/** For people and logs: without user and password. */
export function shownAddress(text: string): string {
  return text.replace(/\/\/[^@/]*@/, "//").replace(/([?&]sentinelPassword=)[^&]*/, "$1…");
}

function credentialsOf(text: string | undefined): readonly [string | null, string | null] {
  if (text === undefined) return [null, null];
  const split = text.indexOf(":");
  const [user, password] = split < 0 ? [text, ""] : [text.slice(0, split), text.slice(split + 1)];
  return [decodeURIComponent(user) || null, decodeURIComponent(password) || null];
}

function hostOf(text: string, usualPort: number): HostPort {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const host = found?.[1] ?? found?.[2];
  if (host === undefined) throw refuse("a host is missing or has another form");
  return { host, port: Number(found?.[3] ?? usualPort) };
}

function refuse(why: string): StoreRefused {
  return new StoreRefused(
    `The store's address is not one that this server knows: ${why}. Forms: ${forms}`,
  );
}
