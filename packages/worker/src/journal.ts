// The worker's durable memory: which tasks it began, and which results nobody has confirmed yet.
//
//   (nothing) ──begin──▶ begun ──finish──▶ finished ──delivered──▶ finished, kept for the retention time
//                          │
//                          ├──not run──▶ not-run   (the server said no: a later attempt may run)
//                          └──worker died──▶ finished as `lost`, at the next start
//
// `begin` and `finish` are on the disk when they return (WAL, synchronous=FULL): a task that may
// have begun is never begun again. `delivered` may come late; at worst a result is sent twice.
// `spend` goes into the same write as the `begin` that follows it, so that it costs no write of its
// own, and is lost only together with the beginning that it counts.

import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { messageOf, type Clock } from "@openclaw-worker/base";
import { limits, reportOf, taskIdSchema, type Held, type TaskId } from "@openclaw-worker/protocol";
import { z } from "zod";
import { openBacklog } from "./backlog.ts";

/** What the journal knows of a task. */
export type Memory =
  | { readonly kind: "new" }
  | { readonly kind: "begun" }
  /** `text` is the report's JSON, or null when it is no longer kept. */
  | { readonly kind: "finished"; readonly text: string | null }
  | { readonly kind: "unreadable"; readonly why: string };

/** What began in one minute of the budget's time (budget.ts). */
export interface Spent {
  readonly minute: number;
  readonly tasks: number;
  readonly deletes: number;
}

/** Writers return null, or say in a sentence why the disk did not take it. */
export interface Journal extends Disposable {
  recall(taskId: TaskId): Memory;
  begin(task: Held): string | null;
  notRun(taskId: TaskId): string | null;
  /** `text` is the report's JSON, as a text or as its UTF-8. */
  finish(task: Held, text: string | Uint8Array): string | null;
  /** The server has it, or does not want it any more. Written with the next entry. */
  delivered(taskId: TaskId): void;
  /** Results that nobody has confirmed, oldest first. */
  undelivered(): readonly Held[];
  /** The UTF-8 of a finished task's report; null when it is no longer kept, or cannot be read. */
  report(taskId: TaskId): Uint8Array | null;
  /** Tells at once, and after every change, how many bytes the results are that nobody has confirmed. */
  onUndelivered(tell: (bytes: number) => void): Disposable;
  /** Turns what an earlier process began and never finished into `lost` results; says how many. */
  loseBegun(): number;
  /** Forgets what was delivered longer ago than the retention time. */
  prune(): void;
  /** Tries a durable write. */
  probe(): string | null;
  /** What was spent, by the minute, and the budget's time of the last of it; null: nothing yet. */
  spending(): { readonly atMs: number; readonly spent: readonly Spent[] } | null;
  /** Adds to what was spent at `atMs`, and forgets minutes before `keepFrom`. Written with the next entry. */
  spend(spent: Spent, atMs: number, keepFrom: number): void;
}

const migrations = [
  `CREATE TABLE entries (
     seq INTEGER PRIMARY KEY,
     task_id TEXT NOT NULL UNIQUE,
     fence INTEGER NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('begun', 'not-run', 'finished')),
     begun_at INTEGER,
     finished_at INTEGER,
     delivered_at INTEGER,
     report TEXT
   ) STRICT;
   CREATE INDEX entries_undelivered ON entries (seq) WHERE state = 'finished' AND delivered_at IS NULL;
   CREATE INDEX entries_delivered ON entries (delivered_at) WHERE delivered_at IS NOT NULL;
   CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL) STRICT;`,
  `CREATE TABLE budget_time (
     id INTEGER PRIMARY KEY CHECK (id = 1), at_ms INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE budget_spent (
     minute INTEGER PRIMARY KEY, tasks INTEGER NOT NULL, deletes INTEGER NOT NULL
   ) STRICT;`,
] as const;

/** Texts of delivered results answer duplicates; only so many and so long ones are kept. */
const deliveredTextsMax = 1_000;
const deliveredTextMax = 65_536;
const deliveredBatch = 64;
const deliveredDelayMs = 1_000;
const lostSentence = "The worker stopped while this task was running; it may have run in part";

