// What the worker must still know after a restart: approvals that the server has not heard the end
// of, how often a person was asked, grants and how often they were used, and every nonce that was spent. Everything is on the
// disk when a call returns (WAL, synchronous=FULL); a disk that fails throws, and the caller refuses.

import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { askSchema, type Ask } from "@openclaw-worker/protocol";
import { z } from "zod";
import { grantRecordSchema, type GrantRecord } from "./record.ts";

export interface SpentNonce {
  /** What was signed, and the fingerprint of the key that signed it: `task SHA256:…`. */
  readonly key: string;
  readonly nonce: string;
  /** What it was spent on: a task's id, an approval's, a stop's. */
  readonly subject: string;
  readonly expiresAt: number;
}

export type NonceState =
  /** Never seen: it is spent now. */
  | "fresh"
  /** Spent on this very subject before, which has not begun. */
  | "same"
  /** Spent on this subject, and it has begun; or on another; or too old for anybody to tell. */
  | "used";

export interface ApprovalStore extends Disposable {
  /** Keeps the newest state of an approval until `forgetAsk`. */
  keepAsk(ask: Ask): void;
  /** The same for one that begins to wait; it counts as asked for this submitter (null: unsigned). */
  beginAsk(ask: Ask, submitter: string | null): void;
  /** How often a person was asked for this submitter since then; what is too far ahead of that does not count. */
  askedSince(submitter: string | null, from: number): number;
  forgetAsk(id: string): void;
  asks(): readonly Ask[];
  spend(nonce: SpentNonce): NonceState;
  /** What the nonce was spent on has begun: from now on it is `used` for everything. */
  begun(key: string, nonce: string): void;
  /**
   * Forgets nonces that expired 30 days before `now`. Of the same key, what expires before them is
   * refused for good: a clock that was wrong makes no nonce new.
   */
  prune(now: number): void;
  addGrant(record: GrantRecord): void;
  revokeGrant(id: string, at: number): boolean;
  grants(): readonly GrantRecord[];
  /** Counts a use unless that would be one too many; says whether it was counted. */
  useGrant(id: string, at: number): boolean;
  usesOf(id: string): number;
}

const migrations = [
  `CREATE TABLE asks (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE nonces (
     key TEXT NOT NULL, nonce TEXT NOT NULL, subject TEXT NOT NULL, expires_at INTEGER NOT NULL,
     begun INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (key, nonce)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX nonces_expiry ON nonces (expires_at);
   CREATE TABLE forgotten (key TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE grants (id TEXT PRIMARY KEY, body TEXT NOT NULL, revoked_at INTEGER) STRICT, WITHOUT ROWID;
   CREATE TABLE uses (grant_id TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
   CREATE INDEX uses_grant ON uses (grant_id, at);`,
  `CREATE TABLE questions (submitter TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
   CREATE INDEX questions_of ON questions (submitter, at);`,
] as const;

const hourMs = 3_600_000;
const nonceKeptMs = 30 * 86_400_000;
// A name is never empty.
const unsigned = "";

const bodyRow = z.object({ body: z.string() });
const nonceRow = z.object({ subject: z.string(), begun: z.int() });
const untilRow = z.object({ until: z.int() });
const countRow = z.object({ count: z.int() });
const grantRow = z.object({ body: z.string(), revoked_at: z.int().nullable() });

/**
 * Opens or makes the store.
 * @throws Error when the file cannot be opened, is damaged, or belongs to a newer version
 */
