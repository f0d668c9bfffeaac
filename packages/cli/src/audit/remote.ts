// The server's copy of a worker's log. Whatever the server says, it has to lead to a head that the
// worker signed.

import fs from "node:fs";
import path from "node:path";
import type { Client } from "@openclaw-worker/client";
import { auditFiles, storedIndex, type SignedCheckpoint } from "@openclaw-worker/protocol";
import type { Item } from "./check.ts";

export interface RemoteLog {
  readonly worker: string;
  readonly head: SignedCheckpoint;
  readonly items: AsyncIterable<readonly Item[]>;
}

const pageMax = 1_000;
const hashBytes = 32;

/**
 * Looks at the copy as it is now.
 * @param noted gives the leaf's hash as this computer has it, or null
 */
export async function openRemote(
  client: Client,
  worker: string,
  noted: (seq: number) => Buffer | null,
  signal: AbortSignal,
): Promise<RemoteLog> {
  const { head } = await client.audit(worker, { from: 0, limit: 1 }, signal);
  const { size } = head.checkpoint;
  async function* items(): AsyncGenerator<readonly Item[]> {
    let from = 0;
    while (from < size) {
      const limit = Math.min(pageMax, size - from);
      const { entries } = await client.audit(worker, { from, limit }, signal);
      // A server that has less than it says ends the walk: the head then says what is missing.
      if (entries.length === 0) break;
      const start = from;
      yield entries.slice(0, limit).map((text, index) => {
        return { kind: "entry", bytes: Buffer.from(text), noted: noted(start + index) } as const;
      });
      from += Math.min(entries.length, limit);
    }
    yield [{ kind: "head", head, line: 1 }];
  }
  return { worker, head, items: items() };
}

/** The hashes of this computer's own log, to name the entry that differs; nothing where there is none. */
export function ownHashes(folder: string): Disposable & { leaf(seq: number): Buffer | null } {
  let opened: number | null = null;
  try {
    opened = fs.openSync(path.join(folder, auditFiles.hashes), "r");
  } catch {
    // Not this user's to read, or there is no worker here.
  }
  return {
    leaf(seq) {
      if (opened === null) return null;
      const hash = Buffer.alloc(hashBytes);
      const read = fs.readSync(opened, hash, 0, hashBytes, storedIndex(0, seq) * hashBytes);
      return read === hashBytes ? hash : null;
    },
    [Symbol.dispose]: () => void (opened !== null && fs.closeSync(opened)),
  };
}
