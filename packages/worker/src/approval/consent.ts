// From a question to a yes that still holds: a person was asked, a slot is free, the policy is the one
// that asked, and the files are what they were when the person looked.

import { abortable, type Clock } from "@openclaw-worker/base";
import type { Task } from "@openclaw-worker/protocol";
import type { Decision, Subject } from "../policy/decide.ts";
import type { Policy } from "../policy/load.ts";
import type { Notes } from "../note.ts";
import type { Slot, Slots } from "../slots.ts";
import type { Desk } from "./desk.ts";
import { hashFiles, type Hashed, type HashGround } from "./files.ts";
import type { Asking } from "./grants.ts";
import { filesNamed } from "./named.ts";
import { broughtBy, cageShown, deedOf, type HashedFile } from "./request.ts";

/** A decision that asks. */
export type AskDecision = Extract<Decision, { readonly kind: "ask" }>;

/** A placed task that asks. */
export interface Pending {
  readonly task: Task;
  readonly subject: Subject;
  readonly decision: AskDecision;
  /** As it judges this submitter's tasks. */
  readonly policy: Policy;
  readonly submitter: string | null;
}

export type Consent =
  /** It has a slot. `isFresh` says whether the files are still the same, at the last moment. */
  | { readonly kind: "yes"; readonly isFresh: () => Promise<boolean> }
  | { readonly kind: "no"; readonly because: string }
  /** The policy has changed meanwhile: it decides anew. */
  | { readonly kind: "anew" }
  /** The task's signal was aborted. */
  | { readonly kind: "ended" };

export interface ConsentParts {
  readonly clock: Clock;
  readonly notes: Notes;
  readonly desk: Desk;
  readonly slots: Slots;
  /** The home as the user names it. */
  readonly home: string;
  /** Random bytes of this worker alone, for the hashes of files that rules guard. */
  readonly salt: Buffer;
  /** The digest of the policy that is in force. */
  readonly policyDigest: () => string;
}

const timeoutMsDefault = 600_000;
/** Files that change each time somebody looks are not asked about for ever. */
const changesMax = 3;

/** Asks until there is an answer that holds. */
export async function askFor(pending: Pending, slot: Slot, parts: ConsentParts): Promise<Consent> {
  const { decision, subject } = pending;
  const { approvals = {} } = pending.policy.book ?? {};
  const levels = decision.trust;
  if (levels.length === 0) {
    return { kind: "no", because: "nobody's yes is trusted by all the rules that ask" };
  }
  const names = filesNamed(subject.placed, subject.cwd, parts.home);
  const timeoutMs = approvals.timeoutMs ?? timeoutMsDefault;
  const guarded = pending.policy.book?.denyRead ?? [];
  const hashed = (signal: AbortSignal): Promise<Hashed> =>
    hash(names, { cage: decision.cage, guarded, salt: parts.salt, signal });
  for (let changes = 0; changes <= changesMax;) {
    const signal = AbortSignal.any([slot.signal, slot.renumbered]);
    const before = await hashed(signal);
    if (slot.signal.aborted) return { kind: "ended" };
    // Another attempt's number: what a person says yes to carries the new one.
    if (signal.aborted) continue;
    if (before.kind === "refused") return { kind: "no", because: before.because };
    const ruling = await parts.desk.ask(
      matterOf(pending, slot.fence),
      {
        files: before.files,
        levels,
        timeoutMs,
        reason: pending.task.reason ?? null,
        submitter: pending.submitter,
        asking: askingOf(pending, parts.home),
      },
      signal,
    );
    if (slot.signal.aborted) return { kind: "ended" };
    if (ruling.kind === "withdrawn") continue;
    if (ruling.kind === "no") return { kind: "no", because: ruling.because };
    await parts.slots.seat(slot, () => parts.clock.monotonic());
    const isFresh = async (): Promise<boolean> => areSame(before.files, await hashed(slot.signal));
    const fresh = await isFresh();
    if (slot.signal.aborted) return { kind: "ended" };
    if (parts.policyDigest() !== decision.digest) {
      parts.slots.stand(slot);
      return { kind: "anew" };
    }
    if (fresh && !signal.aborted) return { kind: "yes", isFresh };
    parts.slots.stand(slot);
    if (signal.aborted) continue;
    changes += 1;
    const because = "a file changed after the yes: asked anew";
    parts.notes.note("refused", { what: "approval", id: ruling.id, because }, pending.task.id);
  }
  return { kind: "no", because: "the files that it runs change while a person looks at them" };
}

/** The task as grants see it. */
export function askingOf({ subject, policy, decision, submitter }: Pending, home: string): Asking {
  const { rule, cage, outside = false, trust: levels } = decision;
  return { subject, policy, home, rule, levels, cage: cageShown(cage, outside), submitter };
}

function matterOf({ task, subject, decision }: Pending, fence: number) {
  const { placed, cwd } = subject;
  return {
    taskId: task.id,
    attempt: fence,
    deed: deedOf(placed),
    cwd,
    ...broughtBy(placed),
    cage: decision.cage,
    outside: decision.outside === true,
    rule: decision.rule,
    policyDigest: decision.digest,
  };
}

async function hash(names: readonly string[], ground: HashGround): Promise<Hashed> {
  const interrupted: Hashed = { kind: "refused", because: "it was interrupted" };
  return abortable(hashFiles(names, ground), ground.signal).catch(() => interrupted);
}

function areSame(before: readonly HashedFile[], after: Hashed): boolean {
  return after.kind === "files" && JSON.stringify(after.files) === JSON.stringify(before);
}
