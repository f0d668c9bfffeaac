import { Command } from "commander";
import { deliver } from "../deliver.ts";
import type { Host } from "../host.ts";
import type { End } from "../end.ts";
import { readStdin } from "../stdin.ts";
import { processFields, queueOptions, withProcessFlags, type ProcessFlags } from "../task-flags.ts";

export function define(host: Host, end: End): Command {
  return withProcessFlags(new Command("openclaw-worker exec"))
    .description(
      "Runs a program on the worker's computer without a shell: each argument arrives as it is.",
    )
    .usage("[options] -- <program> [args...]")
    .argument("<program>", "name or path of the program there")
    .argument("[args...]", "its arguments")
    .passThroughOptions()
    .addHelpText("after", help)
    .action(async (program: string, args: readonly string[], flags: ProcessFlags) => {
      const stdin = await readStdin(host, flags);
      const fields = { argv: [program, ...args], ...processFields(flags, stdin) };
      end(await deliver(host, flags, { kind: "exec", ...fields, ...queueOptions(flags) }));
    });
}

const help = `
Examples:
  openclaw-worker exec -- git log -1 --format=%s
  openclaw-worker exec --timeout 2m -- node build.js 'an argument with  spaces; and $signs'

Exit codes: as of \`openclaw-worker run\`.
`;
