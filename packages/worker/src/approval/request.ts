// From a placed task to the exact thing that a person says yes to. Pure: ids, nonces, times and the
// hashes of files are handed in.

import { createHash } from "node:crypto";
import { never } from "@openclaw-worker/base";
import {
  digestOf,
  limits,
  type ApprovalRequest,
  type Deed,
  type TaskId,
} from "@openclaw-worker/protocol";
import type { Cage, Placed } from "../job.ts";

/** A file as it is now: absolute path by the name in the task, SHA-256 of its bytes in hex. */
export interface HashedFile {
  readonly path: string;
  readonly sha256: string;
}

/** Something that needs a yes. */
export interface Matter {
  readonly taskId: TaskId;
  readonly attempt: number;
  readonly deed: Deed;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string | undefined;
  readonly cage: Cage;
  readonly outside: boolean;
  /** The rule that asks, or null: the default does. */
  readonly rule: string | null;
  readonly policyDigest: string;
}

export interface Stamp {
  readonly id: TaskId;
  readonly worker: string;
  /** 128 random bits or more, in base64url. */
  readonly nonce: string;
  readonly askedAt: number;
  readonly expiresAt: number;
  readonly files: readonly HashedFile[];
}

export interface MadeRequest {
  readonly request: ApprovalRequest;
  /** SHA-256 over its canonical JSON (RFC 8785), in hex. */
  readonly digest: string;
}

export function requestOf(matter: Matter, stamp: Stamp): MadeRequest {
  const request: ApprovalRequest = {
    version: 1,
    id: stamp.id,
    worker: stamp.worker,
    taskId: matter.taskId,
    attempt: matter.attempt,
    deed: matter.deed,
    cwd: matter.cwd,
    env: Object.fromEntries(
      Object.entries(matter.env).map(([name, value]) => [name, sha256(value)]),
    ),
    stdin: matter.stdin === undefined ? null : sha256(matter.stdin),
    files: [...stamp.files],
    cage: cageShown(matter.cage, matter.outside),
    rule: matter.rule,
    policyDigest: matter.policyDigest,
    nonce: stamp.nonce,
    askedAt: stamp.askedAt,
    expiresAt: stamp.expiresAt,
  };
  return { request, digest: digestOf(request) };
}

/** A cage as requests and grants name it. */
export function cageShown(cage: Cage, outside: boolean): ApprovalRequest["cage"] {
  const readOnly = cage.readOnly ?? [];
  const writable = cage.roots.filter((root) => !readOnly.includes(root));
  return {
    outside,
    write: [...writable, ...(cage.writable ?? [])].toSorted(),
    read: [...readOnly, ...cage.readable].toSorted(),
    domains: [...(cage.domains ?? [])].toSorted(),
  };
}

/** What a person would be shown is more than anybody reads, or than the server carries. */
export function isTooLong({ request }: MadeRequest): boolean {
  // The rest of the message needs a few kilobytes.
  return Buffer.byteLength(JSON.stringify(request)) > limits.askBytes - 8_192;
}

/** What a task would do, exactly. */
export function deedOf(placed: Placed): Deed {
  switch (placed.kind) {
    case "command":
      return { kind: "command", command: placed.command };
    case "exec":
      return { kind: "exec", argv: placed.argv };
    case "file-read":
      return { kind: "read", path: placed.path };
    case "file-list":
      return { kind: "list", path: placed.path };
    case "file-write": {
      const { path, content, encoding } = placed;
      const bytes = Buffer.from(content, encoding);
      return { kind: "write", path, bytes: bytes.length, sha256: sha256(bytes) };
    }
    case "file-edit": {
      const { path, oldString, newString, replaceAll } = placed;
      return { kind: "edit", path, oldString, newString, replaceAll };
    }
    default:
      return never(placed);
  }
}

/** What a process brings: variables and standard input. */
export function broughtBy(placed: Placed): Pick<Matter, "env" | "stdin"> {
  return placed.kind === "command" || placed.kind === "exec"
    ? { env: placed.env ?? {}, stdin: placed.stdin }
    : { env: {}, stdin: undefined };
}

function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
