import fs from "node:fs";
import path from "node:path";
import { Command } from "commander";
import { Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import { ownFolder, writeNew } from "../keep.ts";
import { prepareRole } from "../launch.ts";
import { expanded, placeOf } from "../place.ts";
import type { End } from "../end.ts";
import type { CheckFlags } from "../policy/check.ts";
import type { ExplainFlags } from "../policy/explain.ts";
import type { TestFlags } from "../policy/try.ts";
import { prepareRoot, quoted } from "../root/folders.ts";
import { withAskFlags } from "../task-flags.ts";

interface InitFlags {
  readonly withDeps?: boolean;
}

export function define(host: Host, end: End): Command {
  const command = new Command("openclaw-worker policy")
    .description("The worker's own rules: what tasks may do on this computer.")
    .addHelpText("after", help);
  defineLooks(command, host, end);
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

// Commands that look and change nothing. What they need is loaded when one of them runs.
function defineLooks(command: Command, host: Host, end: End): void {
  const file = ["--policy <file>", "another policy file than the one in force"] as const;
  command
    .command("check")
    .description("Reads the policy as the worker does: what is wrong, and what has no effect.")
    .option(...file)
    .option("--json", "print one JSON object")
    .addHelpText("after", help)
    .action(async (flags: CheckFlags) => {
      const { checkPolicy } = await import("../policy/check.ts");
      end(checkPolicy(host, flags));
    });
  command
    .command("test")
    .description("Says what the policy would decide, and why. Runs nothing.")
    .argument("[what...]", "commands, each as one argument")
    .option(...file)
    .option("--as <kind>", "command, exec, read, write, edit, list, agent, action, domain")
    .option("--cwd <folder>", "folder that the task starts in")
    .option("--needs <json>", 'what a command says that it needs: {"network":["example.com"]}')
    .option("--submitter <name>", "as if this one had signed the task")
    .option("--stdin", "read more from standard input: one JSON text a line")
    .option("--json", 'one object a line: {"decision","rule","because"}')
    .addHelpText("after", help)
    .action(async (what: readonly string[], flags: TestFlags) => {
      const { testPolicy } = await import("../policy/try.ts");
      end(await testPolicy(host, what, flags));
    });
  withAskFlags(command.command("explain"))
    .description("Says what the policy decided about a past task.")
    .argument("<task>", "the task's id")
    .option(...file)
    .addHelpText("after", help)
    .action(async (id: string, flags: ExplainFlags) => {
      const { explainTask } = await import("../policy/explain.ts");
      end(await explainTask(host, id, flags));
    });
  command
    .command("schema")
    .description("Prints the JSON Schema of the policy file, for editors.")
    .action(async () => {
      const { policyJsonSchema } = await import("@openclaw-worker/worker");
      host.stdout.write(`${JSON.stringify(policyJsonSchema(), null, 2)}\n`);
      end(0);
    });
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
  openclaw-worker policy check                          is the file good?
  openclaw-worker policy test 'git push --force'        what would happen, and by which rule
  openclaw-worker policy test --as read ~/.ssh/id_ed25519
  openclaw-worker policy test --needs '{"network":["example.com"]}' 'curl https://example.com'
  openclaw-worker policy test --json --stdin < commands    one JSON text a line in, one object a line out
  openclaw-worker policy explain 0192f3a1-7c1e-7d20-8a51-1f5d2f0c9b11

Exit codes: 0 done, whatever the decision; 1 the policy is broken or there is none; 2 what was asked
is not understood, also a line of standard input (the lines after it are still answered).
`;
