// The same contract on a Redis Cluster of one node: every step's keys must lie in one slot, and the
// client must find the node by itself.

import { silentLog } from "@openclaw-worker/base";
import { randomInt, randomUUID } from "node:crypto";
import { after } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { openRedisStore } from "../../src/store/redis/store.ts";
import { manualClock, startMs } from "../clock.ts";
import { leaseMs } from "../orders.ts";
import { durable, startRedis } from "../redis.ts";
import { storeContract } from "./contract.ts";

// Below the system's ephemeral range; the nodes' own bus listens 10,000 above.
const port = randomInt(12_000, 22_000);
const redis = await startRedis([
  ...durable,
  `--port ${port}`,
  "--bind 127.0.0.1",
  "--cluster-enabled yes",
  "--cluster-announce-ip 127.0.0.1",
]);
after(() => redis[Symbol.asyncDispose]());
await redis.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
while (!(await redis.ask("CLUSTER", "INFO")).includes("cluster_state:ok")) await pause(20);

storeContract("a Redis Cluster", () =>
  openRedisStore({
    url: `redis-cluster://127.0.0.1:${port}?name=${randomUUID()}`,
    clock: manualClock(),
    log: silentLog,
    leaseMs,
    timeMs: () => startMs,
  }),
);
