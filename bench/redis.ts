// A redis-server for a row: durable as a store wants it, on a Unix socket in the run's folder.

import { randomUUID } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import type { Running } from "./crew.ts";
import type { Bench } from "./row.ts";

export interface BenchRedis extends AsyncDisposable {
  /** For WORKER_STORE. */
  readonly url: string;
  readonly running: Running;
  /** Bytes of its log on disk. */
  logBytes(): number;
}

export async function startRedis({ crew, folder, env }: Bench): Promise<BenchRedis> {
  const dir = path.join(folder, `redis-${randomUUID().slice(0, 8)}`);
  fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
  const socket = path.join(dir, "redis.sock");
  const settings = {
    port: "0",
    unixsocket: socket,
    dir,
    save: "",
    appendonly: "yes",
    appendfsync: "always",
    "maxmemory-policy": "noeviction",
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const running = crew.start({ argv: ["/usr/bin/redis-server", ...args], env });
  await running.line(/ready to accept connections/i);
  return {
    url: `redis+unix://${socket}`,
    running,
    logBytes: () =>
      fs
        .readdirSync(path.join(dir, "appendonlydir"))
        .reduce((sum, name) => sum + fs.statSync(path.join(dir, "appendonlydir", name)).size, 0),
    async [Symbol.asyncDispose]() {
      await running.stop();
      fs.rmSync(dir, { recursive: true, force: true });
    },
  };
}
