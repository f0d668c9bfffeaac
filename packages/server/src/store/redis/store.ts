import { chainOf, type Clock, type Log } from "@openclaw-worker/base";
import { randomUUID } from "node:crypto";
import type { Shared } from "../shared.ts";
import { StoreRefused } from "../refused.ts";
import type { Store } from "../store.ts";
import { parseAddress } from "./address.ts";
import { bookVerbs } from "./books.ts";
import { createChain } from "./chain.ts";
import { openConnection, prefixOf, type Connection } from "./connection.ts";
import * as ask from "./lua/ask.ts";
import * as hold from "./lua/hold.ts";
import * as keep from "./lua/keep.ts";
import * as life from "./lua/life.ts";
import type { Script } from "./lua/script.ts";
import * as watch from "./lua/watch.ts";
import { newsOf } from "./news.ts";
import { oversightVerbs } from "./oversight.ts";
import { listOf, numberOf, rowsOf, textOf } from "./replies.ts";
import { lifeVerbs } from "./verbs.ts";

export interface RedisStoreOptions {
  /** `redis://…` and its siblings (address.ts). */
  readonly url: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Length of a lease: of a pause longer than a third of it, the lease clock counts a third. */
  readonly leaseMs: number;
  /** The operator says that it is durable, where Redis will not tell. */
  readonly unchecked?: boolean;
  /** Redis' time in milliseconds, for tests; its own unless given. */
  readonly timeMs?: () => number;
}

/** Version of the layout of keys. */
export const layout = "1";
const readyMax = 200;

/**
 * The store that several API processes share.
 * @throws StoreRefused with a sentence for people: not reachable, not durable, of a newer version,
 * in the middle of a migration
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  const { url, clock, log } = options;
  const address = parseAddress(url);
  const origin = randomUUID();
  const pauseMax = Math.ceil(options.leaseMs / 3);
  const connection = await openConnection({
    url,
    address,
    clock,
    log,
    origin,
    unchecked: options.unchecked ?? false,
    scripts: [ask, hold, keep, life, watch].flatMap((file) => Object.values(file)).filter(isScript),
    head: () => [origin, options.timeMs === undefined ? "" : options.timeMs(), pauseMax],
  });
  const prefix = prefixOf(address);
  try {
    await checkLayout(connection, prefix);
  } catch (error) {
    await connection[Symbol.asyncDispose]();
    throw error;
  }
  const chain = createChain({ connection, clock, log, prefix });
  const parts = { connection, clock, prefix, actionText: chain.textOf };
  return {
    ...lifeVerbs(parts),
    ...oversightVerbs(parts),
    ...bookVerbs(parts),
    act: (action) => chain.act(action),
    actions: (from, max) => chain.actions(from, max),
    shared: sharedOf(connection, { log, origin, prefix }),
    async [Symbol.asyncDispose]() {
      await chain[Symbol.asyncDispose]();
      await connection.run(keep.depart, []).catch(() => {});
      await connection[Symbol.asyncDispose]();
    },
  };
}

function isScript(value: Script | number): value is Script {
  return typeof value === "object";
}

interface SharedParts {
  readonly log: Log;
  readonly origin: string;
  readonly prefix: string;
}

function sharedOf(connection: Connection, { log, origin, prefix }: SharedParts): Shared {
  return {
    subscribe: (listen) =>
      connection.listen({
        heard(word) {
          try {
            for (const news of newsOf(word, origin)) listen(news);
          } catch (error) {
            // A process of another version may say what this one does not know.
            log.warn("a word of another process was not understood", { why: chainOf(error) });
          }
        },
        again: () => listen({ kind: "again" }),
      }),
    async ready() {
      const found = await connection.call("ZRANGE", `${prefix}selectors`, 0, readyMax - 1);
      return listOf(found).map(textOf);
    },
    async announce(seen) {
      const flat = seen.flatMap(({ name, leased, forMs, seenAt }) => [
        name,
        leased ? 1 : 0,
        Math.round(forMs),
        seenAt,
      ]);
      await connection.run(keep.announce, [seen.length, ...flat]);
    },
    async freed({ instance, capacity, order }) {
      const word = `${origin} ${JSON.stringify({ freed: [[instance, capacity, order]] })}`;
      await connection.call("PUBLISH", `${prefix}news`, word);
    },
    async sightings() {
      const rows = rowsOf(await connection.run(keep.sightings, []));
      return rows.map(([process, name, leased, forMs, seenAt]) => ({
        process: textOf(process),
        name: textOf(name),
        leased: textOf(leased) === "1",
        forMs: numberOf(forMs),
        seenAt: numberOf(seenAt),
      }));
    },
  };
}

async function checkLayout(connection: Connection, prefix: string): Promise<void> {
  const key = `${prefix}meta`;
  await connection.call("HSETNX", key, "layout", layout);
  const [found, moving] = listOf(await connection.call("HMGET", key, "layout", "moving"));
  if (textOf(found) !== layout)
    throw new StoreRefused(
      `This store was made by another version (layout ${textOf(found)}, this one knows ${layout}). Install that version, or the newest.`,
    );
  if (moving !== null)
    throw new StoreRefused(
      "A migration into this store was begun and not finished. Run `openclaw-worker store migrate` again, with the same --from and --to.",
    );
}
