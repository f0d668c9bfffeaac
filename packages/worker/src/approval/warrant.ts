// What the loop asks of this room, and gets an answer to at once or after a person's: whose a task
// is, whether a standing permission covers it, and a yes where one is needed.

import { randomBytes } from "node:crypto";
import { messageOf, type Clock, type Log } from "@openclaw-worker/base";
import {
  envelopeSchema,
  stopOrderSchema,
  type DecisionEnvelope,
  type Task,
} from "@openclaw-worker/protocol";
import type { KeyRing } from "../keys.ts";
import type { Link } from "../link.ts";
import type { Notes } from "../note.ts";
import type { Policy } from "../policy/load.ts";
import type { Slot, Slots } from "../slots.ts";
import type { StopHeard, Stops } from "../stop.ts";
import { askFor, askingOf, type Consent, type Pending } from "./consent.ts";
import { createDesk, type Desk } from "./desk.ts";
import { covers, isInForce } from "./grants.ts";
import type { GrantRecord } from "./record.ts";
import type { ApprovalStore, SpentNonce } from "./store.ts";
import { submitterOf, type Submitter } from "./submitter.ts";
import { createLies, type Lies } from "./lies.ts";
import { createTeller } from "./teller.ts";
import type { LocalGrant } from "./wire.ts";

export interface Warrant {
  readonly desk: Desk;
  submitterOf(task: Task, policy: Policy): Submitter;
  /** The grant that covers it, its use counted; null: a person must be asked. */
  grantFor(pending: Pending): GrantRecord | null;
  askFor(pending: Pending, slot: Slot): Promise<Consent>;
  /** Its nonce is used up for good. Null, or why that cannot be kept. */
  begun(nonce: SpentNonce): string | null;
  grants(): readonly LocalGrant[];
  revokeGrant(id: string): boolean;
  /** Of a poll's answer, unparsed. */
  hearStop(value: unknown): StopHeard;
  /** Says whether one of them changed anything. */
  hearDecisions(values: readonly unknown[]): boolean;
  /** Resolves when the server knows how everything ended, or after `longestMs`. */
  flush(longestMs: number): Promise<void>;
}

export interface WarrantParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly notes: Notes;
  readonly link: Pick<Link, "ask">;
  readonly slots: Slots;
  readonly store: ApprovalStore;
  readonly keys: () => KeyRing;
  readonly stops: Stops;
  readonly policy: () => Policy;
  readonly worker: string;
  readonly labels: readonly string[];
  readonly instance: string;
  /** The home as the user names it. */
  readonly home: string;
  /** Aborted when the worker ends. */
  readonly signal: AbortSignal;
}

/** Withdraws what an earlier process left waiting, and is ready to ask. */
export function openWarrant(parts: WarrantParts): Warrant {
  const { clock, log, notes, store, keys, stops } = parts;
  const teller = createTeller(parts);
  const lies = createLies(log, notes);
  const desk = createDesk({ ...parts, teller, lies });
  const consent = {
    ...parts,
    desk,
    salt: randomBytes(32),
    policyDigest: () => parts.policy().digest,
  };
  const strange = (value: unknown, what: string): void => {
    const data = { type: typeIn(value) };
    lies.tell(what, { what, ...data }, { because: "it is none that a worker understands", data });
  };
  teller.resume();
  return {
    desk,
    submitterOf: (task, policy) =>
      submitterOf(task, {
        keys: keys(),
        policy,
        worker: parts.worker,
        labels: parts.labels,
        now: clock.now(),
        spend: (nonce) => store.spend(nonce),
      }),
    grantFor(pending) {
      const asking = askingOf(pending, parts.home);
      try {
        for (const record of store.grants()) {
          const ground = { keys: keys(), now: clock.now() };
          if (!covers(record, asking, ground) || !store.useGrant(record.id, ground.now)) continue;
          const { id, grant } = record;
          log.info("a grant covers a task", { taskId: pending.task.id, grant: id });
          notes.note("grant", { what: "used", id, rule: grant.rule }, pending.task.id);
          return record;
        }
      } catch (thrown) {
        log.error(`grants cannot be read, so a person is asked: ${messageOf(thrown)}`);
      }
      return null;
    },
    askFor: (pending, slot) => askFor(pending, slot, consent),
    begun({ key, nonce }) {
      try {
        store.begun(key, nonce);
        return null;
      } catch (thrown) {
        return `the nonce of its signature cannot be kept (${messageOf(thrown)})`;
      }
    },
    grants: () => {
      const ground = { keys: keys(), now: clock.now() };
      return store.grants().map((record) => {
        return { ...record, uses: store.usesOf(record.id), inForce: isInForce(record, ground) };
      });
    },
    revokeGrant(id) {
      const revoked = store.revokeGrant(id, clock.now());
      if (revoked) notes.note("grant", { what: "revoked", id });
      return revoked;
    },
    hearStop(value) {
      const order = stopOrderSchema.safeParse(value);
      if (order.success) return stops.order(order.data);
      strange(value, "stop");
      return "nothing";
    },
    hearDecisions(values) {
      const decisions: DecisionEnvelope[] = [];
      let resumed = false;
      for (const value of values) {
        const parsed = envelopeSchema.safeParse(value);
        if (!parsed.success) strange(value, "decision");
        else if (parsed.data.type === "approval") decisions.push(parsed.data);
        else if (hearResume(parsed.data, { stops, lies })) resumed = true;
      }
      return desk.hear(decisions) || resumed;
    },
    flush: (longestMs) => teller.flush(longestMs),
  };
}

interface Resumes {
  readonly stops: Stops;
  readonly lies: Lies;
}

function hearResume(
  envelope: Parameters<Stops["resumeSigned"]>[0],
  { stops, lies }: Resumes,
): boolean {
  const because = stops.resumeSigned(envelope);
  if (because === null) return true;
  const { stopId } = envelope.resume;
  lies.tell("resume", envelope, { because, data: { stopId } });
  return false;
}

/** What it says that it is: of something that nobody parsed, nothing more is looked at. */
function typeIn(value: unknown): string {
  if (typeof value !== "object" || value === null || !("type" in value)) return typeof value;
  return typeof value.type === "string" ? value.type.slice(0, 50) : "object";
}
