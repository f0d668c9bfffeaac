import { usageFailure } from "./failure.ts";
import type { Host } from "./host.ts";
import { utf8 } from "./task-flags.ts";

/** Standard input as text when `--stdin` asks for it, else null. */
export async function readStdin(
  host: Host,
  flags: { readonly stdin?: boolean },
): Promise<string | null> {
  if (flags.stdin !== true) return null;
  if (host.stdin.isTerminal) {
    throw usageFailure(
      "--stdin needs something to read",
      "standard input is the terminal",
      "Pipe it in: `echo hello | openclaw-worker run --stdin 'tr a-z A-Z'`.",
    );
  }
  return utf8(await host.stdin.readAll(), "standard input");
}
