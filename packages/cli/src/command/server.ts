import { Command } from "commander";
import type { Host } from "../host.ts";
import { programOf } from "../launch.ts";
import { placeOf } from "../place.ts";
import type { End } from "../end.ts";

interface ServerFlags {
  readonly withDeps?: boolean;
  readonly store?: string;
}

export function define(host: Host, end: End): Command {
  return new Command("openclaw-worker server")
    .description(
      "Starts the server (the Task API) alone and stays in front until Ctrl-C or SIGTERM.",
    )
    .option(
      "--with-deps",
      "as root: make the system user that the server runs as, if it is missing",
    )
    .option("--store <address>", "keep tasks in a Redis that several servers may share")
    .addHelpText("after", help)
    .action(async (flags: ServerFlags) => end(await serve(host, flags)));
}

async function serve(host: Host, flags: ServerFlags): Promise<number> {
  const place = placeOf(host);
  const store = flags.store === undefined ? {} : { WORKER_STORE: flags.store };
  if (host.uid === 0) {
    const tied = host.env["OPENCLAW_PDEATHSIG"] === "TERM";
    const make = flags.withDeps === true;
    return host.become(programOf("server", { host, place, make, env: store, tied }));
  }
  const { runServer } = await import("@openclaw-worker/server");
  return runServer({
    env: { ...host.env, ...store, OPENCLAW_WORKER_HOME: place.home },
    stdout: (line) => host.stdout.write(`${line}\n`),
    stderr: (line) => host.stderr.write(`${line}\n`),
    signal: host.signal,
    uid: host.uid,
    home: host.home,
  });
}

const help = `
Environment:
  WORKER_TOKEN          the token; else one is made and kept in the state folder
  WORKER_PORT           3456
  WORKER_HOST           the loopback addresses; 0.0.0.0 for all (put TLS before it)
  WORKER_STORE          the same as --store, and better: a password in it is shown to nobody
  OPENCLAW_WORKER_HOME  where state lies: ~/.openclaw-worker; for root /var/lib/openclaw-worker

Examples:
  openclaw-worker server
  WORKER_TOKEN=$(openssl rand -hex 32) WORKER_PORT=8080 openclaw-worker server
  WORKER_STORE=redis://10.0.0.5 WORKER_TOKEN=… openclaw-worker server      see docs/scaling.md

Started as root, it runs as the system user openclaw-server.
`;
