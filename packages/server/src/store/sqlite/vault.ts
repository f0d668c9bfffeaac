// The SQLite file as records, to be moved to another engine or filled from one.

import { limits } from "@openclaw-worker/protocol";
import type { DatabaseSync } from "node:sqlite";
import type { ApprovalFacts, MoveRecord, TaskFacts, Vault } from "../move/record.ts";
import { preparePut } from "./fill.ts";
import { migrations } from "./migrations.ts";
import { movingVersion, openDatabase } from "./open.ts";
import {
  actionOf,
  integer,
  integerOrNull,
  kindOf,
  text,
  textOrNull,
  workerOf,
  type Row,
} from "./rows.ts";

/** Tables that hold what users gave; the counts follow by their triggers. */
const tables = [
  "tasks",
  "specs",
  "results",
  "sessions",
  "events",
  "workers",
  "approvals",
  "letters",
  "halts",
  "witness",
  "audit_entries",
  "audit_nodes",
  "actions",
] as const;

/** @throws Error with a sentence for people: in use, no database, of a newer version */
export function openSqliteVault(file: string): Vault {
  const db = openDatabase(file, { moving: true });
  const setVersion = (version: number): void => db.exec(`PRAGMA user_version=${version}`);
  const put = preparePut(db);
  return {
    // An iterator of SQLite is read in steps, so that a million rows need no memory.
    records: () => recordsOf(db),
    async isHalf() {
      return (
        integer(db.prepare("PRAGMA user_version").get() ?? {}, "user_version") >= movingVersion
      );
    },
    async begin() {
      setVersion(movingVersion + migrations.length);
      db.exec("BEGIN IMMEDIATE");
      for (const table of tables) db.exec(`DELETE FROM ${table}`);
      db.exec(
        "UPDATE counts SET total = 0, unread = 0; DELETE FROM ready; UPDATE changes SET last = 0",
      );
      db.exec("COMMIT");
    },
    async put(records) {
      db.exec("BEGIN IMMEDIATE");
      for (const record of records) put(record);
      db.exec("COMMIT");
    },
    async finish() {
      setVersion(migrations.length);
    },
    async [Symbol.asyncDispose]() {
      if (db.isOpen) db.close();
    },
  };
}

async function* recordsOf(db: DatabaseSync): AsyncGenerator<MoveRecord> {
  const rows = (sql: string): Iterable<Row> => db.prepare(sql).iterate();
  const last = integer(db.prepare("SELECT last FROM changes").get() ?? {}, "last");
  if (last > 0) yield { kind: "changes", last };
  for (const row of rows("SELECT * FROM workers ORDER BY name COLLATE BINARY")) {
    yield { kind: "worker", worker: workerOf(row) };
  }
  for (const row of rows("SELECT * FROM sessions ORDER BY session COLLATE BINARY")) {
    const session = {
      sessionId: text(row, "session"),
      kind: kindOf(row),
      taskCount: integer(row, "tasks"),
      lastActivity: integer(row, "last_activity"),
    };
    yield { kind: "session", session };
  }
  for (const row of rows(
    `SELECT t.*, s.spec, s.metadata, s.reason, s.proof, r.body FROM tasks t JOIN specs s ON s.seq = t.seq
       LEFT JOIN results r ON r.seq = t.seq ORDER BY t.seq`,
  ))
    yield { kind: "task", task: taskFacts(row) };
  for (const row of rows(
    `SELECT * FROM (SELECT * FROM events ORDER BY id DESC LIMIT ${limits.eventsKept}) ORDER BY id`,
  ))
    yield {
      kind: "event",
      id: integer(row, "id"),
      type: text(row, "type"),
      at: integer(row, "created_at"),
      taskId: textOrNull(row, "task_id"),
      details: jsonOrNull(row, "details"),
    };
  for (const row of rows("SELECT * FROM approvals ORDER BY change"))
    yield { kind: "approval", approval: approvalFacts(row) };
  yield* watched(rows);
}

