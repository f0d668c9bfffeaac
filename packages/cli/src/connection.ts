// Where the server is, and with which token: flags first, then the environment, then the file that
// `up` wrote.

import fs from "node:fs";
import { Failure } from "./failure.ts";
import type { Host } from "./host.ts";
import { placeOf } from "./place.ts";

export interface Connection {
  readonly url: string;
  readonly token: string;
}

export interface ConnectionFlags {
  readonly url?: string | undefined;
  readonly tokenFile?: string | undefined;
}

const defaultUrl = "http://127.0.0.1:3456";

/** @throws Failure when there is no token, or only one that belongs to another server */
export function findConnection(host: Host, flags: ConnectionFlags): Connection {
  const { client } = placeOf(host);
  const stored = readStored(client);
  const url = flags.url ?? filled(host.env["WORKER_URL"]) ?? stored?.url ?? defaultUrl;
  const given =
    flags.tokenFile === undefined ? filled(host.env["WORKER_TOKEN"]) : readToken(flags.tokenFile);
  if (given !== undefined) return { url, token: given };
  if (stored === null) {
    throw new Failure("No token for the server", {
      why: `neither --token-file nor WORKER_TOKEN is given, and there is no readable ${client}`,
      remedy:
        "Start both programs with `openclaw-worker up` (it writes that file),\n" +
        "or set WORKER_URL and WORKER_TOKEN to those of your server.",
    });
  }
  // A token is shown to the server that it is for, and to nobody else.
  if (originOf(stored.url) !== originOf(url)) {
    throw new Failure("No token for this server", {
      why: `the token in ${client} is for ${stored.url}, not for ${url}`,
      remedy: "Give the token of that server: --token-file FILE, or WORKER_TOKEN.",
    });
  }
  return { url, token: stored.token };
}

/** What `up` wrote, or null when there is nothing that can be read. */
function readStored(file: string): Connection | null {
  try {
    const data: unknown = JSON.parse(fs.readFileSync(file, "utf8"));
    if (typeof data !== "object" || data === null) return null;
    if (!("url" in data) || typeof data.url !== "string") return null;
    if (!("token" in data) || typeof data.token !== "string") return null;
    return { url: data.url, token: data.token };
  } catch {
    return null;
  }
}

function readToken(file: string): string {
  try {
    const token = fs.readFileSync(file, "utf8").trim();
    if (token !== "") return token;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Failure("Cannot read the token file", { why, remedy: "Check the path.", cause });
  }
  throw new Failure("The token file is empty", { why: file, remedy: "Put the token into it." });
}

function originOf(url: string): string {
  return URL.parse(url)?.origin ?? url;
}

function filled(text: string | undefined): string | undefined {
  return text === undefined || text === "" ? undefined : text;
}
