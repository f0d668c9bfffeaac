import { Command } from "commander";
import { deliver } from "../deliver.ts";
import type { Host } from "../host.ts";
import type { End } from "../end.ts";
import { queueOptions, withTaskFlags, type TaskFlags } from "../task-flags.ts";

interface EditFlags extends TaskFlags {
  readonly old: string;
  readonly new: string;
  readonly all?: boolean;
}

export function define(host: Host, end: End): Command {
  return withTaskFlags(new Command("openclaw-worker edit"))
    .description(
      "Replaces text in a file of the worker's computer. The old text must be there once.",
    )
    .argument("<path>", "the file there; ~/ is the home of the worker's user")
    .requiredOption("--old <text>", "the text to replace, exactly")
    .requiredOption("--new <text>", "the text to put there, taken literally")
    .option("--all", "replace every occurrence")
    .addHelpText("after", help)
    .action(async (path: string, flags: EditFlags) => {
      const texts = { oldString: flags.old, newString: flags.new, replaceAll: flags.all === true };
      end(
        await deliver(host, flags, { kind: "file-edit", path, ...texts, ...queueOptions(flags) }),
      );
    });
}

const help = `
Examples:
  openclaw-worker edit '~/openclaw/notes.md' --old 'teh' --new 'the'
  openclaw-worker edit '~/openclaw/config.ini' --old 'debug=0' --new 'debug=1' --all
`;
