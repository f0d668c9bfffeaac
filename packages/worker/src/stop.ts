// The stop: nothing runs and nothing is taken until a person at this computer, or an enrolled key,
// says otherwise. Anybody may stop the worker; several stops may be in force, each with its own end.
//
//   local, api, budget ──▶ in force until a local resume, or a signed one that names it or a later one
//   file STOP is there  ──▶ in force until the file is gone, and no resume lifts it before

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { messageOf, type Clock, type Log } from "@openclaw-worker/base";
import {
  newTaskId,
  stoppedSchema,
  taskIdSchema,
  verifyDocument,
  type ResumeEnvelope,
  type Stopped,
  type StopOrder,
  type TaskId,
} from "@openclaw-worker/protocol";
import { z } from "zod";
import { replaceFile } from "./durable.ts";
import { findKey, type KeyRing } from "./keys.ts";
import type { Notes } from "./note.ts";
import { watchOr } from "./watching.ts";

/** What an order of the server was for this worker. */
export type StopHeard =
  /** It stopped a worker that worked. */
  | "stopped"
  /** Another stop was in force; or it is no order at all. */
  | "nothing"
  /** It was carried out before: the server has not heard of that. */
  | "again";

export interface Stops extends Disposable {
  /** The newest stop in force, or null: the worker works. */
  readonly current: () => Stopped | null;
  stop(by: "local" | "budget", reason: string): Stopped;
  /** The server's: no signature is needed. One that was carried out before is not applied again. */
  order(order: StopOrder): StopHeard;
  /** The order of the server that was carried out last. */
  readonly seen: () => TaskId | undefined;
  /** Null, or why the worker stays stopped. */
  resumeHere(): string | null;
  /** Null, or why it is refused: then it changes nothing. */
  resumeSigned(envelope: ResumeEnvelope): string | null;
  /** Calls back after every change, with the stops that it lifted, until it is disposed. */
  watch(changed: StopWatcher): Disposable;
}

export type StopWatcher = (stopped: Stopped | null, lifted: readonly Stopped[]) => void;

export interface StopParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly notes: Notes;
  /** Absolute path of the worker's state folder: the stops in force are kept there. */
  readonly stateDir: string;
  /** Absolute path of the file whose presence stops the worker. */
  readonly file: string;
  /** Calls back whenever that file may have come or gone; throws when it cannot be watched. */
  readonly watchFile: (changed: () => void) => Disposable;
  readonly worker: string;
  readonly keys: () => KeyRing;
  /** Spends a nonce: false when it was spent before. Throws when the disk does not take it. */
  readonly spend: (nonce: ResumeNonce) => boolean;
}

export interface ResumeNonce {
  readonly key: string;
  readonly nonce: string;
  readonly subject: string;
  readonly expiresAt: number;
}

const stopsMax = 16;
const handledMax = 1_000;
const ordersToldMax = 100;
const retryMs = 5_000;
const skewMs = 300_000;

const keptSchema = z.strictObject({
  version: z.literal(1),
  stops: z.array(stoppedSchema).max(stopsMax),
  /** Orders of the server that were applied, so that none is applied twice. */
  handled: z.array(taskIdSchema).max(handledMax),
});
type Kept = z.infer<typeof keptSchema>;

