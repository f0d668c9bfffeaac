import fs from "node:fs/promises";
import { isUtf8 } from "node:buffer";
import { Command, Option } from "commander";
import { deliver } from "../deliver.ts";
import { Failure, usageFailure } from "../failure.ts";
import type { Host } from "../host.ts";
import type { End } from "../end.ts";
import { queueOptions, withTaskFlags, type TaskFlags } from "../task-flags.ts";

interface WriteFlags extends TaskFlags {
  readonly content?: string;
  readonly file?: string;
}

export function define(host: Host, end: End): Command {
  return withTaskFlags(new Command("openclaw-worker write"))
    .description(
      "Writes a file on the worker's computer, whole and at once; folders are made.\n" +
        "The content comes from standard input, or from --file or --content.",
    )
    .argument("<path>", "the file there; ~/ is the home of the worker's user")
    .addOption(new Option("--content <text>", "the content itself").conflicts("file"))
    .option("--file <file>", "a file here that holds the content")
    .addHelpText("after", help)
    .action(async (path: string, flags: WriteFlags) => {
      const bytes = await contentOf(host, flags);
      const content = isUtf8(bytes)
        ? { content: bytes.toString("utf8"), encoding: "utf8" as const }
        : { content: bytes.toString("base64"), encoding: "base64" as const };
      end(
        await deliver(host, flags, {
          kind: "file-write",
          path,
          ...content,
          ...queueOptions(flags),
        }),
      );
    });
}

async function contentOf(host: Host, flags: WriteFlags): Promise<Buffer> {
  if (flags.content !== undefined) return Buffer.from(flags.content, "utf8");
  if (flags.file !== undefined) {
    return fs.readFile(flags.file).catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Failure("Cannot read the file to send", { why, remedy: "Check the path.", cause });
    });
  }
  if (!host.stdin.isTerminal) return host.stdin.readAll();
  throw usageFailure(
    "Nothing to write",
    "standard input is the terminal, and neither --file nor --content is given",
    "Pipe the content in, or give --file FILE or --content TEXT.",
  );
}

const help = `
Examples:
  openclaw-worker write '~/openclaw/hello.txt' --content 'hello'
  openclaw-worker write '~/openclaw/photo.jpg' --file photo.jpg
  date | openclaw-worker write '~/openclaw/now.txt'
`;
