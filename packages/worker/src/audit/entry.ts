// What goes into an entry: redacted, cut to a length, and always something that JSON can say. Notes
// come from everywhere, also about what a hostile server sent; none of them may break the log.

import { createHash } from "node:crypto";
import {
  auditEntryBytesMax,
  canonicalJson,
  type AuditEntry,
  type AuditType,
} from "@openclaw-worker/protocol";

export type Redact = (text: string) => string;

export interface Note {
  readonly seq: number;
  readonly at: number;
  readonly type: AuditType;
  readonly taskId: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Texts longer than this are kept as their beginning, their length and their SHA-256. */
const textBytesMax = 4_096;
const headCharactersMax = 1_024;
const shortBytesMax = 256;
const taskIdMax = 64;
const depthMax = 6;
const itemsMax = 256;
/** Values of one entry, at all depths together. */
const valuesMax = 2_048;
const unredacted = "[left out: it could not be redacted]";

interface Cleaning {
  readonly redact: Redact;
  left: number;
}

/** The leaf's text: canonical JSON of the entry, at most `auditEntryBytesMax` bytes. Never throws. */
export function entryText(note: Note, redact: Redact): string {
  const data = clean(note.data, { redact: guarded(redact), left: valuesMax }, 0);
  const text = canonicalJson(entryOf(note, isRecord(data) ? data : {}));
  if (Buffer.byteLength(text) <= auditEntryBytesMax) return text;
  const small = isRecord(data) ? shortMembers(data) : {};
  return canonicalJson(entryOf(note, { ...small, leftOut: fingerprintOf(canonicalJson(data)) }));
}

function entryOf(note: Note, data: Readonly<Record<string, unknown>>): AuditEntry {
  const { seq, at, type, taskId } = note;
  const about = taskId === undefined ? {} : { taskId: taskId.slice(0, taskIdMax) };
  return { version: 1, seq, at: Math.trunc(at), type, ...about, data };
}

/** What cannot be redacted is not written. */
function guarded(redact: Redact): Redact {
  return (text) => {
    try {
      return redact(text);
    } catch {
      return unredacted;
    }
  };
}

function clean(value: unknown, by: Cleaning, depth: number): unknown {
  by.left -= 1;
  switch (typeof value) {
    case "string":
      return shortened(by.redact(value));
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "boolean":
      return value;
    case "bigint":
      return String(value);
    case "undefined":
    case "function":
    case "symbol":
      return null;
    case "object":
      break;
  }
  if (value === null) return null;
  if (depth >= depthMax || by.left <= 0) return "…";
  if (Array.isArray(value)) {
    const kept = value.slice(0, itemsMax).map((one) => clean(one, by, depth + 1));
    return value.length > itemsMax ? [...kept, `… ${value.length - itemsMax} more`] : kept;
  }
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined && typeof member !== "function")
    .slice(0, itemsMax)
    .map(([key, member]) => [nameOf(by.redact(key)), clean(member, by, depth + 1)] as const);
  return Object.fromEntries(members);
}

// Schemas drop this name, so an entry that had it would not be what a check reads.
function nameOf(key: string): string {
  return key === "__proto__" ? "[__proto__]" : key.slice(0, shortBytesMax);
}

// The digest is of the redacted text: that of the other one could be tried out for a short secret.
function shortened(text: string): unknown {
  if (Buffer.byteLength(text) <= textBytesMax) return text;
  return { head: text.slice(0, headCharactersMax).toWellFormed(), ...fingerprintOf(text) };
}

function fingerprintOf(text: string): { readonly bytes: number; readonly sha256: string } {
  return {
    bytes: Buffer.byteLength(text),
    sha256: createHash("sha256").update(text, "utf8").digest("hex"),
  };
}

function shortMembers(data: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const short = Object.entries(data)
    .filter(([key, member]) => key.length + canonicalJson(member).length <= shortBytesMax)
    .slice(0, 64);
  return Object.fromEntries(short);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
