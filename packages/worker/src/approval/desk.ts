// The one place where a yes comes from. Whatever needs one (a task, a tool of an agent) waits here,
// is shown on every surface, and goes away everywhere when it is decided.
//
//   waiting ──yes──▶ allowed     the first decision that is judged good; a no wins over a yes that
//      │                         came with it
//      ├──no───▶ denied
//      ├──time─▶ expired          nobody answered: that is a no
//      └──task ends, worker stops─▶ withdrawn

import { randomBytes } from "node:crypto";
import { messageOf, type Clock, type Log } from "@openclaw-worker/base";
import {
  newTaskId,
  type ApprovalState,
  type Ask,
  type DecisionEnvelope,
  type Grant,
  type Level,
  type TaskId,
  type Verdict,
} from "@openclaw-worker/protocol";
import type { KeyRing } from "../keys.ts";
import type { Notes } from "../note.ts";
import { createFatigue } from "./fatigue.ts";
import { grantProblem, type Asking } from "./grants.ts";
import { judgeEnvelope, type Asked, type Judged } from "./judge.ts";
import type { Lies } from "./lies.ts";
import { isTooLong, requestOf, type HashedFile, type Matter } from "./request.ts";
import type { ApprovalStore } from "./store.ts";
import type { Teller } from "./teller.ts";

/** What is known about a matter besides what is signed. */
export interface About {
  readonly files: readonly HashedFile[];
  /** Whose yes counts. */
  readonly levels: readonly Level[];
  /** How long a person has, in milliseconds. */
  readonly timeoutMs: number;
  /** The submitter's own words; worth nothing but to be shown as theirs. */
  readonly reason: string | null;
  /** Who signed the task, or null. */
  readonly submitter: string | null;
  /** The task as grants see it; null: no grant can be given. */
  readonly asking: Asking | null;
}

export type Ruling =
  | { readonly kind: "yes"; readonly level: Level; readonly by: string; readonly id: string }
  | { readonly kind: "no"; readonly because: string; readonly id: string | null }
  | { readonly kind: "withdrawn" };

export interface Waiting extends Asked {
  readonly reason: string | null;
  readonly submitter: string | null;
}

export interface LocalDecision {
  readonly approvalId: string;
  /** Of what the person was shown. */
  readonly digest: string;
  readonly verdict: Verdict;
  readonly grant?: Grant | undefined;
}

export interface Desk {
  /** Waits for a person. An aborted signal withdraws the question. Never throws. */
  ask(matter: Matter, about: About, signal: AbortSignal): Promise<Ruling>;
  /** A person at this computer decides. Null, or why it does not count. */
  decide(decision: LocalDecision): string | null;
  /** Decisions that came over the network, all of one message. Says whether one counted. */
  hear(envelopes: readonly DecisionEnvelope[]): boolean;
  /** Oldest first. */
  waiting(): readonly Waiting[];
  /** Calls back whenever something began or ceased to wait, until it is disposed. */
  watch(changed: () => void): Disposable;
}

export interface DeskParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly notes: Notes;
  readonly worker: string;
  readonly instance: string;
  readonly keys: () => KeyRing;
  readonly store: ApprovalStore;
  readonly teller: Teller;
  readonly lies: Lies;
}

interface Entry extends Waiting {
  readonly ask: Ask;
  readonly asking: Asking | null;
  readonly settle: (state: ApprovalState, decidedBy: string, ruling: Ruling) => void;
}

/** How a question ended that waits no more. */
interface Decided {
  readonly end: string;
  readonly wasYes: boolean;
  readonly taskId: TaskId;
}

const decidedMax = 1_000;

