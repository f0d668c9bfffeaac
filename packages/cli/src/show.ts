// A result, printed as its program would have printed it.

import type { Result } from "@openclaw-worker/protocol";
import { exitCodes } from "./failure.ts";
import type { Host } from "./host.ts";
import { paintOf } from "./paint.ts";
import { oneLine } from "./table.ts";

/** Output byte for byte, each stream to its own; why it did not end by itself, to stderr. */
export function printResult(host: Host, result: Result): void {
  const { stdout, stderr } = bytesOf(result);
  if (stdout.length > 0) host.stdout.write(stdout);
  if (stderr.length > 0) host.stderr.write(stderr);
  const paint = paintOf(host, host.stderr);
  const { truncated } = result;
  if (truncated !== undefined) {
    for (const [name, left] of [
      ["stdout", truncated.stdoutLeftOut],
      ["stderr", truncated.stderrLeftOut],
    ] as const) {
      if (left > 0) host.stderr.write(paint.yellow(`[${left} bytes of ${name} were left out]\n`));
    }
  }
  // A program that ran to its end has said what it had to say; file kinds say it in `error`.
  const silent = stdout.length === 0 && stderr.length === 0;
  if (result.error !== null && (result.outcome !== "done" || (silent && !isExitSentence(result)))) {
    host.stderr.write(`${paint.red(oneLine(result.error))}\n`);
    if (result.hint !== undefined && !result.error.includes(result.hint))
      host.stderr.write(`  do:  ${oneLine(result.hint)}\n`);
  } else if (result.hint !== undefined) host.stderr.write(`  hint: ${oneLine(result.hint)}\n`);
}

/** The program's own code; 124, 126 and 130 for what was ended; 1 for what never ran to its end. */
export function exitCodeOfResult(result: Result): number {
  return result.exitCode < 0 || result.exitCode > 255 ? exitCodes.failed : result.exitCode;
}

/** Both streams as the bytes that they were. */
export function bytesOf(result: Result): { readonly stdout: Buffer; readonly stderr: Buffer } {
  const { encoding, stdoutEncoding, stderrEncoding } = result;
  return {
    stdout: Buffer.from(result.stdout, stdoutEncoding ?? encoding ?? "utf8"),
    stderr: Buffer.from(result.stderr, stderrEncoding ?? "utf8"),
  };
}

function isExitSentence(result: Result): boolean {
  return result.error?.startsWith("Command exited with code") === true;
}
