import { Command } from "commander";
import { connect } from "../deliver.ts";
import type { Host } from "../host.ts";
import type { End } from "../end.ts";
import { oneLine } from "../table.ts";
import { withAskFlags, type AskFlags } from "../task-flags.ts";

export function define(host: Host, end: End): Command {
  return withAskFlags(new Command("openclaw-worker cancel"))
    .description("Ends a task: one that waits at once, one that runs through its worker.")
    .argument("<id>", "the task's id")
    .addHelpText(
      "after",
      "\nExamples:\n  openclaw-worker cancel 0192f3a1-7c1e-7d20-8a51-1f5d2f0c9b11\n",
    )
    .action(async (id: string, flags: AskFlags) => {
      using client = connect(host, flags);
      const answer = await client.cancel(id, host.signal);
      const text = flags.json === true ? JSON.stringify(answer, null, 2) : oneLine(answer.message);
      host.stdout.write(`${text}\n`);
      end(0);
    });
}
