// Approvals of workers elsewhere, through the server, signed with this user's key. The server only
// carries them: what is shown is what the digest says, and the worker takes a yes for that alone.

import type { Client } from "@openclaw-worker/client";
import {
  digestOf,
  type Approval,
  type ApprovalState,
  type PrivateKey,
} from "@openclaw-worker/protocol";
import { Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import type { ApprovalSource, Choice } from "./live.ts";
import type { Shown } from "./text.ts";

export interface RemoteOptions {
  readonly host: Host;
  readonly client: Client;
  /** Null: this user only looks. */
  readonly key: PrivateKey | null;
}

const waitMs = 50_000;
/** How long a decision's end is waited for: the worker says itself what it made of it. */
const answerMs = 10_000;
const lookMs = 100;

export function remoteSource({ host, client, key }: RemoteOptions): ApprovalSource {
  const known = new Map<string, Approval>();
  return {
    async *watch(signal) {
      let after: string | undefined;
      while (!signal.aborted) {
        const query = after === undefined ? {} : { after, waitMs };
        const list = await client.approvals({ ...query, limit: 200 }, signal);
        for (const approval of list.approvals) keep(known, approval);
        after = list.cursor;
        yield [...known.values()].map(shownOf);
      }
    },
    async decide(shown, choice) {
      const approval = known.get(shown.request.id);
      if (approval === undefined) return "It does not wait any more";
      return await decideRemotely({ host, client, key }, { approval, shown, choice });
    },
  };
}

export interface RemoteDecision {
  readonly approval: Approval;
  /** What the person saw: the server may have put something else in its place since. */
  readonly shown: Shown;
  readonly choice: Choice;
}

/** Signs and sends a decision; resolves with a sentence about what the worker made of it. */
export async function decideRemotely(
  { host, client, key }: RemoteOptions,
  { approval, shown, choice }: RemoteDecision,
): Promise<string> {
  if (!isHonest(approval) || approval.digest !== shown.digest) throw forged(approval);
  if (key === null) return "There is no key to sign with";
  const { verdict, grant } = choice;
  const signed = { verdict, key, ...(grant === null ? {} : { grant }) };
  let state: ApprovalState = await client.decide(approval, signed, host.signal);
  const until = host.clock.monotonic() + answerMs;
  while (state === "waiting" && host.clock.monotonic() < until) {
    await host.clock.sleep(lookMs, host.signal);
    ({ state } = await client.approval(approval.id, host.signal));
  }
  if (state === "waiting") {
    return "Sent; the worker has not taken it yet (is your key enrolled there as approver?)";
  }
  return sentences[state];
}

const sentences: Readonly<Record<Exclude<ApprovalState, "waiting">, string>> = {
  allowed: "Allowed",
  denied: "Denied",
  expired: "Too late: the time to answer was over",
  withdrawn: "The task was withdrawn meanwhile",
};

/** What is shown must be what is signed. */
export function isHonest({ id, request, digest }: Approval): boolean {
  return request.id === id && digestOf(request) === digest;
}

export function forged({ id }: Approval): Failure {
  return new Failure("The server's copy of this approval is wrong", {
    why: `the digest of ${id} is not that of what would be shown`,
    remedy:
      "Decide at the worker's computer (openclaw-worker approvals), and distrust this server.",
  });
}

function keep(known: Map<string, Approval>, approval: Approval): void {
  if (approval.state !== "waiting") known.delete(approval.id);
  else if (isHonest(approval)) known.set(approval.id, approval);
}

function shownOf({ request, digest, reason }: Approval): Shown {
  return { request, digest, reason };
}