export function createDesk(parts: DeskParts): Desk {
  const { clock, log, notes, store, teller } = parts;
  const waiting = new Map<string, Entry>();
  const decided = new Map<string, Decided>();
  const watchers = new Set<() => void>();
  const fatigue = createFatigue(parts);

  const changed = (): void => {
    for (const watcher of watchers) watcher();
  };

  const open = (matter: Matter, about: About): Omit<Entry, "settle"> | string => {
    const askedAt = clock.now();
    const made = requestOf(matter, {
      id: newTaskId(askedAt, randomBytes(10)),
      worker: parts.worker,
      nonce: randomBytes(18).toString("base64url"),
      askedAt,
      expiresAt: askedAt + about.timeoutMs,
      files: about.files,
    });
    if (isTooLong(made)) return "it is too long to be shown to a person";
    const { levels, reason, submitter, asking } = about;
    const ask: Ask = {
      taskId: matter.taskId,
      fence: matter.attempt,
      instance: parts.instance,
      ...made,
      levels: [...levels],
      state: "waiting",
      decidedBy: null,
    };
    try {
      store.beginAsk(ask, submitter);
    } catch (thrown) {
      return `the question cannot be kept (${messageOf(thrown)})`;
    }
    return { ...made, levels, reason, submitter, asking, ask };
  };

  const close = (entry: Entry, state: ApprovalState, decidedBy: string): void => {
    const { id } = entry.request;
    waiting.delete(id);
    const end = `${state}, by ${decidedBy}`;
    decided.set(id, { end, wasYes: state === "allowed", taskId: entry.request.taskId });
    const [oldest] = decided.keys();
    if (decided.size > decidedMax && oldest !== undefined) decided.delete(oldest);
    const ask = { ...entry.ask, state, decidedBy: decidedBy.slice(0, 200) };
    try {
      store.keepAsk(ask);
    } catch (thrown) {
      log.error(`how an approval ended cannot be kept: ${messageOf(thrown)}`);
    }
    teller.tell(ask);
    changed();
  };

  const apply = (entry: Entry, judged: Extract<Judged, { kind: "decision" }>): void => {
    const { request, digest } = entry;
    const { verdict, level, by, key } = judged;
    const { id, taskId } = request;
    log.info("an approval was decided", { taskId, approval: id, verdict, level, by });
    notes.note("approval", { id, digest, verdict, level, by, key }, taskId);
    if (verdict === "deny") {
      entry.settle("denied", `${by} (${level})`, { kind: "no", because: `${by} said no`, id });
    } else {
      entry.settle("allowed", `${by} (${level})`, { kind: "yes", level, by, id });
    }
  };

  /** Null, or why the grant is not given: then the question goes on waiting. */
  const grant = (
    entry: Entry,
    given: Grant,
    from: {
      readonly judged: Extract<Judged, { kind: "decision" }>;
      readonly envelope: DecisionEnvelope | null;
    },
  ): string | null => {
    const { asking, request } = entry;
    if (asking === null) return "no grant can be given for this: say yes once";
    const now = clock.now();
    const problem = grantProblem(given, asking, now);
    if (problem !== null) return `the grant is refused: ${problem}`;
    const { level, by, key } = from.judged;
    const id = newTaskId(now, randomBytes(10));
    const { rule, cage, submitter } = asking;
    const bound = { rule, cage, submitter, envelope: from.envelope, revokedAt: null };
    try {
      const what = { id, grant: given, level, by, key, approvalId: request.id, grantedAt: now };
      store.addGrant({ ...what, ...bound });
    } catch (thrown) {
      return `the grant cannot be kept (${messageOf(thrown)})`;
    }
    notes.note("grant", { what: "given", id, grant: given, level, by, key }, request.taskId);
    return null;
  };

  const lie = (envelope: DecisionEnvelope, because: string): void => {
    const { approvalId, verdict } = envelope.decision;
    const taskId = waiting.get(approvalId)?.request.taskId ?? decided.get(approvalId)?.taskId;
    parts.lies.tell("decision", envelope, { because, data: { approvalId, verdict }, taskId });
  };

  const hearOne = (envelope: DecisionEnvelope): void => {
    const { decision } = envelope;
    const entry = waiting.get(decision.approvalId);
    if (entry === undefined) {
      const over = decided.get(decision.approvalId);
      if (over === undefined) return lie(envelope, "nothing waits by that id");
      // A server sends a decision until it hears of the end: one that says what was decided is no news.
      if (over.wasYes === (decision.verdict !== "deny")) return;
      return lie(envelope, `it is too late: ${over.end}`);
    }
    const judged = judgeEnvelope(envelope, entry, { keys: parts.keys(), now: clock.now() });
    if (judged.kind === "refused") return lie(envelope, judged.because);
    try {
      const { approvalId: subject, nonce, expiresAt } = decision;
      const state = store.spend({ key: `decision ${judged.key ?? ""}`, nonce, subject, expiresAt });
      // A grant that did not fit leaves the question open, and its nonce spent.
      if (state !== "fresh") return lie(envelope, "its nonce was used before");
    } catch (thrown) {
      return lie(envelope, `its nonce cannot be kept (${messageOf(thrown)})`);
    }
    const refused =
      decision.grant === undefined ? null : grant(entry, decision.grant, { judged, envelope });
    if (refused !== null) return lie(envelope, refused);
    apply(entry, judged);
  };

  return {
    async ask(matter, about, signal) {
      const no = (because: string): Ruling => {
        notes.note("refused", { what: "question", because }, matter.taskId);
        return { kind: "no", because, id: null };
      };
      const taken = await fatigue.turn(about.submitter, signal);
      if (typeof taken === "string") return no(taken);
      using turn = taken;
      if (signal.aborted) return { kind: "withdrawn" };
      const opened = open(matter, about);
      turn.asked();
      if (typeof opened === "string") return no(opened);
      const { promise, resolve } = Promise.withResolvers<Ruling>();
      const { id } = opened.request;
      const settle: Entry["settle"] = (state, decidedBy, ruling) => {
        if (!waiting.has(id)) return;
        close(entry, state, decidedBy);
        resolve(ruling);
      };
      const entry: Entry = { ...opened, settle };
      const withdraw = (): void => {
        notes.note(
          "approval",
          { id, verdict: "withdrawn", why: String(signal.reason) },
          matter.taskId,
        );
        settle("withdrawn", String(signal.reason), { kind: "withdrawn" });
      };
      const expire = (): void => {
        notes.note("approval", { id, verdict: "expired" }, matter.taskId);
        const because = `nobody answered within ${Math.round(about.timeoutMs / 1_000)} s`;
        settle("expired", "time", { kind: "no", because, id });
      };
      waiting.set(id, entry);
      const { rule, policyDigest } = matter;
      log.info("a person is asked", { taskId: matter.taskId, approval: id, rule });
      notes.note(
        "asked",
        { id, digest: entry.digest, rule, policyDigest, levels: about.levels },
        matter.taskId,
      );
      teller.tell(entry.ask, () => {
        const because = "it is too large to be shown to a person elsewhere";
        notes.note("approval", { id, verdict: "withdrawn", why: because }, matter.taskId);
        settle("withdrawn", because, { kind: "no", because, id });
      });
      changed();
      using _time = clock.after(about.timeoutMs, expire);
      signal.addEventListener("abort", withdraw, { once: true });
      if (signal.aborted) withdraw();
      const ruling = await promise;
      signal.removeEventListener("abort", withdraw);
      return ruling;
    },
    decide({ approvalId, digest, verdict, grant: given }) {
      const entry = waiting.get(approvalId);
      if (entry === undefined) {
        const over = decided.get(approvalId);
        return over === undefined
          ? "nothing waits by that id"
          : `it was decided already: ${over.end}`;
      }
      if (digest !== entry.digest) return "that is not what waits: the digest differs";
      if (entry.request.expiresAt < clock.now()) return "it has expired";
      if ((verdict === "grant") !== (given !== undefined))
        return "a grant and the verdict grant come together";
      if (verdict !== "deny" && !entry.levels.includes("local"))
        return "the policy does not trust decisions at this computer for this";
      const by = "the person at this computer";
      const judged = { kind: "decision", verdict, level: "local", by, key: null } as const;
      const refused = given === undefined ? null : grant(entry, given, { judged, envelope: null });
      if (refused === null) apply(entry, judged);
      return refused;
    },
    hear(envelopes) {
      const isNo = ({ decision }: DecisionEnvelope): boolean => decision.verdict === "deny";
      const before = waiting.size;
      for (const envelope of envelopes.filter(isNo)) hearOne(envelope);
      for (const envelope of envelopes.filter((one) => !isNo(one))) hearOne(envelope);
      return waiting.size !== before;
    },
    waiting: () => [...waiting.values()],
    watch(watcher) {
      watchers.add(watcher);
      return { [Symbol.dispose]: () => void watchers.delete(watcher) };
    },
  };
}
