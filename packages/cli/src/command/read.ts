import { Command } from "commander";
import { deliver } from "../deliver.ts";
import type { Host } from "../host.ts";
import type { End } from "../end.ts";
import { queueOptions, withTaskFlags, type TaskFlags } from "../task-flags.ts";

export function define(host: Host, end: End): Command {
  return withTaskFlags(new Command("openclaw-worker read"))
    .description("Prints a file of the worker's computer, byte for byte.")
    .argument("<path>", "the file there; ~/ is the home of the worker's user")
    .addHelpText("after", help)
    .action(async (path: string, flags: TaskFlags) => {
      end(await deliver(host, flags, { kind: "file-read", path, ...queueOptions(flags) }));
    });
}

const help = `
Examples:
  openclaw-worker read ~/openclaw/notes.md          (your shell expands ~ here: quote it when the homes differ)
  openclaw-worker read '~/openclaw/photo.jpg' > photo.jpg
`;
