import { Command } from "commander";
import { usageFailure } from "../failure.ts";
import type { Host } from "../host.ts";
import { programOf } from "../launch.ts";
import { placeOf } from "../place.ts";
import type { End } from "../end.ts";

interface MigrateFlags {
  readonly from: string;
  readonly to: string;
}

export function define(host: Host, end: End): Command {
  const command = new Command("openclaw-worker store")
    .description("Where the server keeps tasks.")
    .addHelpText("after", help);
  command
    .command("migrate")
    .description(
      "Copies all tasks, results, approvals and logs into another store, and compares the two.\n" +
        "Stop the server first. Run again, it finds the same and changes nothing.",
    )
    .requiredOption(
      "--from <store>",
      "sqlite, a Redis address, or WORKER_STORE for what that names",
    )
    .requiredOption("--to <store>", "the same; it must be empty")
    .addHelpText("after", help)
    .action(async (flags: MigrateFlags) => end(await migrate(host, flags)));
  return command;
}

async function migrate(host: Host, flags: MigrateFlags): Promise<number> {
  const place = placeOf(host);
  if (host.uid === 0) {
    // The file and its folder belong to the server's user.
    const args = ["store", "migrate", "--from", flags.from, "--to", flags.to];
    return host.become(
      programOf("server", { host, place, make: false, env: {}, tied: false, args }),
    );
  }
  const { migrateStore } = await import("@openclaw-worker/server");
  return migrateStore({
    from: named(host, flags.from),
    to: named(host, flags.to),
    env: { ...host.env, OPENCLAW_WORKER_HOME: place.home },
    home: host.home,
    uid: host.uid,
    say: (line) => host.stderr.write(`${line}\n`),
    print: (line) => host.stdout.write(`${line}\n`),
  });
}

// An address with a password does not belong on a command line, which everybody can read.
function named(host: Host, store: string): string {
  if (store !== "WORKER_STORE") return store;
  const value = host.env["WORKER_STORE"] ?? "";
  if (value !== "") return value;
  throw usageFailure(
    "WORKER_STORE is not set",
    "--from or --to names it",
    "Set it to the address, or name the address itself.",
  );
}

const help = `
Examples:
  openclaw-worker store migrate --from sqlite --to redis://127.0.0.1:6379
  WORKER_STORE=redis://:secret@10.0.0.5 openclaw-worker store migrate --from WORKER_STORE --to sqlite
`;
