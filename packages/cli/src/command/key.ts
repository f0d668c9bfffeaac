import path from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import type { End } from "../end.ts";
import { exitCodes } from "../failure.ts";
import type { Host } from "../host.ts";
import { keyFileOf, makeKey, needKey } from "../key/own.ts";
import type { EnrollFlags } from "../key/ring.ts";
import { paintOf } from "../paint.ts";

interface OwnFlags {
  readonly identity?: string;
  readonly json?: boolean;
}

export function define(host: Host, end: End): Command {
  const command = new Command("openclaw-worker key")
    .description(
      "Keys to sign with: whoever may approve from another computer, or submit where the policy\n" +
        "wants signed tasks, has one. A worker knows only the keys that were enrolled at its computer.",
    )
    .addHelpText("after", help);
  defineOwn(command, host, end);
  defineRing(command, host, end);
  return command;
}

/** This user's own key. */
function defineOwn(command: Command, host: Host, end: End): void {
  const identity = [
    "--identity <file>",
    "the key's file (default: key.pem in ~/.openclaw-worker)",
  ] as const;
  command
    .command("new")
    .description("Makes a key for this user, in a file that only this user reads.")
    .option(...identity)
    .option("--json", "print one JSON object")
    .addHelpText("after", help)
    .action((flags: OwnFlags) => {
      const file = fileOf(host, flags);
      tell(host, makeKey(host, file).public, { file, json: flags.json === true, isNew: true });
      end(exitCodes.ok);
    });
  command
    .command("show")
    .description("Prints the public half of this user's key, and its fingerprint.")
    .option(...identity)
    .option("--json", "print one JSON object")
    .addHelpText("after", help)
    .action((flags: OwnFlags) => {
      const file = fileOf(host, flags);
      tell(host, needKey(host, file).public, { file, json: flags.json === true, isNew: false });
      end(exitCodes.ok);
    });
}

/** The keys that the worker of this computer knows. */
function defineRing(command: Command, host: Host, end: End): void {
  command
    .command("enroll")
    .description(
      "Lets this computer's worker know somebody's key. Asks to compare the fingerprint.",
    )
    .argument("<name>", "whose it is")
    .argument("<key>", "the public key in quotes, or a file that holds it")
    .addOption(
      new Option("--role <role>", "approver, submitter (may be repeated)")
        .choices(["approver", "submitter"])
        .argParser((text: string, before: readonly string[] | undefined) => {
          if (text !== "approver" && text !== "submitter")
            throw new InvalidArgumentError("Allowed choices are approver, submitter.");
          return [...(before ?? []), text];
        })
        .makeOptionMandatory(),
    )
    .option("--fingerprint <text>", "what the other screen shows, instead of asking")
    .option("--json", "print one JSON object")
    .addHelpText("after", help)
    .action(async (name: string, key: string, flags: EnrollFlags) => {
      const { enroll } = await import("../key/ring.ts");
      end(await enroll(host, { name, key, flags }));
    });
  command
    .command("list")
    .description("Lists the keys that this computer's worker knows.")
    .option("--json", "print a JSON list")
    .addHelpText("after", help)
    .action(async (flags: OwnFlags) => {
      const { listKeys } = await import("../key/ring.ts");
      end(listKeys(host, flags.json === true));
    });
  command
    .command("revoke")
    .description("Takes a key out of force at this computer's worker, at once and for good.")
    .argument("<which>", "its name or fingerprint")
    .option("--json", "print one JSON object")
    .addHelpText("after", help)
    .action(async (which: string, flags: OwnFlags) => {
      const { revoke } = await import("../key/ring.ts");
      end(revoke(host, which, flags.json === true));
    });
}

function fileOf(host: Host, { identity }: OwnFlags): string {
  return identity === undefined ? keyFileOf(host) : path.resolve(host.cwd, identity);
}

interface Told {
  readonly file: string;
  readonly json: boolean;
  readonly isNew: boolean;
}

function tell(
  host: Host,
  key: { readonly text: string; readonly fingerprint: string },
  { file, json, isNew }: Told,
): void {
  const { text: publicKey, fingerprint } = key;
  if (json) return host.stdout.write(`${JSON.stringify({ file, publicKey, fingerprint })}\n`);
  const paint = paintOf(host, host.stdout);
  host.stdout.write(
    (isNew ? `Key made: ${file}\n` : "") +
      `Public key:  ${publicKey}\n` +
      `Fingerprint: ${paint.bold(fingerprint)}\n` +
      "\nAt the worker's computer:\n" +
      `  openclaw-worker key enroll ${host.hostname.split(".")[0] ?? "me"} '${publicKey}' --role approver\n` +
      "and compare the fingerprint that it shows with this one.\n",
  );
}

const help = `
Examples:
  openclaw-worker key new                                    here: a key for this user
  openclaw-worker key show                                   its public half, to carry to the worker
  openclaw-worker key enroll anna 'ssh-ed25519 AAAA…' --role approver
                                                             at the worker's computer
  openclaw-worker key list
  openclaw-worker key revoke anna
`;
