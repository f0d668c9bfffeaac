// Envelopes on their way to workers.

import { envelopeSchema, type Envelope } from "@openclaw-worker/protocol";
import type { DatabaseSync } from "node:sqlite";
import type { Decided, DecideRequest, Letter, ResumeRequest } from "../approval.ts";
import type { Act } from "./act.ts";
import { prepareApproval } from "./approvals.ts";
import { integer, text, type Row } from "./rows.ts";

export function prepareDecide(db: DatabaseSync, act: Act): (request: DecideRequest) => Decided {
  const find = prepareApproval(db);
  const post = preparePost(db);
  return ({ id, envelope, expiresAt, at, max, action }) => {
    const approval = find(id);
    if (approval === null) return { kind: "unknown" };
    if (approval.state !== "waiting" || approval.request.expiresAt <= at)
      return { kind: "over", approval };
    const { worker } = approval.request;
    const posted = post({ worker, about: id, envelope, expiresAt, max });
    if (posted === null) return { kind: "full" };
    if (posted.isNew) act(action);
    return { kind: "sent", ...posted };
  };
}

export function prepareSendResume(
  db: DatabaseSync,
  act: Act,
): (request: ResumeRequest) => Letter | null {
  const post = preparePost(db);
  return ({ worker, stopId, envelope, expiresAt, max, action }) => {
    const posted = post({ worker, about: stopId, envelope, expiresAt, max });
    if (posted?.isNew) act(action);
    return posted?.letter ?? null;
  };
}

export function prepareLetters(db: DatabaseSync): () => readonly Letter[] {
  const all = db.prepare("SELECT * FROM letters ORDER BY id");
  return () => all.all().map(letterOf);
}

interface Post extends Omit<Letter, "id"> {
  readonly max: number;
}

function preparePost(
  db: DatabaseSync,
): (post: Post) => { readonly letter: Letter; readonly isNew: boolean } | null {
  const find = db.prepare("SELECT * FROM letters WHERE about = ? AND worker = ?");
  const insert = db.prepare(
    "INSERT INTO letters (worker, about, envelope, expires_at) VALUES (?, ?, ?, ?)",
  );
  return ({ worker, about, envelope, expiresAt, max }) => {
    const body = JSON.stringify(envelope);
    const waiting = find.all(about, worker);
    const same = waiting.find((row) => row["envelope"] === body);
    if (same !== undefined) return { letter: letterOf(same), isNew: false };
    if (waiting.length >= max) return null;
    const { lastInsertRowid } = insert.run(worker, about, body, expiresAt);
    const letter = { id: Number(lastInsertRowid), worker, about, envelope, expiresAt };
    return { letter, isNew: true };
  };
}

function letterOf(row: Row): Letter {
  const envelope: Envelope = envelopeSchema.parse(JSON.parse(text(row, "envelope")));
  return {
    id: integer(row, "id"),
    worker: text(row, "worker"),
    about: text(row, "about"),
    envelope,
    expiresAt: integer(row, "expires_at"),
  };
}
