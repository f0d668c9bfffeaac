import { Command } from "commander";
import type { Host } from "../host.ts";
import { refusedByInstallation } from "../installed.ts";
import { programOf } from "../launch.ts";
import { placeOf } from "../place.ts";
import type { End } from "../end.ts";
import { ensureTools } from "../tools.ts";

interface WorkerFlags {
  readonly withDeps?: boolean;
}

export function define(host: Host, end: End): Command {
  return new Command("openclaw-worker worker")
    .description(
      "Starts the worker alone: it dials out to the server and does what the policy allows.",
    )
    .option("--with-deps", "as root: install what the cage is built from, and make the system user")
    .addHelpText("after", help)
    .action(async (flags: WorkerFlags) => end(await work(host, flags)));
}

// The worker's own code for "a setting or the policy must be changed first".
const policyExit = 2;

async function work(host: Host, flags: WorkerFlags): Promise<number> {
  const place = placeOf(host);
  const make = flags.withDeps === true;
  ensureTools(host, make);
  if (host.uid === 0) {
    const tied = host.env["OPENCLAW_PDEATHSIG"] === "TERM";
    return host.become(programOf("worker", { host, place, make, env: {}, tied }));
  }
  const refused = await refusedByInstallation(host, place);
  if (refused.length > 0) {
    for (const line of refused) host.stderr.write(`${line}\n`);
    return policyExit;
  }
  host.settleIn(`${place.worker}/empty`);
  const { runWorker } = await import("@openclaw-worker/worker");
  return runWorker({
    env: { ...host.env, OPENCLAW_WORKER_HOME: place.home },
    stdout: (line) => host.stdout.write(`${line}\n`),
    stderr: (line) => host.stderr.write(`${line}\n`),
    signal: host.signal,
    uid: host.uid,
    home: host.home,
    hostname: host.hostname,
    shell: host.shell,
    installDir: host.installDir,
  });
}

const help = `
Environment:
  WORKER_URL              the server: http://127.0.0.1:3456
  WORKER_TOKEN            its token; else the file \`worker/token\` in the state folder
  MAX_CONCURRENT          tasks at once: 3
  OPENCLAW_WORKER_ROOTS   folders that tasks may use (/a:/b), when there is no policy file
  OPENCLAW_WORKER_HOME    where state lies: ~/.openclaw-worker; for root /var/lib/openclaw-worker

Examples:
  WORKER_URL=https://tasks.example.com WORKER_TOKEN=… openclaw-worker worker
  openclaw-worker policy init ~/openclaw && openclaw-worker worker

Started as root, it runs as the user who typed sudo, else as the system user openclaw-worker.
`;
