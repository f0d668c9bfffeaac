// ioredis, loaded when a Redis is asked for and not before: it is an optional dependency.

import { messageOf, type Clock } from "@openclaw-worker/base";
import type { Cluster, Redis } from "ioredis";
import { StoreRefused } from "../refused.ts";
import type { Address } from "./address.ts";

export type Client = Redis | Cluster;

export interface ClientOptions {
  readonly address: Address;
  readonly clock: Clock;
  /** Shown in Redis' list of clients. */
  readonly title: string;
  /** A command that takes longer fails. */
  readonly commandMs?: number;
}

const connectMs = 5_000;
const retryMsMax = 1_000;

/**
 * A client that connects by itself, again and again, and refuses commands while it is not connected.
 * What was sent and not answered when a connection broke fails; it is never sent twice.
 * @throws StoreRefused when ioredis is not installed
 */
export async function createClient(options: ClientOptions): Promise<Client> {
  const { address } = options;
  const { Cluster, Redis } = await loadLibrary();
  const common = {
    // The older protocol: what is in use everywhere.
    protocol: 2 as const,
    connectionName: options.title,
    connectTimeout: connectMs,
    keepAlive: 10_000,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // A master that became a replica takes no writes: look for the new one.
    reconnectOnError: (error: Error): boolean => error.message.startsWith("READONLY"),
    retryStrategy: (times: number): number => Math.min(retryMsMax, 20 * 2 ** Math.min(times, 10)),
    lazyConnect: true,
    disableClientInfo: true,
    db: address.db,
    ...(options.commandMs === undefined ? {} : { commandTimeout: options.commandMs }),
    ...(address.username === null ? {} : { username: address.username }),
    ...(address.password === null ? {} : { password: address.password }),
    ...(address.tls ? { tls: {} } : {}),
  };
  switch (address.way) {
    case "cluster":
      return new Cluster([...address.hosts], {
        lazyConnect: true,
        enableOfflineQueue: false,
        slotsRefreshTimeout: connectMs,
        clusterRetryStrategy: (times) => Math.min(retryMsMax, 50 * 2 ** Math.min(times, 10)),
        redisOptions: common,
      });
    case "sentinel":
      return new Redis({
        ...common,
        sentinels: [...address.hosts],
        name: address.master,
        ...(address.sentinelPassword === null
          ? {}
          : { sentinelPassword: address.sentinelPassword }),
        ...(address.tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
      });
    case "one":
      return new Redis({
        ...common,
        ...(address.path === null ? address.hosts[0] : { path: address.path }),
      });
  }
}

interface Library {
  readonly Redis: typeof Redis;
  readonly Cluster: typeof Cluster;
}

async function loadLibrary(): Promise<Library> {
  try {
    return await import("ioredis");
  } catch (error) {
    throw new StoreRefused(
      `A store on Redis needs the package ioredis, which is not installed (${messageOf(error).split("\n", 1)[0]}). ` +
        "Install without --omit=optional, or: npm install ioredis@6.0.0",
      { cause: error },
    );
  }
}
