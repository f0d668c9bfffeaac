// The connection to Redis: commands while it is there, a refusal at once while it is not. It comes
// back by itself, and serves only after it looked whether this Redis may keep tasks.

import { chainOf, messageOf, type Clock, type Log, type Timer } from "@openclaw-worker/base";
import { Problem } from "@openclaw-worker/protocol";
import { StoreRefused } from "../refused.ts";
import { shownAddress, type Address } from "./address.ts";
import { checkRedis, type Asks } from "./check.ts";
import { createClient, type Client } from "./client.ts";
import type { Script } from "./lua/script.ts";

export type Argument = string | number | Buffer;

export interface Connection extends AsyncDisposable {
  /** Runs a script with its arguments. @throws Problem store-unavailable, stopping */
  run(script: Script, args: readonly Argument[]): Promise<unknown>;
  /** A command that reads. @throws Problem store-unavailable, stopping */
  call(name: string, ...args: readonly Argument[]): Promise<unknown>;
  /** The same, for a value that is not text. */
  bytes(name: string, ...args: readonly Argument[]): Promise<Buffer>;
  /** Calls `listen` with each word of the other processes, and `again` when some may be lost. */
  listen(listener: Listener): Disposable;
}

export interface Listener {
  readonly heard: (word: string) => void;
  readonly again: () => void;
}

export interface ConnectionOptions {
  readonly url: string;
  readonly address: Address;
  readonly clock: Clock;
  readonly log: Log;
  readonly unchecked: boolean;
  /** What every script is told first: who asks, and how it reckons time. */
  readonly head: () => readonly Argument[];
  readonly origin: string;
  /** Loaded before anything is served, so that steps sent in one go run in their order. */
  readonly scripts: readonly Script[];
}

/** A command that takes longer has failed: whether it was done is not known. */
const commandMs = 5_000;
const checkAgainMs = 5_000;
const startMs = 15_000;
/** A connection that only listens would not notice that its other end is gone: it asks this often. */
const pingMs = 5_000;

/** @throws StoreRefused when it cannot be reached or may not keep tasks */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { address, clock, log } = options;
  const prefix = prefixOf(address);
  const title = `openclaw-worker-${options.origin.slice(0, 8)}`;
  const client = await createClient({ address, clock, title, commandMs });
  const ears = await createClient({ address, clock, title: `${title}-ears`, commandMs });
  const listeners = new Set<Listener>();
  let state: "opening" | "ready" | "away" | "closed" = "opening";
  let looksAgain: Timer | null = null;
  let isHearing = false;

  const prepare = async (): Promise<void> => {
    await checkRedis(asksOf(client), options.unchecked);
    await Promise.all(options.scripts.map(({ lua }) => client.call("SCRIPT", "LOAD", lua)));
  };
  const again = (): void => {
    if (state !== "ready" || !isHearing) return;
    for (const { again: tell } of listeners) tell();
  };
  const wentAway = (): void => {
    if (state !== "ready") return;
    state = "away";
    log.error("store away", { store: shownAddress(options.url) });
  };
  const lookAgain = (): void => {
    looksAgain?.cancel();
    prepare().then(
      () => {
        if (state !== "away") return;
        state = "ready";
        log.info("store back", { store: shownAddress(options.url) });
        again();
      },
      (error: unknown) => {
        if (state !== "away") return;
        if (error instanceof StoreRefused) log.error("store refused", { why: messageOf(error) });
        looksAgain = clock.after(checkAgainMs, lookAgain);
      },
    );
  };
  const hear = (): void => {
    ears.subscribe(`${prefix}news`).then(
      () => {
        isHearing = true;
        again();
      },
      (error: unknown) => log.warn("store cannot be heard", { why: chainOf(error) }),
    );
  };

  for (const one of [client, ears]) one.on("error", () => {});
  try {
    await within(clock, Promise.all([client.connect(), ears.connect()]));
    await prepare();
    await ears.subscribe(`${prefix}news`);
  } catch (error) {
    client.disconnect();
    ears.disconnect();
    if (error instanceof StoreRefused) throw error;
    throw new StoreRefused(
      `Cannot use the store at ${shownAddress(options.url)}: ${reasonOf(error)}. Is Redis running, and is the address right?`,
      { cause: error },
    );
  }
  state = "ready";
  isHearing = true;
  client.on("ready", () => {
    if (state === "away") lookAgain();
  });
  for (const end of ["close", "end"] as const) client.on(end, wentAway);
  ears.on("ready", hear);
  const pinging = clock.every(pingMs, () => {
    if (isHearing) ears.ping().catch(() => ears.disconnect(true));
  });
  ears.on("close", () => {
    isHearing = false;
  });
  ears.on("message", (_channel: string, word: string) => {
    for (const { heard } of listeners) heard(word);
  });

  // What one turn of the event loop asks for goes out in one write: fewer calls into the kernel here,
  // and more steps that share one sync of the log there.
  const together = corking(client);
  const served = async <T>(work: () => Promise<T>): Promise<T> => {
    if (state === "closed") throw new Problem("stopping");
    if (state !== "ready") throw away();
    together();
    try {
      return await work();
    } catch (error) {
      // It answers nothing: whoever comes next is refused at once, until it does.
      if (messageOf(error) === "Command timed out" && state === "ready") {
        wentAway();
        client.disconnect(true);
      }
      throw toProblem(error);
    }
  };

  return {
    run: (script, args) =>
      served(() => evaluate(client, script, [prefix, ...options.head(), ...args])),
    call: (name, ...args) => served(() => client.call(name, ...args)),
    bytes: (name, ...args) =>
      served(async () => {
        const value = await client.callBuffer(name, ...args);
        return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
      }),
    listen(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    async [Symbol.asyncDispose]() {
      if (state === "closed") return;
      const wasReady = state === "ready";
      state = "closed";
      looksAgain?.cancel();
      pinging.cancel();
      ears.disconnect();
      // What is under way is answered first.
      if (wasReady) await client.quit().catch(() => {});
      client.disconnect();
    },
  };
}

