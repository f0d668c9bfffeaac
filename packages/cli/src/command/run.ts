import { Command } from "commander";
import { deliver } from "../deliver.ts";
import type { Host } from "../host.ts";
import type { End } from "../end.ts";
import { readStdin } from "../stdin.ts";
import { processFields, queueOptions, withProcessFlags, type ProcessFlags } from "../task-flags.ts";

export function define(host: Host, end: End): Command {
  return withProcessFlags(new Command("openclaw-worker run"))
    .description(
      "Runs a shell command on the worker's computer, in its cage, and ends with its exit code.\n" +
        "The command reaches the shell as it is written: quote it as one argument.",
    )
    .argument("<command>", "one string, as the shell there shall see it")
    .addHelpText("after", help)
    .action(async (command: string, flags: ProcessFlags) => {
      const stdin = await readStdin(host, flags);
      const fields = processFields(flags, stdin);
      end(
        await deliver(host, flags, { kind: "command", command, ...fields, ...queueOptions(flags) }),
      );
    });
}

const help = `
Examples:
  openclaw-worker run 'uname -a'
  openclaw-worker run --timeout 5m 'npm test'
  openclaw-worker run --cwd ~/openclaw/project --env CI=1 'make check'
  echo hello | openclaw-worker run --stdin 'tr a-z A-Z'
  openclaw-worker run --detach 'sleep 60; date'       prints the task's id
  openclaw-worker run --json 'ls' | jq .exitCode

Exit codes: the command's own; 124 timeout, 126 refused by the policy, 130 cancelled (Ctrl-C);
1 a failure of ours (the task expired or was lost, say), 2 wrong usage, 69 no server.
`;