export function openApprovalStore(file: string): ApprovalStore {
  closeSync(openSync(file, "a", 0o600));
  const database = new DatabaseSync(file);
  migrate(database);
  const sql = prepare(database);

  const transaction = <T>(work: () => T): T => {
    database.exec("BEGIN IMMEDIATE");
    try {
      const value = work();
      database.exec("COMMIT");
      return value;
    } catch (thrown) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw thrown;
    }
  };
  const grantOf = (row: unknown): GrantRecord => {
    const { body, revoked_at } = grantRow.parse(row);
    return { ...grantRecordSchema.parse(JSON.parse(body)), revokedAt: revoked_at };
  };
  const countOf = (row: unknown): number => countRow.parse(row).count;

  return {
    keepAsk: (ask) => void sql.keepAsk.run(ask.request.id, JSON.stringify(ask)),
    beginAsk(ask, submitter) {
      transaction(() => {
        sql.keepAsk.run(ask.request.id, JSON.stringify(ask));
        sql.question.run(submitter ?? unsigned, ask.request.askedAt);
      });
    },
    // A clock that was wrong for a while, and far ahead, silences nobody until that time has come.
    askedSince: (submitter, from) =>
      countOf(sql.questions.get(submitter ?? unsigned, from, from + 2 * hourMs)),
    forgetAsk: (id) => void sql.forgetAsk.run(id),
    asks: () =>
      sql.asks.all().flatMap((row) => {
        const parsed = askSchema.safeParse(JSON.parse(bodyRow.parse(row).body));
        return parsed.success ? [parsed.data] : [];
      }),
    spend: ({ key, nonce, subject, expiresAt }) =>
      transaction((): NonceState => {
        const known = sql.nonce.get(key, nonce);
        if (known !== undefined) {
          const row = nonceRow.parse(known);
          return row.subject === subject && row.begun === 0 ? "same" : "used";
        }
        // What expired before the newest forgotten one may be a forgotten one itself.
        const forgotten = sql.until.get(key);
        if (forgotten !== undefined && expiresAt <= untilRow.parse(forgotten).until) return "used";
        sql.spend.run(key, nonce, subject, expiresAt);
        return "fresh";
      }),
    begun: (key, nonce) => void sql.begun.run(key, nonce),
    prune(now) {
      transaction(() => {
        const before = now - nonceKeptMs;
        sql.forgetUntil.run(before);
        sql.forgetNonces.run(before);
        sql.forgetQuestions.run(now - hourMs, now + hourMs);
      });
    },
    addGrant: (record) => void sql.addGrant.run(record.id, JSON.stringify(record)),
    revokeGrant: (id, at) => sql.revokeGrant.run(at, id).changes === 1,
    grants: () => sql.grants.all().map(grantOf),
    useGrant: (id, at) =>
      transaction(() => {
        const row = sql.grant.get(id);
        if (row === undefined) return false;
        const { grant, revokedAt } = grantOf(row);
        const uses = countOf(sql.uses.get(id, Number.MIN_SAFE_INTEGER));
        // Uses that a clock which was set back puts into the future count too.
        const lately = countOf(sql.uses.get(id, at - hourMs));
        const full =
          uses >= (grant.runsMax ?? Number.POSITIVE_INFINITY) ||
          lately >= (grant.perHourMax ?? Number.POSITIVE_INFINITY);
        if (revokedAt !== null || full) return false;
        sql.use.run(id, at);
        return true;
      }),
    usesOf: (id) => countOf(sql.uses.get(id, Number.MIN_SAFE_INTEGER)),
    [Symbol.dispose]: () => database.close(),
  };
}

function migrate(database: DatabaseSync): void {
  database.exec(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 1048576;",
  );
  const found = z
    .object({ user_version: z.int() })
    .parse(database.prepare("PRAGMA user_version").get()).user_version;
  if (found > migrations.length) throw new Error(`it is of a newer version (${found})`);
  for (const [index, step] of migrations.entries()) {
    if (index < found) continue;
    database.exec(`BEGIN IMMEDIATE; ${step}; PRAGMA user_version = ${index + 1}; COMMIT;`);
  }
}

function prepare(database: DatabaseSync) {
  return {
    keepAsk: database.prepare(
      "INSERT INTO asks (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
    ),
    forgetAsk: database.prepare("DELETE FROM asks WHERE id = ?"),
    question: database.prepare("INSERT INTO questions (submitter, at) VALUES (?, ?)"),
    questions: database.prepare(
      "SELECT count(*) AS count FROM questions WHERE submitter = ? AND at > ? AND at < ?",
    ),
    forgetQuestions: database.prepare("DELETE FROM questions WHERE at < ? OR at > ?"),
    asks: database.prepare("SELECT body FROM asks ORDER BY id"),
    nonce: database.prepare("SELECT subject, begun FROM nonces WHERE key = ? AND nonce = ?"),
    spend: database.prepare(
      "INSERT INTO nonces (key, nonce, subject, expires_at) VALUES (?, ?, ?, ?)",
    ),
    begun: database.prepare("UPDATE nonces SET begun = 1 WHERE key = ? AND nonce = ?"),
    until: database.prepare("SELECT until FROM forgotten WHERE key = ?"),
    forgetUntil: database.prepare(
      `INSERT INTO forgotten (key, until)
         SELECT key, max(expires_at) FROM nonces WHERE expires_at < ? GROUP BY key
       ON CONFLICT (key) DO UPDATE SET until = max(until, excluded.until)`,
    ),
    forgetNonces: database.prepare("DELETE FROM nonces WHERE expires_at < ?"),
    addGrant: database.prepare("INSERT INTO grants (id, body) VALUES (?, ?)"),
    revokeGrant: database.prepare(
      "UPDATE grants SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
    ),
    grants: database.prepare("SELECT body, revoked_at FROM grants ORDER BY id"),
    grant: database.prepare("SELECT body, revoked_at FROM grants WHERE id = ?"),
    use: database.prepare("INSERT INTO uses (grant_id, at) VALUES (?, ?)"),
    uses: database.prepare("SELECT count(*) AS count FROM uses WHERE grant_id = ? AND at > ?"),
  };
}