function* watched(rows: (sql: string) => Iterable<Row>): Generator<MoveRecord> {
  for (const row of rows("SELECT * FROM letters ORDER BY id"))
    yield {
      kind: "letter",
      id: integer(row, "id"),
      worker: text(row, "worker"),
      about: text(row, "about"),
      envelope: jsonOrNull(row, "envelope"),
      expiresAt: integer(row, "expires_at"),
    };
  for (const row of rows("SELECT * FROM halts ORDER BY worker COLLATE BINARY"))
    yield {
      kind: "halt",
      worker: text(row, "worker"),
      ordered: jsonOrNull(row, "ordered"),
      stopped: jsonOrNull(row, "stopped"),
    };
  for (const row of rows("SELECT * FROM witness ORDER BY worker COLLATE BINARY"))
    yield {
      kind: "witness",
      worker: text(row, "worker"),
      version: integer(row, "version"),
      known: textOrNull(row, "known"),
      alarm: textOrNull(row, "alarm"),
      alarmAt: integerOrNull(row, "alarm_at"),
      evidence: textOrNull(row, "evidence"),
    };
  for (const row of rows("SELECT * FROM audit_entries ORDER BY worker COLLATE BINARY, seq"))
    yield {
      kind: "audit-entry",
      worker: text(row, "worker"),
      seq: integer(row, "seq"),
      entry: text(row, "entry"),
    };
  for (const row of rows("SELECT * FROM audit_nodes ORDER BY worker COLLATE BINARY, place")) {
    const { hash } = row;
    if (!(hash instanceof Uint8Array)) throw new Error("a node is no bytes");
    yield {
      kind: "audit-node",
      worker: text(row, "worker"),
      place: integer(row, "place"),
      hash: Buffer.from(hash).toString("hex"),
    };
  }
  for (const row of rows("SELECT * FROM actions ORDER BY seq")) {
    yield { kind: "action", entry: actionOf(row) };
  }
}

function taskFacts(row: Row): TaskFacts {
  return {
    seq: integer(row, "seq"),
    id: text(row, "id"),
    taskKind: text(row, "kind"),
    status: text(row, "status"),
    state: text(row, "state"),
    selector: text(row, "selector"),
    priority: integer(row, "priority"),
    session: textOrNull(row, "session"),
    timeoutMs: integer(row, "timeout_ms"),
    createdAt: integer(row, "created_at"),
    deliverBy: integer(row, "deliver_by"),
    fence: integer(row, "fence"),
    worker: textOrNull(row, "worker"),
    instance: textOrNull(row, "instance"),
    leased: integer(row, "leased") === 1,
    startedAt: integerOrNull(row, "started_at"),
    completedAt: integerOrNull(row, "completed_at"),
    cancelAt: integerOrNull(row, "cancel_at"),
    readAt: integerOrNull(row, "read_at"),
    outcome: textOrNull(row, "outcome"),
    exitCode: integerOrNull(row, "exit_code"),
    key: textOrNull(row, "idem_key"),
    digest: textOrNull(row, "idem_digest"),
    approval: textOrNull(row, "approval"),
    summary: text(row, "summary"),
    spec: jsonOrNull(row, "spec"),
    metadata: jsonOrNull(row, "metadata"),
    reason: textOrNull(row, "reason"),
    proof: jsonOrNull(row, "proof"),
    result: jsonOrNull(row, "body"),
  };
}

function approvalFacts(row: Row): ApprovalFacts {
  return {
    id: text(row, "id"),
    change: integer(row, "change"),
    taskId: text(row, "task_id"),
    worker: text(row, "worker"),
    fence: integer(row, "fence"),
    state: text(row, "state"),
    digest: text(row, "digest"),
    request: jsonOrNull(row, "request"),
    levels: text(row, "levels"),
    reason: textOrNull(row, "reason"),
    decidedBy: textOrNull(row, "decided_by"),
    updatedAt: integer(row, "updated_at"),
    expiresAt: integer(row, "expires_at"),
  };
}

function jsonOrNull(row: Row, column: string): unknown {
  const found = textOrNull(row, column);
  return found === null ? null : JSON.parse(found);
}
