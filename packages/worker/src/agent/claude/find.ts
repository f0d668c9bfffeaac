// Where the user's own claude is, which version, and whether it is signed in: asked of the program
// itself, in the environment that it will run in.

import path from "node:path";
import { z } from "zod";
import type { Clock } from "@openclaw-worker/base";

/** Runs a small program to its end; the worker's `runOnce` fits. */
export type RunSmall = (options: {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly outputBytesMax: number;
  readonly signal?: AbortSignal;
}) => Promise<{
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly timedOut: boolean;
}>;

export interface FindParts {
  readonly run: RunSmall;
  readonly clock: Clock;
  /** Absolute home folder. */
  readonly home: string;
  /** Of the run to come: environment.ts. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

export type Found =
  | { readonly kind: "found"; readonly program: string; readonly version: string }
  | {
      readonly kind: "missing";
      /** Where it was looked for, and what was there. */
      readonly looked: readonly string[];
      readonly remedy: string;
    };

const versionMs = 10_000;
const shellMs = 5_000;
const outputBytesMax = 262_144;

/**
 * Finds it: the configured path alone when there is one, else the login shell's `command -v
 * claude`, then the usual places. What is found has told its version.
 */
export async function findClaude(
  wish: { readonly configured: string | null; readonly shell: string },
  parts: FindParts,
): Promise<Found> {
  const looked: string[] = [];
  const places =
    wish.configured === null
      ? [await askShell(wish.shell, parts), ...usualPlaces(parts.home)]
      : [wish.configured];
  for (const program of new Set(places)) {
    if (program === null) continue;
    if (!path.isAbsolute(program)) {
      looked.push(`${program}: is no absolute path`);
      continue;
    }
    const version = await versionOf(program, parts);
    if ("version" in version) return { kind: "found", program, version: version.version };
    looked.push(`${program}: ${version.because}`);
  }
  const remedy =
    wish.configured === null
      ? "Install Claude Code on this computer, or name its program in the worker's settings"
      : "Correct the program's path in the worker's settings, or leave it out";
  return { kind: "missing", looked, remedy };
}

export type SignIn =
  | { readonly kind: "signed-in"; readonly method: string | null }
  | { readonly kind: "signed-out"; readonly remedy: string }
  /** This version cannot say. */
  | { readonly kind: "unknown"; readonly because: string };

const statusSchema = z.object({
  loggedIn: z.boolean(),
  authMethod: z.string().nullish().catch(undefined),
});

/** Whether it has a credential; whether the credential is good only a run can tell. */
export async function signInOf(program: string, parts: FindParts): Promise<SignIn> {
  const asked = await small([program, "auth", "status", "--json"], versionMs, parts);
  const status = statusSchema.safeParse(jsonIn(asked.stdout)).data;
  if (status === undefined) {
    const because = asked.timedOut ? "no answer" : `exit code ${asked.exitCode}, and no JSON`;
    return { kind: "unknown", because };
  }
  if (status.loggedIn) return { kind: "signed-in", method: status.authMethod ?? null };
  return {
    kind: "signed-out",
    remedy:
      "Run in a terminal on this computer: claude auth login (or claude setup-token, and give the " +
      "worker its token)",
  };
}

async function askShell(shell: string, parts: FindParts): Promise<string | null> {
  const asked = await small([shell, "-l", "-c", "command -v claude"], shellMs, parts);
  // An alias prints its definition, and start files print what they like: the last path counts.
  const lines = asked.stdout.toString("utf8").split("\n");
  return lines.findLast((line) => line.startsWith("/"))?.trim() ?? null;
}

function usualPlaces(home: string): readonly string[] {
  return [
    path.join(home, ".local/bin/claude"),
    path.join(home, ".claude/local/claude"),
    "/opt/homebrew/bin/claude",
    "/usr/local/bin/claude",
    "/usr/bin/claude",
  ];
}

async function versionOf(
  program: string,
  parts: FindParts,
): Promise<{ readonly version: string } | { readonly because: string }> {
  const asked = await small([program, "--version"], versionMs, parts);
  const version = /^(\d+\.\d+\.\d+\S*) \(Claude Code\)/m.exec(asked.stdout.toString("utf8"))?.[1];
  if (version !== undefined && asked.exitCode === 0) return { version };
  if (asked.timedOut) return { because: `no answer in ${versionMs} ms` };
  if (asked.exitCode === 127) return { because: "is not there, or cannot be started" };
  return { because: `is not Claude Code (exit code ${asked.exitCode})` };
}

async function small(
  argv: readonly string[],
  timeoutMs: number,
  { run, clock, home, env, signal }: FindParts,
): ReturnType<RunSmall> {
  const options = { argv, env, cwd: home, clock, timeoutMs, outputBytesMax };
  return await run({ ...options, ...(signal === undefined ? {} : { signal }) });
}

function jsonIn(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return null;
  }
}
