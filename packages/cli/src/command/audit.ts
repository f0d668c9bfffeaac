import fs from "node:fs";
import path from "node:path";
import { Command, Option } from "commander";
import { auditTypeSchema } from "@openclaw-worker/protocol";
import type { ListFlags, LookFlags } from "../audit/show.ts";
import type { VerifyFlags } from "../audit/verify.ts";
import type { End } from "../end.ts";
import { exitCodes, Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import { expanded } from "../place.ts";
import { whole, withAskFlags } from "../task-flags.ts";

interface ExportFlags {
  readonly out?: string;
}

export function define(host: Host, end: End): Command {
  const command = new Command("openclaw-worker audit")
    .description("What the worker did and decided: its signed log, for reading and for checking.")
    .addHelpText("after", help);
  defineLooks(command, host, end);
  command
    .command("export")
    .description("Writes all that is signed into one file, which can be verified anywhere.")
    .option("--out <file>", "a new file (else standard output)")
    .addHelpText("after", help)
    .action(async ({ out }: ExportFlags) => {
      await exportAudit(host, out);
      end(exitCodes.ok);
    });
  withAskFlags(command.command("verify"))
    .description("Checks that nothing was changed, and names the first entry that was.")
    .option("--log <file>", "an exported log, or a worker's state folder (else this computer's)")
    .option("--server", "the server's copy")
    .option("--receipt <file>", "a result or its receipt; with --log: is it of this log?")
    .option("--key <key>", "who must have signed: SHA256:…, ssh-ed25519 …, or a file")
    .option("--worker <name>", "with --server: whose log (else this computer's, or the only one)")
    .addHelpText("after", help)
    .action(async (flags: VerifyFlags) => {
      const { verifyAudit } = await import("../audit/verify.ts");
      end(await verifyAudit(host, flags));
    });
  return command;
}

function defineLooks(command: Command, host: Host, end: End): void {
  const log = ["--log <file>", "an exported log, or a worker's state folder"] as const;
  command
    .command("list")
    .description("Lists the newest entries.")
    .option(...log)
    .option("--task <id>", "only those of this task")
    .addOption(new Option("--type <type>", "only these").choices(auditTypeSchema.options))
    .option("--limit <n>", "how many", whole, 20)
    .option("--json", "one entry a line")
    .addHelpText("after", help)
    .action(async (flags: ListFlags) => {
      const { listAudit } = await import("../audit/show.ts");
      end(await listAudit(host, { ...flags, limit: Math.max(1, flags.limit) }));
    });
  command
    .command("show")
    .description("Shows an entry, or all entries of a task.")
    .argument("<which>", "the entry's number, or the task's id")
    .option(...log)
    .option("--json", "one entry a line")
    .addHelpText("after", help)
    .action(async (which: string, flags: LookFlags) => {
      const { showAudit } = await import("../audit/show.ts");
      end(await showAudit(host, which, flags));
    });
  command
    .command("key")
    .description("Prints the fingerprint of this computer's worker, to compare.")
    .addHelpText("after", help)
    .action(async () => {
      const { ownFingerprint } = await import("../audit/trust.ts");
      const fingerprint = ownFingerprint(host);
      if (fingerprint === null) {
        throw new Failure("This computer's worker has no key", {
          why: "its identity.pem is not there, or not this user's to read",
          remedy: "Start the worker once; look as the user that it runs as.",
        });
      }
      host.stdout.write(`${fingerprint}\n`);
      end(exitCodes.ok);
    });
}

/** @throws Failure when there is nothing signed yet, or the file is there already */
async function exportAudit(host: Host, out: string | undefined): Promise<void> {
  const { exportFolder, writeExport } = await import("../audit/exported.ts");
  const { lastHead } = await import("../audit/folder.ts");
  const { needFolder } = await import("../audit/verify.ts");
  const folder = needFolder(host);
  if (lastHead(folder) === null) {
    throw new Failure("Nothing is signed yet", { why: folder, remedy: "Start the worker once." });
  }
  if (out === undefined) {
    for await (const bytes of exportFolder(folder)) host.stdout.write(bytes);
    return;
  }
  const file = path.resolve(host.cwd, expanded(out, host.home));
  if (fs.existsSync(file)) {
    throw new Failure("The file is there already", { why: file, remedy: "Choose another name." });
  }
  await writeExport(folder, file);
  host.stderr.write(`Written: ${file}\n`);
}

const help = `
Examples:
  openclaw-worker audit list --limit 50
  openclaw-worker audit show 0192f3a1-7c1e-7d20-8a51-1f5d2f0c9b11     everything about a task
  openclaw-worker audit verify                                        this computer's log
  openclaw-worker audit verify --server                               the server's copy of it
  openclaw-worker task ID --json > result.json
  openclaw-worker audit verify --receipt result.json --key SHA256:…   a result, anywhere
  openclaw-worker audit export --out audit.export
`;
