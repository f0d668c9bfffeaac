import { silentLog } from "@openclaw-worker/base";
import { after } from "node:test";
import { openRedisStore } from "../../src/store/redis/store.ts";
import { manualClock, startMs } from "../clock.ts";
import { leaseMs } from "../orders.ts";
import { startRedis } from "../redis.ts";
import { storeContract } from "./contract.ts";

const redis = await startRedis();
after(() => redis[Symbol.asyncDispose]());

// Redis' own time stands still, so that the contract's times are exact.
storeContract("Redis", () =>
  openRedisStore({
    url: redis.url(),
    clock: manualClock(),
    log: silentLog,
    leaseMs,
    timeMs: () => startMs,
  }),
);
