// Server and worker side by side: started in order, stopped in order, and neither outlives `up`.

import { createClient, type Client } from "@openclaw-worker/client";
import { Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import { keepConnection } from "../keep.ts";
import { canTie, programOf, type LaunchOptions } from "../launch.ts";
import { paintOf } from "../paint.ts";
import type { Role } from "../root/account.ts";
import { endedFailure, startChild, type Child } from "./child.ts";

export interface Household extends AsyncDisposable {
  readonly url: string;
  readonly client: Client;
  /** Rejects when one of the two ended by itself; never resolves. */
  readonly broken: Promise<never>;
}

export interface HouseholdOptions {
  readonly host: Host;
  readonly launch: Omit<LaunchOptions, "env" | "tied">;
  readonly token: string;
  /** More variables for the server. */
  readonly serverEnv: Readonly<Record<string, string>>;
}

const serverStartMs = 30_000;
const workerStartMs = 60_000;
const presencePauseMs = 50;
const graceMs = 5_000;

/**
 * Starts the server, keeps its address for later commands, starts the worker, and waits until the
 * server sees it.
 * @throws Failure with the last words of whichever did not start
 */
export async function openHousehold(options: HouseholdOptions): Promise<Household> {
  const { host, launch, token } = options;
  const children: Child[] = [];
  const kill = (): void => children.forEach((child) => child.kill());
  host.hurry.addEventListener("abort", kill, { once: true });
  const start = (role: Role, env: Readonly<Record<string, string>>): Child => {
    const program = programOf(role, {
      ...launch,
      env: { ...env, WORKER_TOKEN: token },
      tied: true,
    });
    const child = startChild({
      name: role,
      program,
      clock: host.clock,
      show: lineOf(host, role),
      apart: canTie(host),
    });
    children.push(child);
    return child;
  };
  await using stack = new AsyncDisposableStack();
  stack.defer(() => stopAll(host, children));

  const server = start("server", options.serverEnv);
  const [, address = ""] = await within(host, serverStartMs, (signal) =>
    server.line(/Listening on (https?:\/\/\S+)/, signal),
  );
  const url = reachable(address);
  keepConnection(launch.place.client, { url, token });
  const client = stack.use(createClient({ url, token, clock: host.clock }));
  const worker = start("worker", { WORKER_URL: url });
  await within(host, workerStartMs, async (signal) => {
    await worker.line(/^Ready\b/, signal);
    await present(host, client, signal);
  });
  const broken = Promise.race(
    [server, worker].map(async (child) =>
      Promise.reject(endedFailure(child.name, await child.ended)),
    ),
  );
  broken.catch(() => {});
  const moved = stack.move();
  return { url, client, broken, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

/** The address that this computer itself reaches: "every address" is no address to dial. */
export function reachable(address: string): string {
  return address
    .replace(/\/$/, "")
    .replace("//0.0.0.0:", "//127.0.0.1:")
    .replace("//[::]:", "//[::1]:");
}

// The worker first: it hands back what it has not begun, and needs the server for that.
async function stopAll(host: Host, children: readonly Child[]): Promise<void> {
  const until = host.clock.monotonic() + graceMs;
  for (const child of children.toReversed()) {
    await child.stop(Math.max(500, until - host.clock.monotonic()));
  }
}

async function present(host: Host, client: Client, signal: AbortSignal): Promise<void> {
  for (;;) {
    const workers = await client.workers(signal);
    // One that is stopped is there too: it only takes nothing.
    if (workers.some(({ state }) => state !== "away")) return;
    await host.clock.sleep(presencePauseMs, signal);
  }
}

async function within<T>(
  host: Host,
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  using _ = host.clock.after(ms, () =>
    late.abort(
      new Failure("The start takes too long", {
        why: `it was not ready within ${ms / 1_000} s; its lines above say how far it came`,
        remedy: "Run `openclaw-worker doctor`, then start again.",
      }),
    ),
  );
  return await work(AbortSignal.any([late.signal, host.signal]));
}

function lineOf(host: Host, name: string): (line: string) => void {
  const paint = paintOf(host, host.stderr);
  return (line) => host.stderr.write(`${paint.dim(`${name} | ${line}`)}\n`);
}