/** Takes up the stops that an earlier process left. Never throws: what cannot be read is a stop. */
export function keepStops(parts: StopParts): Stops {
  const { clock, log, notes } = parts;
  const keptFile = path.join(parts.stateDir, "stopped.json");
  const watchers = new Set<StopWatcher>();
  const newStop = (by: string, reason: string): Stopped => {
    const id = newTaskId(clock.now(), randomBytes(10));
    return { id, by, reason, since: clock.now() };
  };

  let kept = read(keptFile, (why) => newStop("local", why));
  let orders = 0;
  let unsaved = false;
  const current = (): Stopped | null => kept.stops.at(-1) ?? null;

  const save = (next: Kept): string | null => {
    try {
      replaceFile(keptFile, JSON.stringify(next));
      unsaved = false;
      return null;
    } catch (thrown) {
      return messageOf(thrown);
    }
  };
  const tell = (lifted: readonly Stopped[] = []): void => {
    for (const changed of watchers) changed(current(), lifted);
  };

  // A stop is in force before it is on the disk; a resume only after.
  const add = (stopped: Stopped, handled: readonly Kept["handled"][number][] = []): Stopped => {
    kept = {
      version: 1,
      stops: [...kept.stops, stopped].slice(-stopsMax),
      handled: [...kept.handled, ...handled].slice(-handledMax),
    };
    tell();
    const { id, by, reason } = stopped;
    // A server may order as many stops as it likes: they are obeyed, and told of a hundred times.
    if (by === "api") orders += 1;
    if (orders <= ordersToldMax || by !== "api") {
      log.warn("stopped: nothing runs, and no task is taken", { by, reason });
      notes.note("stop", { id, by, reason });
    }
    const problem = save(kept);
    if (problem !== null) {
      unsaved = true;
      log.error(`the stop would not survive a restart: ${keptFile} cannot be written (${problem})`);
    }
    return stopped;
  };
  const lift = (stops: readonly Stopped[], by: string): string | null => {
    const rest = { ...kept, stops: kept.stops.filter((stop) => !stops.includes(stop)) };
    const problem = save(rest);
    if (problem !== null) return `${keptFile} cannot be written (${problem})`;
    kept = rest;
    const now = current();
    log.warn(now === null ? "resumed: tasks are taken" : "still stopped", { by });
    notes.note("resume", { by, lifted: stops.map(({ id }) => id), stopped: now !== null });
    tell(stops);
    return null;
  };

  const look = (): void => {
    const found = kept.stops.filter(({ by }) => by === "file");
    const there = existsSync(parts.file);
    if (there && found.length === 0) add(newStop("file", `${parts.file} is there`));
    if (there || found.length === 0) return;
    const problem = lift(found, `${parts.file} was removed`);
    if (problem !== null) log.error(`still stopped: ${problem}`);
  };
  const watching = watchOr(
    () => parts.watchFile(look),
    (why) => log.warn(`the STOP file is looked for every ${retryMs / 1_000} s (${why})`),
  );
  // Where the folder cannot be watched, and while the disk does not take a stop.
  const ticking = clock.every(retryMs, () => {
    if (watching === null) look();
    if (unsaved) save(kept);
  });
  const left = current();
  if (left !== null) {
    const { by, reason, since } = left;
    log.warn("stopped before this start, and still: no task is taken", { by, reason, since });
  }
  look();

  return {
    current,
    stop: (by, reason) => add(newStop(by, reason)),
    order(order) {
      if (kept.handled.includes(order.id)) {
        // It is the one that the server asks about: the next beat names it.
        const rest = kept.handled.filter((id) => id !== order.id);
        kept = { ...kept, handled: [...rest, order.id] };
        return "again";
      }
      const worked = current() === null;
      const reason = `${order.by}: ${order.reason}`.slice(0, 1_000);
      add({ id: order.id, by: "api", reason, since: clock.now() }, [order.id]);
      return worked ? "stopped" : "nothing";
    },
    seen: () => kept.handled.at(-1),
    resumeHere() {
      if (current() === null) return "this worker is not stopped";
      const liftable = kept.stops.filter(({ by }) => by !== "file");
      if (existsSync(parts.file)) {
        const rest = liftable.length === 0 ? null : lift(liftable, "local");
        return rest ?? `${parts.file} is there: remove it with  rm '${parts.file}'`;
      }
      return lift(kept.stops, "local");
    },
    resumeSigned(envelope) {
      const judged = judgeResume(envelope, { ...parts, kept, now: clock.now() });
      if (judged.kind === "refused") return judged.because;
      return lift(judged.stops, judged.by);
    },
    watch(changed) {
      watchers.add(changed);
      return { [Symbol.dispose]: () => void watchers.delete(changed) };
    },
    [Symbol.dispose]() {
      ticking.cancel();
      watching?.[Symbol.dispose]();
    },
  };
}

type JudgedResume =
  | { readonly kind: "resume"; readonly stops: readonly Stopped[]; readonly by: string }
  | { readonly kind: "refused"; readonly because: string };

interface ResumeGround extends Pick<StopParts, "keys" | "spend" | "worker"> {
  readonly kept: Kept;
  readonly now: number;
}

/** Who signed it, and which stops it ends: the one that it names, and those that were there before. */
function judgeResume({ resume, signature }: ResumeEnvelope, ground: ResumeGround): JudgedResume {
  const refused = (because: string): JudgedResume => ({ kind: "refused", because });
  const found = findKey(ground.keys(), signature.key, "approver");
  if (found.kind === "unknown") return refused(`no approver has the key ${signature.key}`);
  if (found.kind === "revoked") return refused(`the key of ${found.name} was revoked`);
  if (!verifyDocument("resume", resume, { signature, key: found.key })) {
    return refused(`the signature of ${found.name} is not over this resume`);
  }
  if (resume.worker !== ground.worker) return refused(`it is for the worker ${resume.worker}`);
  const named = ground.kept.stops.findIndex(({ id }) => id === resume.stopId);
  if (named < 0) return refused("it names no stop that is in force");
  if (resume.expiresAt < ground.now) return refused("it has expired");
  if (resume.issuedAt > ground.now + skewMs) return refused("it was issued in the future");
  const stops = ground.kept.stops.slice(0, named + 1).filter(({ by }) => by !== "file");
  if (stops.length === 0) return refused("only removing the file ends this stop");
  try {
    const { nonce, stopId, expiresAt } = resume;
    if (!ground.spend({ key: `resume ${signature.key}`, nonce, subject: stopId, expiresAt })) {
      return refused("its nonce was used before");
    }
  } catch (thrown) {
    return refused(`its nonce cannot be kept (${messageOf(thrown)})`);
  }
  return { kind: "resume", stops, by: `${found.name} (${signature.key})` };
}

function read(file: string, broken: (why: string) => Stopped): Kept {
  const none: Kept = { version: 1, stops: [], handled: [] };
  try {
    if (!existsSync(file)) return none;
    return keptSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (thrown) {
    const why = `${file} cannot be read (${messageOf(thrown)}), so it is not known whether it is stopped`;
    return { ...none, stops: [broken(why.slice(0, 1_000))] };
  }
}
