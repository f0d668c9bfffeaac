import { messageOf, systemClock } from "@openclaw-worker/base";
import { ConfigError, readConfig, type Environment } from "./config.ts";
import { ownFile, prepareStateDir } from "./state.ts";
import { moveStore } from "./store/move/move.ts";
import type { Vault } from "./store/move/record.ts";
import { shownAddress } from "./store/redis/address.ts";
import { openRedisVault } from "./store/redis/vault.ts";
import { StoreRefused } from "./store/refused.ts";
import { openSqliteVault } from "./store/sqlite/vault.ts";

export interface MigrationOptions {
  /** `sqlite` for the file in the state folder, or the address of a Redis. */
  readonly from: string;
  readonly to: string;
  readonly env: Environment;
  readonly home: string;
  readonly uid: number;
  /** Progress and what went wrong. */
  readonly say: (line: string) => void;
  /** What it came to. */
  readonly print: (line: string) => void;
}

/**
 * Copies one store into another while no server runs, and says what it does.
 * @returns the exit code: 0 when both hold the same, 2 for what a person must change first, else 1
 */
export async function migrateStore(options: MigrationOptions): Promise<number> {
  const { from, to, say, print } = options;
  try {
    if (from === to) throw new ConfigError("--from and --to name the same store.");
    await using source = await openVault(from, options);
    await using target = await openVault(to, options);
    const moved = await moveStore(source, target, ({ step, records }) =>
      say(`${step}: ${records} records`),
    );
    const where = shownAddress(to);
    print(
      moved.kind === "moved"
        ? `Copied ${moved.records} records to ${where}. ${moved.checksum} is the SHA-256 of both.`
        : `${where} holds the same ${moved.records} records already (SHA-256 ${moved.checksum}). Nothing was changed.`,
    );
    print(`The source is as it was. Start the server with WORKER_STORE=${where}`);
    return 0;
  } catch (error) {
    say(`openclaw-worker store migrate: ${messageOf(error)}`);
    return error instanceof ConfigError || error instanceof StoreRefused ? 2 : 1;
  }
}

async function openVault(address: string, options: MigrationOptions): Promise<Vault> {
  const { env, home, uid } = options;
  // Checked as the server does it.
  const config = readConfig({ ...env, WORKER_STORE: address }, home);
  const { url, unchecked } = config.store;
  if (url !== null) return openRedisVault({ url, unchecked, clock: systemClock() });
  prepareStateDir(config.stateDir, uid);
  return openSqliteVault(ownFile(`${config.stateDir}/tasks.db`));
}
