// Copies a store into another engine, and proves that the copy is the same.

import { canonicalJson } from "@openclaw-worker/protocol";
import { createHash } from "node:crypto";
import { StoreRefused } from "../refused.ts";
import type { MoveRecord, Vault } from "./record.ts";

export interface Moved {
  readonly kind: "moved" | "same";
  readonly records: number;
  /** SHA-256 in hex over all records, in canonical JSON, a line each. */
  readonly checksum: string;
}

export interface Progress {
  readonly step: "reading" | "copying" | "checking";
  readonly records: number;
}

const batchSize = 500;
const progressEvery = 5_000;

/**
 * Copies everything. Run again it finds the same and changes nothing; after a run that broke off it
 * begins anew. Leases are not copied: whoever holds a task gets a whole one from the new store.
 * @throws StoreRefused when the target holds something else
 */
export async function moveStore(
  from: Vault,
  to: Vault,
  tell: (progress: Progress) => void,
): Promise<Moved> {
  const source = await digestOf(from, (records) => tell({ step: "reading", records }));
  if (!(await to.isHalf())) {
    const found = await digestOf(to, () => {});
    if (found.checksum === source.checksum) return { kind: "same", ...source };
    if (found.records > 0)
      throw new StoreRefused(
        `The target is not empty: it holds ${found.records} other records. Choose an empty one.`,
      );
  }
  await to.begin();
  let copied = 0;
  let batch: MoveRecord[] = [];
  const flush = async (): Promise<void> => {
    await to.put(batch);
    copied += batch.length;
    batch = [];
    if (copied % progressEvery < batchSize) tell({ step: "copying", records: copied });
  };
  for await (const record of from.records()) {
    batch.push(record);
    if (batch.length >= batchSize) await flush();
  }
  await flush();
  const copy = await digestOf(to, (records) => tell({ step: "checking", records }));
  if (copy.checksum !== source.checksum)
    throw new Error(
      `The copy differs from its source (${copy.checksum} is not ${source.checksum}): it is not used. The source is as it was.`,
    );
  await to.finish();
  return { kind: "moved", ...source };
}

async function digestOf(
  vault: Vault,
  tell: (records: number) => void,
): Promise<{ readonly records: number; readonly checksum: string }> {
  const hash = createHash("sha256");
  let records = 0;
  for await (const record of vault.records()) {
    hash.update(`${canonicalJson(record)}\n`);
    records += 1;
    if (records % progressEvery === 0) tell(records);
  }
  tell(records);
  return { records, checksum: hash.digest("hex") };
}
