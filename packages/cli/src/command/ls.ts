import { Command } from "commander";
import { deliver } from "../deliver.ts";
import type { Host } from "../host.ts";
import type { End } from "../end.ts";
import { queueOptions, withTaskFlags, type TaskFlags } from "../task-flags.ts";

export function define(host: Host, end: End): Command {
  return withTaskFlags(new Command("openclaw-worker ls"))
    .description("Lists a folder of the worker's computer.")
    .argument("<path>", "the folder there; ~/ is the home of the worker's user")
    .addHelpText("after", "\nExamples:\n  openclaw-worker ls '~/openclaw'\n")
    .action(async (path: string, flags: TaskFlags) => {
      end(await deliver(host, flags, { kind: "file-list", path, ...queueOptions(flags) }));
    });
}