// Sentinels and clusters are asked again and again; a server that starts says so instead.
async function within(clock: Clock, work: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<never>();
  using _timer = clock.after(startMs, () => late.reject(new Error(`no answer in ${startMs} ms`)));
  await Promise.race([work, late.promise]);
}

/** What all keys begin with: a hash tag, so that they live in one slot of a cluster. */
export function prefixOf({ name }: Pick<Address, "name">): string {
  return `{${name}}:`;
}

function corking(client: Client): () => void {
  let isCorked = false;
  return () => {
    if (isCorked || !("stream" in client)) return;
    const { stream } = client;
    isCorked = true;
    stream.cork();
    setImmediate(() => {
      isCorked = false;
      stream.uncork();
    });
  };
}

async function evaluate(
  client: Client,
  script: Script,
  args: readonly Argument[],
): Promise<unknown> {
  try {
    return await client.call("EVALSHA", script.sha, 1, ...args);
  } catch (error) {
    if (!messageOf(error).startsWith("NOSCRIPT")) throw error;
    return client.call("EVAL", script.lua, 1, ...args);
  }
}

function asksOf(client: Client): Asks {
  return {
    async config(name) {
      try {
        const answer = await client.call("CONFIG", "GET", name);
        return Array.isArray(answer) && answer.length === 2 ? String(answer[1]) : null;
      } catch (error) {
        if (/NOPERM|unknown command|not allowed|disabled/i.test(messageOf(error))) return null;
        throw error;
      }
    },
    info: async (section) => String(await client.call("INFO", section)),
  };
}

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const why = messageOf(error);
  const line = why.startsWith("OOM")
    ? "The store is full. Nothing was accepted."
    : /connection is closed|timed out|max retries|not writable|ECONN|EPIPE/i.test(why)
      ? "The store did not answer. It is not known whether this was done: ask, or send it again with the same idempotency key."
      : "The store could not do this. Nothing was accepted.";
  return new Problem("store-unavailable", { line, cause: error, retryAfterSeconds: 2 });
}

function away(): Problem {
  return new Problem("store-unavailable", {
    line: "The store is away. Nothing was accepted; it comes back by itself.",
    retryAfterSeconds: 2,
  });
}

// ioredis says "Connection is closed." for everything; the reason is in the last error before it.
function reasonOf(error: unknown): string {
  return chainOf(error).replaceAll(/\s+/g, " ");
}
