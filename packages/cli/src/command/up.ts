import fs from "node:fs";
import { Command } from "commander";
import { exitCodes, Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import { keepToken, keptToken, ownFolder } from "../keep.ts";
import { definedOf, prepareRole } from "../launch.ts";
import { placeOf, type Place } from "../place.ts";
import type { End } from "../end.ts";
import type { Account, Role } from "../root/account.ts";
import { ensureTools } from "../tools.ts";
import { startChild } from "../up/child.ts";
import { closingText } from "../up/closing.ts";
import { runFirstTask } from "../up/first-task.ts";
import { openHousehold } from "../up/household.ts";
import { checkPort } from "../up/port.ts";

interface UpFlags {
  readonly withDeps?: boolean;
  readonly store?: string;
}

export function define(host: Host, end: End): Command {
  return new Command("openclaw-worker up")
    .description(
      "Starts server and worker on this computer, runs a first task, and stays in front.\n" +
        "Ctrl-C stops both. What it makes (token, state, policy, workspace) is used again next time.",
    )
    .option(
      "--with-deps",
      "as root: install what the cage is built from, and make the system users",
    )
    .option("--store <address>", "keep tasks in a Redis (WORKER_STORE), not in a file here")
    .addHelpText("after", help)
    .action(async (flags: UpFlags) => end(await up(host, flags)));
}

async function up(host: Host, flags: UpFlags): Promise<number> {
  const make = flags.withDeps === true;
  const place = placeOf(host);
  ensureTools(host, make);
  await checkPort(host);
  const token = await prepare(host, place, make);
  const tokenIsGiven = (host.env["WORKER_TOKEN"] ?? "") !== "";
  try {
    await using house = await openHousehold({
      host,
      launch: { host, place, make },
      token,
      serverEnv: flags.store === undefined ? {} : { WORKER_STORE: flags.store },
    });
    await runFirstTask(host, house.client);
    host.stdout.write(closingText({ host, place, url: house.url, tokenIsGiven }));
    await Promise.race([house.broken, aborted(host.signal)]);
  } catch (thrown) {
    if (!host.signal.aborted) throw thrown;
  }
  host.stderr.write("Stopped.\n");
  return exitCodes.ok;
}

/** Everything that the two need before they start: users, folders, token, policy and workspace. */
async function prepare(host: Host, place: Place, make: boolean): Promise<string> {
  const asRoot = host.uid === 0;
  const launch = { host, place, make, env: {}, tied: true };
  const ownerOf = (role: Role): Account | null => {
    if (asRoot) return prepareRole(role, launch);
    ownFolder(place.home);
    ownFolder(place[role]);
    return null;
  };
  const server = ownerOf("server");
  const worker = ownerOf("worker");
  const given = host.env["WORKER_TOKEN"] ?? "";
  const token = given === "" ? keptToken(place.serverToken, server) : given;
  // So that the worker, started alone later, finds the server that it belongs to.
  if (given === "") keepToken(place.workerToken, token, worker);
  const rootsAreGiven = (host.env["OPENCLAW_WORKER_ROOTS"] ?? "") !== "";
  if (!rootsAreGiven && !fs.existsSync(place.policy)) await makePolicy(host, make);
  return token;
}

// In a process of its own: the worker's rules are much code, and this process stays small.
async function makePolicy(host: Host, make: boolean): Promise<void> {
  const args = [host.launcher, "policy", "init", ...(make ? ["--with-deps"] : [])];
  const program = { file: host.nodePath, args, env: definedOf(host.env) };
  const show = (line: string): void => host.stderr.write(`${line}\n`);
  const child = startChild({ name: "policy", program, clock: host.clock, show, apart: false });
  const { code } = await child.ended;
  if (code === 0) return;
  throw new Failure("No policy could be made", {
    why: "its own words are above",
    remedy: "Mend that, or make one by hand: openclaw-worker policy init FOLDER",
    exitCode: code ?? exitCodes.failed,
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true }),
  );
}

const help = `
Environment:
  WORKER_PORT            the server's port: 3456 (0: any free one)
  WORKER_TOKEN           the token; else one is made and kept
  OPENCLAW_WORKER_ROOTS  folders that tasks may use (/a:/b); else a policy for ~/openclaw is made
  OPENCLAW_WORKER_HOME   where state lies: ~/.openclaw-worker; for root /var/lib/openclaw-worker

Examples:
  openclaw-worker up
  sudo openclaw-worker up --with-deps      installs bubblewrap, socat and ripgrep where they are missing
  WORKER_PORT=8080 openclaw-worker up

Started as root, neither program stays root: the server runs as openclaw-server, the worker as the
user who typed sudo, else as openclaw-worker.
`;
