import { Command } from "commander";
import type { Verdict } from "@openclaw-worker/protocol";
import type { ApprovalFlags, GrantFlags } from "../approval/flags.ts";
import type { End } from "../end.ts";
import type { Host } from "../host.ts";
import { withAskFlags } from "../task-flags.ts";

export function define(host: Host, end: End): Command {
  const command = withSource(new Command("openclaw-worker approvals"))
    .description(
      "What waits for your yes. On a terminal a live list, where keys decide; else one text for each.\n" +
        "Without --remote: of the worker on this computer.",
    )
    .addHelpText("after", help)
    .action(async (flags: ApprovalFlags) => end(await (await load()).follow(host, flags)));
  withSource(command.command("watch"), false)
    .description("The live list of workers elsewhere, through the server, signed with your key.")
    .addHelpText("after", help)
    .action(async (flags: ApprovalFlags) =>
      end(await (await load()).follow(host, { ...inherited(command, flags), remote: true })),
    );
  withSource(command.command("list"))
    .description("Prints what waits now.")
    .addHelpText("after", help)
    .action(async (flags: ApprovalFlags) =>
      end(await (await load()).list(host, inherited(command, flags))),
    );
  withSource(command.command("show"))
    .description("Prints one approval whole.")
    .argument("<id>", "its id, or the beginning of it")
    .action(async (id: string, flags: ApprovalFlags) =>
      end(await (await load()).show(host, id, inherited(command, flags))),
    );
  for (const [name, verdict, text] of verdicts) {
    withSource(command.command(name))
      .description(text)
      .argument("<id>", "its id, or the beginning of it")
      .addHelpText("after", help)
      .action(async (id: string, flags: ApprovalFlags) => {
        const choice = { verdict, grant: null };
        end(await (await load()).decide(host, id, { choice, flags: inherited(command, flags) }));
      });
  }
  withSource(command.command("grant"))
    .description("Allows it, and what the rule names from now on, until it ends.")
    .argument("<id>", "its id, or the beginning of it")
    .option("--rule <rule>", "such as 'Bash(npm test)' (default: exactly what waits)")
    .option("--for <time>", "how long: 12h, 30d", "30d")
    .option("--runs <n>", "at most so many times")
    .option("--per-hour <n>", "at most so many an hour")
    .addHelpText("after", help)
    .action(async (id: string, flags: GrantFlags) =>
      end(await (await load()).grant(host, id, inherited(command, flags))),
    );
  return command;
}

const load = () => import("../approval/act.ts");

const verdicts: readonly (readonly [string, Verdict & ("once" | "deny"), string])[] = [
  ["allow", "once", "Allows it once."],
  ["deny", "deny", "Denies it."],
];

function withSource(command: Command, choose = true): Command {
  withAskFlags(command).option("--identity <file>", "the key to sign with (default: your key.pem)");
  if (choose) command.option("--remote", "through the server, instead of this computer's worker");
  return command;
}

/** `approvals --remote list` is `approvals list --remote`. */
function inherited<F extends ApprovalFlags>(command: Command, flags: F): F {
  return { ...command.opts<ApprovalFlags>(), ...flags };
}

const help = `
Keys of the live list: a allow once, d deny, g allow from now on (with a rule you can edit),
↑ ↓ choose, space reads on, q leaves.

Examples:
  openclaw-worker approvals                              at the worker's computer
  openclaw-worker approvals watch                        from another one, with your enrolled key
  openclaw-worker approvals list --json
  openclaw-worker approvals allow 0192f3a1
  openclaw-worker approvals grant 0192f3a1 --rule 'Bash(npm test)' --for 30d --per-hour 20
`;
