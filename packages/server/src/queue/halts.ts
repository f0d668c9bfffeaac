// Stops of workers, on the server's side: ordered, delivered, shown. Ending one is the worker's to
// judge; the server only carries the signed word.

import type { Clock } from "@openclaw-worker/base";
import {
  limits,
  newTaskId,
  Problem,
  type Resume,
  type Signature,
  type Stopped,
  type StopOrder,
} from "@openclaw-worker/protocol";
import { randomBytes } from "node:crypto";
import type { Actor } from "../store/action.ts";
import type { Store } from "../store/store.ts";
import type { Mail } from "./mail.ts";
import type { PresenceBook } from "./presence.ts";

export interface HaltsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly mail: Mail;
  readonly presence: PresenceBook;
  /** Wakes the polls of this worker. */
  readonly deliver: (worker: string) => void;
  /** It may be handed tasks again. */
  readonly resumed: (worker: string) => void;
}

export interface ResumeMessage {
  readonly worker: string;
  readonly resume: Resume;
  readonly signature: Signature;
  readonly by: Actor;
}

export interface Halts {
  /** Orders a stop. When it resolves, the order is on disk and on its way. */
  order(worker: string, reason: string, by: Actor): Promise<StopOrder>;
  /** Carries a signed resume. `lifted`: the worker could not be stopped, and is handed tasks again. */
  resume(message: ResumeMessage): Promise<"sent" | "lifted">;
  isOnline(worker: string): boolean;
  /** It speaks our protocol; an old worker cannot be told anything. */
  canHear(worker: string): boolean;
  /** What a worker says of itself with a beat. */
  told(worker: string, stopped: Stopped | null, seen: string | null): Promise<void>;
}

export function createHalts(options: HaltsOptions): Halts {
  const { store, clock, mail, presence } = options;

  return {
    order,
    resume,
    told,
    isOnline: (worker) => presence.isOnline(worker),
    canHear: (worker) => presence.isIntroduced(worker),
  };

  async function order(worker: string, reason: string, by: Actor): Promise<StopOrder> {
    if (!presence.has(worker)) throw new Problem("worker-not-found");
    const at = clock.now();
    const made = { id: newTaskId(at, randomBytes(10)), by: by.name, reason, at };
    await store.orderStop({
      worker,
      order: made,
      action: { by, action: "worker.stop", target: worker, at },
    });
    mail.halt({ worker, order: made, stopped: mail.haltOf(worker)?.stopped ?? null });
    options.deliver(worker);
    return made;
  }

  async function resume(message: ResumeMessage): Promise<"sent" | "lifted"> {
    const { worker, signature, by } = message;
    if (!presence.has(worker)) throw new Problem("worker-not-found");
    if (message.resume.worker !== worker)
      throw new Problem("invalid-request", { line: "resume.worker: must be this worker" });
    const at = clock.now();
    const action = { by, action: "worker.unstop", target: worker, at };
    if (!presence.isIntroduced(worker)) {
      // An old worker knows no stop: the order was this server's alone, and so is its end.
      await store.liftStop(worker, action);
      mail.halt({ worker, order: null, stopped: null });
      options.resumed(worker);
      return "lifted";
    }
    const { stopId, expiresAt } = message.resume;
    if (expiresAt <= at) throw new Problem("invalid-request", { line: "resume: it has expired" });
    const letter = await store.sendResume({
      worker,
      stopId,
      envelope: { type: "resume", resume: message.resume, signature },
      expiresAt,
      at,
      max: limits.envelopesMax,
      action,
    });
    if (letter === null)
      throw new Problem("queue-full", {
        line: `${limits.envelopesMax} resumes of this stop are on their way already.`,
      });
    mail.post(letter);
    options.deliver(worker);
    return "sent";
  }

  async function told(worker: string, stopped: Stopped | null, seen: string | null): Promise<void> {
    const before = mail.haltOf(worker);
    // Beats come often and mostly say what is known.
    const isKnown = JSON.stringify(before?.stopped ?? null) === JSON.stringify(stopped);
    const confirms = before?.order != null && seen !== null && seen >= before.order.id;
    if (isKnown && !confirms) return;
    mail.halt(await store.saveStopped({ worker, stopped, seen, at: clock.now() }));
    if (!mail.isHalted(worker)) options.resumed(worker);
  }
}
