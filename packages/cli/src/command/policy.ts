import fs from "node:fs";
import path from "node:path";
import { Command } from "commander";
import { Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import { ownFolder, writeNew } from "../keep.ts";
import { prepareRole } from "../launch.ts";
import { expanded, placeOf } from "../place.ts";
import type { End } from "../program.ts";
import { prepareRoot, quoted } from "../root/folders.ts";

interface InitFlags {
  readonly withDeps?: boolean;
}

export function define(host: Host, end: End): Command {
  const command = new Command("openclaw-worker policy")
    .description("The worker's own rules: which folders tasks may use.")
    .addHelpText("after", help);
  command
    .command("init")
    .description(
      "Writes a first policy, and makes the folders that it names. Never changes one that is there.",
    )
    .argument("[roots...]", "folders that tasks may read and write (default: ~/openclaw)")
    .option(
      "--with-deps",
      "as root: make the system user that the worker runs as, if it is missing",
    )
    .addHelpText("after", help)
    .action(async (roots: readonly string[], flags: InitFlags) => {
      await initialize(host, roots.length === 0 ? ["~/openclaw"] : roots, flags);
      end(0);
    });
  return command;
}

/** @throws Failure when there is a policy already, or the worker would refuse this one */
async function initialize(host: Host, roots: readonly string[], flags: InitFlags): Promise<void> {
  const place = placeOf(host);
  if (fs.existsSync(place.policy)) {
    throw new Failure("There is a policy already", {
      why: `${place.policy} is in force, and only you change it`,
      remedy: `Edit it, or move it away first: mv ${quoted(place.policy)} ${quoted(place.policy)}.old`,
    });
  }
  const say = (line: string): void => host.stderr.write(`${line}\n`);
  const make = flags.withDeps === true;
  const account =
    host.uid === 0 ? prepareRole("worker", { host, place, make, env: {}, tied: false }) : null;
  if (account === null) ownFolder(place.home);
  // `~/x` stays as it is: it is the home of the worker's user, wherever that is.
  const named = roots.map((root) => (/^~(\/|$)/.test(root) ? root : path.resolve(host.cwd, root)));
  const { loadPolicy, policyTemplate, rootProblem, surroundingsOf } =
    await import("@openclaw-worker/worker");
  const home = account?.home ?? host.home;
  const around = surroundingsOf({ home, stateHome: place.home, installDir: host.installDir });
  for (const root of named) {
    const full = expanded(root, home);
    const problem = rootProblem(full, around);
    if (problem !== null) throw refusedRoot(`the root ${JSON.stringify(root)} ${problem}`);
    if (account === null) fs.mkdirSync(full, { recursive: true });
    else prepareRoot(full, account, say);
  }
  writeNew(place.policy, policyTemplate(named), account);
  const load = loadPolicy({
    path: place.policy,
    roots: null,
    uid: account?.uid ?? host.uid,
    around,
  });
  if (load.kind === "refused") {
    fs.unlinkSync(place.policy);
    throw refusedRoot(load.because.join("\n"));
  }
  host.stdout.write(`Policy written: ${place.policy}\nTasks may use: ${named.join(", ")}\n`);
}

function refusedRoot(why: string): Failure {
  return new Failure("The worker would refuse this policy", {
    why,
    remedy: "Name folders that tasks may have wholly, such as ~/openclaw.",
  });
}

const help = `
Examples:
  openclaw-worker policy init                           tasks may use ~/openclaw and nothing else
  openclaw-worker policy init ~/projects/site ~/notes
`;