const rowSchema = z.object({
  state: z.enum(["begun", "not-run", "finished"]),
  report: z.string().nullable(),
});
const spentRowSchema = z.object({ minute: z.int(), tasks: z.int(), deletes: z.int() });
const timeRowSchema = z.object({ at_ms: z.int() });
const bytesRowSchema = z.object({ report: z.instanceof(Uint8Array) });
const sizeRowSchema = z.object({ task_id: taskIdSchema, bytes: z.int().nonnegative() });
const heldRowSchema = z.object({ task_id: taskIdSchema, fence: z.int().positive() });

/**
 * Opens or makes the journal.
 * @throws Error when the file cannot be opened, is damaged, or belongs to a newer version
 */
export function openJournal(options: { readonly file: string; readonly clock: Clock }): Journal {
  const { clock } = options;
  closeSync(openSync(options.file, "a", 0o600));
  const database = new DatabaseSync(options.file);
  migrate(database);
  const sql = prepare(database);
  const unwritten = new Set<TaskId>();
  const unspent: (() => void)[] = [];
  const backlog = openBacklog();
  const readBacklog = (): void => {
    for (const row of sql.sizes.all()) {
      const { task_id: taskId, bytes } = sizeRowSchema.parse(row);
      backlog.set(taskId, bytes);
    }
  };
  readBacklog();

  let closed = false;

  const transaction = (work: () => void): string | null => {
    if (closed) return "the journal is closed";
    const noted = [...unwritten];
    const spendings = unspent.length;
    try {
      database.exec("BEGIN IMMEDIATE");
      for (const taskId of noted) sql.delivered.run(clock.now(), deliveredTextMax, taskId);
      for (const write of unspent) write();
      work();
      database.exec("COMMIT");
    } catch (thrown) {
      if (database.isTransaction) database.exec("ROLLBACK");
      return messageOf(thrown);
    }
    for (const taskId of noted) unwritten.delete(taskId);
    unspent.splice(0, spendings);
    return null;
  };
  const flush = (): void => {
    if (unwritten.size + unspent.length > 0) transaction(() => {});
  };
  const flushing = clock.every(deliveredDelayMs, flush);

  return {
    recall: (taskId) => recall(() => sql.recall.get(taskId)),
    begin: ({ taskId, fence }) => transaction(() => sql.begin.run(taskId, fence, clock.now())),
    notRun: (taskId) => transaction(() => sql.notRun.run(taskId)),
    finish({ taskId, fence }, text) {
      const broken = transaction(() => {
        unwritten.delete(taskId);
        sql.finish.run(taskId, fence, clock.now(), text);
      });
      if (broken === null) backlog.set(taskId, Buffer.byteLength(text));
      return broken;
    },
    delivered(taskId) {
      unwritten.add(taskId);
      backlog.set(taskId, 0);
      if (unwritten.size >= deliveredBatch) flush();
    },
    undelivered: () => sql.undelivered.all().map((row) => held(row)),
    report: (taskId) => reportBytes(() => sql.report.get(taskId)),
    onUndelivered: backlog.watch,
    loseBegun() {
      const lost = JSON.stringify(reportOf("lost", lostSentence));
      const { changes } = sql.loseBegun.run(clock.now(), lost);
      readBacklog();
      return Number(changes);
    },
    prune() {
      const before = clock.now() - limits.retentionMs;
      transaction(() => {
        sql.forget.run(before, before);
        sql.shorten.run(deliveredTextsMax);
      });
    },
    probe: () => transaction(() => sql.probe.run(clock.now())),
    spending() {
      const time = sql.budgetTime.get();
      if (time === undefined) return null;
      const spent = sql.spentMinutes.all().map((row) => spentRowSchema.parse(row));
      return { atMs: timeRowSchema.parse(time).at_ms, spent };
    },
    spend({ minute, tasks, deletes }, atMs, keepFrom) {
      unspent.push(() => {
        sql.spend.run(minute, tasks, deletes);
        sql.forgetSpent.run(keepFrom);
        sql.keepTime.run(atMs);
      });
    },
    [Symbol.dispose]() {
      flushing.cancel();
      flush();
      closed = true;
      database.close();
    },
  };
}

