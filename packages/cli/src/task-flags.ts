// Flags that every command which talks to the server has, and those that every submit has.

import { InvalidArgumentError, Option, type Command } from "commander";
import type { QueueOptions } from "@openclaw-worker/client";
import { parseDuration } from "./duration.ts";
import type { ConnectionFlags } from "./connection.ts";
import { usageFailure } from "./failure.ts";

export interface AskFlags extends ConnectionFlags {
  readonly json?: boolean;
}

export interface TaskFlags extends AskFlags {
  readonly timeout?: number;
  readonly worker?: string;
  readonly label?: readonly string[];
  readonly priority?: number;
  readonly ttl?: number;
  readonly key?: string;
  readonly detach?: boolean;
  readonly reason?: string;
}

export interface ProcessFlags extends TaskFlags {
  readonly cwd?: string;
  readonly env?: readonly string[];
  readonly stdin?: boolean;
  readonly network?: readonly string[];
  readonly host?: boolean;
}

export function withAskFlags(command: Command): Command {
  return command
    .option("--json", "print the answer as JSON")
    .option("--url <url>", "the server's address (else WORKER_URL, else what `up` wrote)")
    .option(
      "--token-file <file>",
      "file that holds the token (else WORKER_TOKEN, else what `up` wrote)",
    );
}

export function withTaskFlags(command: Command): Command {
  return withAskFlags(command)
    .option("--detach", "print the task's id and do not wait")
    .option("--timeout <time>", "longest running time: 30s, 5m, 1500ms", duration)
    .option("--worker <name>", "only this worker may take the task")
    .addOption(
      new Option("--label <name>", "only a worker with this label (may be repeated)").argParser(
        gather,
      ),
    )
    .option("--priority <n>", "-100 to 100; higher goes first", whole)
    .option("--ttl <time>", "give up when nobody took the task by then: 10m, 24h", duration)
    .option("--reason <text>", "why, for a person who must say yes")
    .option("--key <key>", "idempotency key: the same key and request is the same task");
}

export function withProcessFlags(command: Command): Command {
  return withTaskFlags(command)
    .option("--cwd <folder>", "folder to start in, on the worker's computer")
    .addOption(
      new Option("--env <NAME=VALUE>", "environment variable (may be repeated)").argParser(gather),
    )
    .addOption(
      new Option("--network <domain>", "a domain that it needs (may be repeated)").argParser(
        gather,
      ),
    )
    .option("--host", "outside of the cage, where the policy's host rules allow it")
    .option("--stdin", "hand over what comes on standard input (text)");
}

export function queueOptions(flags: TaskFlags): QueueOptions {
  return {
    ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
    ...(flags.worker === undefined ? {} : { worker: flags.worker }),
    ...(flags.label === undefined ? {} : { labels: flags.label }),
    ...(flags.priority === undefined ? {} : { priority: flags.priority }),
    ...(flags.ttl === undefined ? {} : { ttlMs: flags.ttl }),
    ...(flags.key === undefined ? {} : { idempotencyKey: flags.key }),
    ...(flags.reason === undefined ? {} : { reason: flags.reason }),
  };
}

export interface ProcessFields {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly stdin?: string;
  readonly needs?: { readonly network?: string[]; readonly host?: boolean };
}

export function processFields(flags: ProcessFlags, stdin: string | null): ProcessFields {
  const { network, host } = flags;
  const needs = {
    ...(network === undefined ? {} : { network: [...network] }),
    ...(host === undefined ? {} : { host }),
  };
  return {
    ...(flags.cwd === undefined ? {} : { cwd: flags.cwd }),
    ...(flags.env === undefined ? {} : { env: environment(flags.env) }),
    ...(stdin === null ? {} : { stdin }),
    ...(network === undefined && host === undefined ? {} : { needs }),
  };
}

/** @throws Failure for bytes that are no UTF-8: a task's text travels as JSON */
export function utf8(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw usageFailure(
      `${name} is not UTF-8 text`,
      "standard input of a task travels as text",
      "Write the bytes to a file first: `openclaw-worker write PATH --file FILE`.",
    );
  }
}

function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms !== null) return ms;
  throw new InvalidArgumentError("Say it like 30s, 5m, 1h or 1500ms.");
}

export function whole(text: string): number {
  if (/^-?\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Must be a whole number.");
}

function gather(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

function environment(pairs: readonly string[]): Record<string, string> {
  const entries = pairs.map((pair) => {
    const at = pair.indexOf("=");
    if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)] as const;
    throw usageFailure(
      `--env ${JSON.stringify(pair)} is no NAME=VALUE`,
      "a variable needs a name, '=' and a value",
      "Write it like --env GREETING=hello.",
    );
  });
  return Object.fromEntries(entries);
}
