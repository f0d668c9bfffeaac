// Copies of the workers' audit logs.

import type { DatabaseSync } from "node:sqlite";
import type { WitnessChange, WitnessRecord } from "../witness.ts";
import { integer, text, textOrNull } from "./rows.ts";

export function prepareSaveWitness(db: DatabaseSync): (change: WitnessChange) => "saved" | "raced" {
  const find = prepareWitness(db);
  const save = db.prepare("INSERT OR REPLACE INTO witness VALUES (?, ?, ?, ?, ?, ?)");
  const addEntry = db.prepare("INSERT INTO audit_entries VALUES (?, ?, ?)");
  const addNode = db.prepare("INSERT INTO audit_nodes VALUES (?, ?, ?)");
  const note = db.prepare(
    "INSERT INTO events (type, created_at, task_id, details) VALUES ('audit.alarm', ?, NULL, ?)",
  );
  return (change) => {
    const { worker, from, entries, nodesFrom, nodes, at } = change;
    const before = find(worker) ?? { version: 0, known: null, alarm: null };
    if (before.version !== change.version) return "raced";
    const raised = change.alarm === null ? null : { ...change.alarm, at };
    const alarm = before.alarm ?? raised;
    save.run(
      worker,
      before.version + 1,
      change.known ?? before.known,
      alarm?.text ?? null,
      alarm?.at ?? null,
      alarm?.evidence ?? null,
    );
    for (const [index, entry] of entries.entries()) addEntry.run(worker, from + index, entry);
    for (const [index, node] of nodes.entries()) addNode.run(worker, nodesFrom + index, node);
    if (raised !== null && raised.text !== before.alarm?.text)
      note.run(at, JSON.stringify({ worker, alarm: raised.text }));
    return "saved";
  };
}

export function prepareWitness(db: DatabaseSync): (worker: string) => WitnessRecord | null {
  const find = db.prepare("SELECT * FROM witness WHERE worker = ?");
  return (worker) => {
    const row = find.get(worker);
    if (row === undefined) return null;
    const alarm = textOrNull(row, "alarm");
    return {
      version: integer(row, "version"),
      known: textOrNull(row, "known"),
      alarm:
        alarm === null
          ? null
          : { text: alarm, at: integer(row, "alarm_at"), evidence: textOrNull(row, "evidence") },
    };
  };
}

export function prepareAlarms(db: DatabaseSync): () => ReadonlyMap<string, string> {
  const all = db.prepare("SELECT worker, alarm FROM witness WHERE alarm IS NOT NULL");
  return () => new Map(all.all().map((row) => [text(row, "worker"), text(row, "alarm")]));
}

export function prepareAuditEntries(
  db: DatabaseSync,
): (worker: string, from: number, max: number) => readonly string[] {
  const find = db.prepare(
    "SELECT entry FROM audit_entries WHERE worker = ? AND seq >= ? ORDER BY seq LIMIT ?",
  );
  return (worker, from, max) => find.all(worker, from, max).map((row) => text(row, "entry"));
}

export function prepareAuditNodes(
  db: DatabaseSync,
): (worker: string, places: readonly number[]) => ReadonlyMap<number, Buffer> {
  const find = db.prepare("SELECT hash FROM audit_nodes WHERE worker = ? AND place = ?");
  return (worker, places) => {
    const found = new Map<number, Buffer>();
    for (const place of places) {
      const hash = find.get(worker, place)?.["hash"];
      if (hash instanceof Uint8Array) found.set(place, Buffer.from(hash));
    }
    return found;
  };
}