function migrate(database: DatabaseSync): void {
  database.exec(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 4194304;",
  );
  const found = z
    .object({ user_version: z.int() })
    .parse(database.prepare("PRAGMA user_version").get()).user_version;
  if (found > migrations.length) throw new Error(`the journal is of a newer version (${found})`);
  for (const [index, step] of migrations.entries()) {
    if (index < found) continue;
    database.exec(`BEGIN IMMEDIATE; ${step}; PRAGMA user_version = ${index + 1}; COMMIT;`);
  }
}

function prepare(database: DatabaseSync) {
  return {
    recall: database.prepare("SELECT state, report FROM entries WHERE task_id = ?"),
    begin: database.prepare(
      `INSERT INTO entries (task_id, fence, state, begun_at) VALUES (?, ?, 'begun', ?)
       ON CONFLICT (task_id) DO UPDATE SET fence = excluded.fence, state = 'begun', begun_at = excluded.begun_at
       WHERE state = 'not-run'`,
    ),
    notRun: database.prepare(
      "UPDATE entries SET state = 'not-run' WHERE task_id = ? AND state = 'begun'",
    ),
    finish: database.prepare(
      `INSERT INTO entries (task_id, fence, state, finished_at, report)
       VALUES (?, ?, 'finished', ?, CAST(? AS TEXT))
       ON CONFLICT (task_id) DO UPDATE SET fence = excluded.fence, state = 'finished',
         finished_at = excluded.finished_at, delivered_at = NULL, report = excluded.report`,
    ),
    delivered: database.prepare(
      `UPDATE entries SET delivered_at = ?, report = CASE WHEN length(report) > ? THEN NULL ELSE report END
       WHERE task_id = ? AND state = 'finished'`,
    ),
    undelivered: database.prepare(
      "SELECT task_id, fence FROM entries WHERE state = 'finished' AND delivered_at IS NULL ORDER BY seq",
    ),
    sizes: database.prepare(
      `SELECT task_id, coalesce(octet_length(report), 0) AS bytes FROM entries
       WHERE state = 'finished' AND delivered_at IS NULL`,
    ),
    report: database.prepare(
      "SELECT CAST(report AS BLOB) AS report FROM entries WHERE task_id = ? AND state = 'finished'",
    ),
    loseBegun: database.prepare(
      "UPDATE entries SET state = 'finished', finished_at = ?, report = ? WHERE state = 'begun'",
    ),
    forget: database.prepare(
      "DELETE FROM entries WHERE delivered_at < ? OR (state = 'not-run' AND begun_at < ?)",
    ),
    shorten: database.prepare(
      `UPDATE entries SET report = NULL WHERE delivered_at IS NOT NULL AND report IS NOT NULL AND seq <=
         (SELECT seq FROM entries WHERE delivered_at IS NOT NULL ORDER BY seq DESC LIMIT 1 OFFSET ?)`,
    ),
    budgetTime: database.prepare("SELECT at_ms FROM budget_time"),
    spentMinutes: database.prepare(
      "SELECT minute, tasks, deletes FROM budget_spent ORDER BY minute",
    ),
    spend: database.prepare(
      `INSERT INTO budget_spent (minute, tasks, deletes) VALUES (?, ?, ?)
       ON CONFLICT (minute) DO UPDATE SET
         tasks = tasks + excluded.tasks, deletes = deletes + excluded.deletes`,
    ),
    forgetSpent: database.prepare("DELETE FROM budget_spent WHERE minute < ?"),
    keepTime: database.prepare(
      `INSERT INTO budget_time (id, at_ms) VALUES (1, ?)
       ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms`,
    ),
    probe: database.prepare(
      "INSERT INTO probe (id, at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at",
    ),
  };
}

function reportBytes(read: () => unknown): Uint8Array | null {
  try {
    const row = bytesRowSchema.safeParse(read());
    return row.success ? row.data.report : null;
  } catch {
    // Whoever asks has a sentence for a result that cannot be read.
    return null;
  }
}

function recall(read: () => unknown): Memory {
  try {
    const found = read();
    if (found === undefined) return { kind: "new" };
    const { state, report } = rowSchema.parse(found);
    if (state === "not-run") return { kind: "new" };
    return state === "begun" ? { kind: "begun" } : { kind: "finished", text: report };
  } catch (thrown) {
    return { kind: "unreadable", why: messageOf(thrown) };
  }
}

function held(row: unknown): Held {
  const { task_id: taskId, fence } = heldRowSchema.parse(row);
  return { taskId, fence };
}
