import { messageOf } from "@openclaw-worker/base";
import { DatabaseSync } from "node:sqlite";
import { migrations } from "./migrations.ts";

export interface DatabaseWish {
  /** Opens also what is half copied from another store. */
  readonly moving?: boolean;
}

/** Added to the schema's version while a copy into the file is under way. */
export const movingVersion = 1_000_000;

/**
 * Opens the database file, alone: a second process is refused. WAL with `synchronous=FULL`, so a
 * commit has been synced to the disk when it returns.
 * @param file path of the database, or ":memory:"
 * @throws Error with a sentence for people: file in use, made by a newer version, not a database
 */
export function openDatabase(file: string, wish: DatabaseWish = {}): DatabaseSync {
  let db: DatabaseSync;
  try {
    db = new DatabaseSync(file, { enableForeignKeyConstraints: false });
    db.exec("PRAGMA locking_mode=EXCLUSIVE");
    db.exec("PRAGMA journal_mode=WAL");
    db.exec("PRAGMA synchronous=FULL");
    db.exec("PRAGMA temp_store=MEMORY");
    db.exec("PRAGMA cache_size=-32768");
  } catch (error) {
    throw new Error(explain(file, messageOf(error)), { cause: error });
  }
  const version = versionOf(db);
  if (version < movingVersion) migrate(db, file, version);
  else if (wish.moving !== true || version !== movingVersion + migrations.length) {
    db.close();
    throw new Error(
      `A migration into ${file} was begun and not finished. Run \`openclaw-worker store migrate\` again, with the same --from and --to.`,
    );
  }
  return db;
}

function versionOf(db: DatabaseSync): number {
  return Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
}

function explain(file: string, why: string): string {
  if (/locked|busy/i.test(why)) {
    return `${file} is in use by another server. Stop that one, or choose another OPENCLAW_WORKER_HOME.`;
  }
  return `Cannot open ${file}: ${why}. If it is damaged, move it away and start again.`;
}

function migrate(db: DatabaseSync, file: string, version: number): void {
  if (version > migrations.length) {
    db.close();
    throw new Error(
      `${file} was made by a newer version (schema ${version}, this one knows ${migrations.length}). Install that version again.`,
    );
  }
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue;
    db.exec("BEGIN IMMEDIATE");
    try {
      db.exec(migration);
      db.exec(`PRAGMA user_version=${index + 1}`);
      db.exec("COMMIT");
    } catch (error) {
      db.exec("ROLLBACK");
      db.close();
      throw new Error(`Migration ${index + 1} of ${file} failed: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}
