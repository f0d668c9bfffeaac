// The copies of the workers' audit logs: judged by audit/witness.ts, kept by the store.

import type { Clock, Log } from "@openclaw-worker/base";
import {
  inclusionProof,
  Problem,
  signedCheckpointSchema,
  storedIndex,
  type AuditCopy,
  type AuditPage,
  type AuditProof,
  type SignedCheckpoint,
} from "@openclaw-worker/protocol";
import { z } from "zod";
import { judgeCopy, type Judgement, type Known } from "../audit/witness.ts";
import type { Store } from "../store/store.ts";
import type { PresenceBook } from "./presence.ts";

export interface WitnessOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly presence: PresenceBook;
}

export interface Witness {
  copy(copy: AuditCopy): Promise<{ readonly size: number; readonly alarm: string | null }>;
  page(worker: string, from: number, max: number): Promise<AuditPage>;
  head(worker: string): Promise<SignedCheckpoint>;
  /** That an entry is in the log, as far as the server has it. */
  proof(worker: string, seq: number): Promise<AuditProof>;
}

const knownSchema = z.object({
  head: signedCheckpointSchema,
  frontier: z.object({ size: z.int().nonnegative(), hashes: z.array(z.string()) }),
});
/** Two copies at once are rare; who lost judges again. */
const triesMax = 5;

export function createWitness({ store, clock, log, presence }: WitnessOptions): Witness {
  return {
    copy,
    async page(worker, from, max) {
      const { head, frontier } = await knownOf(worker);
      const entries = await store.auditEntries(worker, from, max);
      return { worker, log: head.checkpoint.log, size: frontier.size, entries, head };
    },
    head: async (worker) => (await knownOf(worker)).head,
    proof,
  };

  async function copy(given: AuditCopy): Promise<{ size: number; alarm: string | null }> {
    const { worker } = given.head.checkpoint;
    if (!presence.has(worker)) throw new Problem("worker-not-found");
    for (let tries = 0; tries < triesMax; tries += 1) {
      const record = await store.witness(worker);
      const known = parseKnown(record?.known ?? null);
      const judged = judge(known, given);
      const isNews = judged.known !== known || judged.alarm !== null;
      const saved = !isNews
        ? "saved"
        : await store.saveWitness({
            ...judged,
            worker,
            version: record?.version ?? 0,
            known: judged.known === known ? null : JSON.stringify(judged.known),
            alarm:
              judged.alarm === null
                ? null
                : { text: judged.alarm, evidence: JSON.stringify(given.head) },
            at: clock.now(),
          });
      if (saved === "raced") continue;
      if (judged.alarm !== null) log.error("audit alarm", { worker, alarm: judged.alarm });
      return { size: judged.size, alarm: judged.alarm };
    }
    throw new Problem("store-unavailable", { line: "Another copy of this log is being taken" });
  }

  /** The key must be the one that the worker introduced itself with first. */
  function judge(known: Known | null, given: AuditCopy): Judgement {
    const key = presence.keyOf(given.head.checkpoint.worker);
    const judged = judgeCopy(known, given);
    if (key === null || key === given.head.publicKey || judged.alarm !== null) return judged;
    return {
      ...judged,
      known,
      size: known?.frontier.size ?? 0,
      entries: [],
      nodes: [],
      alarm: "the head is signed by another key than the worker introduced itself with",
    };
  }

  async function knownOf(worker: string): Promise<Known> {
    const known = parseKnown((await store.witness(worker))?.known ?? null);
    if (known === null)
      throw new Problem(presence.has(worker) ? "audit-not-found" : "worker-not-found");
    return known;
  }

  async function proof(worker: string, seq: number): Promise<AuditProof> {
    const { head, frontier } = await knownOf(worker);
    const [entry] = await store.auditEntries(worker, seq, 1);
    if (entry === undefined || seq >= frontier.size)
      throw new Problem("audit-not-found", {
        line: `No entry ${seq}: the copy has ${frontier.size}`,
      });
    // Which nodes it takes is told by a proof over nodes that are not looked at.
    const places = new Set<number>();
    inclusionProof(seq, frontier.size, (level, index) => {
      places.add(storedIndex(level, index));
      return Buffer.alloc(32);
    });
    const nodes = await store.auditNodes(worker, [...places]);
    const path = inclusionProof(seq, frontier.size, (level, index) => {
      const node = nodes.get(storedIndex(level, index));
      if (node === undefined) throw new Error(`the tree of ${worker} lacks a node`);
      return node;
    });
    return { seq, entry, proof: path.map((node) => node.toString("hex")), head };
  }
}

function parseKnown(text: string | null): Known | null {
  return text === null ? null : knownSchema.parse(JSON.parse(text));
}
