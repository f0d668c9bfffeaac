// May this Redis keep tasks? What is accepted must be on its disk when it is answered, and nothing may
// be thrown away to make room.

import { StoreRefused } from "../refused.ts";

/** The oldest Redis whose words the scripts use. */
const versionMin = 7;

export interface Asks {
  /** Null where the command is forbidden. */
  config(name: string): Promise<string | null>;
  info(section: string): Promise<string>;
}

/**
 * Checks version, durability and eviction.
 * @param unchecked the operator says that it is durable where Redis will not tell (CONFIG forbidden)
 * @throws StoreRefused with the commands that mend it
 */
export async function checkRedis(asks: Asks, unchecked: boolean): Promise<void> {
  const version = fieldOf(await asks.info("server"), "redis_version");
  if (Number.parseInt(version, 10) < versionMin)
    throw new StoreRefused(
      `This Redis is version ${version}. A store needs Redis ${versionMin} or newer.`,
    );

  const wrong: string[] = [];
  const expect = async (name: string, wanted: string, why: string): Promise<boolean> => {
    const value = await asks.config(name);
    if (value === null) return false;
    if (value !== wanted)
      wrong.push(`  ${name} is "${value}", but ${why}: redis-cli CONFIG SET ${name} ${wanted}`);
    return true;
  };
  const isTold = [
    await expect("appendonly", "yes", "tasks must be on disk"),
    await expect("appendfsync", "always", "what is accepted must be on disk before it is answered"),
    await expect(
      "no-appendfsync-on-rewrite",
      "no",
      "the log must be synced while it is rewritten, too",
    ),
    await expect("maxmemory-policy", "noeviction", "no task may be thrown away for room"),
  ].every(Boolean);
  if (wrong.length > 0)
    throw refuse(wrong, "and the same in redis.conf, or: redis-cli CONFIG REWRITE");
  if (isTold || unchecked) return;

  if (fieldOf(await asks.info("persistence"), "aof_enabled") !== "1")
    wrong.push("  its log of writes is off (aof_enabled:0): appendonly yes, appendfsync always");
  const policy = fieldOf(await asks.info("memory"), "maxmemory_policy");
  if (policy !== "noeviction")
    wrong.push(`  maxmemory-policy is "${policy}": it must be noeviction`);
  wrong.push("  it does not tell appendfsync, because CONFIG is forbidden here: it must be always");
  throw refuse(
    wrong,
    "then say that you know it is durable: WORKER_STORE_UNCHECKED=1 (its provider's documents say so)",
  );
}

function refuse(wrong: readonly string[], remedy: string): StoreRefused {
  return new StoreRefused(
    `This Redis would lose accepted tasks. Set, and start again:\n${wrong.join("\n")}\n  ${remedy}`,
  );
}

function fieldOf(info: string, name: string): string {
  return new RegExp(`^${name}:(.*?)\r?$`, "m").exec(info)?.[1] ?? "";
}
