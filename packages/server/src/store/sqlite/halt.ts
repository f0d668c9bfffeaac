// Stops: what was ordered, and what workers say of themselves.

import { stoppedSchema, stopOrderSchema } from "@openclaw-worker/protocol";
import type { DatabaseSync } from "node:sqlite";
import type { NewAction } from "../action.ts";
import type { HaltRecord, OrderStop, SaveStopped } from "../approval.ts";
import type { Act } from "./act.ts";
import { text, textOrNull, type Row } from "./rows.ts";

export function prepareOrderStop(db: DatabaseSync, act: Act): (request: OrderStop) => void {
  const order = db.prepare(
    `INSERT INTO halts (worker, ordered) VALUES (?, ?)
       ON CONFLICT DO UPDATE SET ordered = excluded.ordered`,
  );
  return (request) => {
    order.run(request.worker, JSON.stringify(request.order));
    act(request.action);
  };
}

export function prepareLiftStop(
  db: DatabaseSync,
  act: Act,
): (worker: string, action?: NewAction) => void {
  const lift = db.prepare("UPDATE halts SET ordered = NULL WHERE worker = ?");
  return (worker, action) => {
    lift.run(worker);
    act(action);
  };
}

export function prepareSaveStopped(db: DatabaseSync): (request: SaveStopped) => HaltRecord {
  const find = db.prepare("SELECT * FROM halts WHERE worker = ?");
  const save = db.prepare(
    "INSERT OR REPLACE INTO halts (worker, ordered, stopped) VALUES (?, ?, ?)",
  );
  const note = db.prepare(
    "INSERT INTO events (type, created_at, task_id, details) VALUES (?, ?, NULL, ?)",
  );
  const forget = db.prepare(
    `DELETE FROM letters WHERE worker = ? AND about <> ?
       AND json_extract(envelope, '$.type') = 'resume'`,
  );
  return ({ worker, stopped, seen, at }) => {
    const row = find.get(worker);
    const before = row === undefined ? { worker, order: null, stopped: null } : haltOf(row);
    const ordered = before.order;
    const isConfirmed =
      ordered !== null && [stopped?.id, seen].some((id) => id != null && id >= ordered.id);
    const order = isConfirmed ? null : ordered;
    save.run(worker, jsonOrNull(order), jsonOrNull(stopped));
    forget.run(worker, stopped?.id ?? order?.id ?? "");
    if (stopped !== null && stopped.id !== before.stopped?.id)
      note.run("worker.stopped", at, JSON.stringify({ worker, ...stopped }));
    if (stopped === null && before.stopped !== null)
      note.run("worker.resumed", at, JSON.stringify({ worker, stopId: before.stopped.id }));
    return { worker, order, stopped };
  };
}

export function prepareHalts(db: DatabaseSync): () => readonly HaltRecord[] {
  const all = db.prepare("SELECT * FROM halts ORDER BY worker");
  return () => all.all().map(haltOf);
}

function haltOf(row: Row): HaltRecord {
  const order = textOrNull(row, "ordered");
  const stopped = textOrNull(row, "stopped");
  return {
    worker: text(row, "worker"),
    order: order === null ? null : stopOrderSchema.parse(JSON.parse(order)),
    stopped: stopped === null ? null : stoppedSchema.parse(JSON.parse(stopped)),
  };
}

function jsonOrNull(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}
