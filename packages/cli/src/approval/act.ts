// The approvals commands, over either source.

import { createClient } from "@openclaw-worker/client";
import type { Grant } from "@openclaw-worker/protocol";
import { findConnection } from "../connection.ts";
import { durationText } from "../duration.ts";
import { exitCodes, Failure, usageFailure } from "../failure.ts";
import type { Host } from "../host.ts";
import { needKey } from "../key/own.ts";
import { paintOf } from "../paint.ts";
import { tableText } from "../table.ts";
import { identityOf, type ApprovalFlags, type GrantFlags } from "./flags.ts";
import { followList, liveList, type ApprovalSource, type Choice } from "./live.ts";
import { localSource, needLocal } from "./local.ts";
import { decideRemotely, forged, isHonest, remoteSource, type RemoteOptions } from "./remote.ts";
import { grantOf, suggestedRule, type GrantText } from "./form.ts";
import { approvalText, deedSummary, escaped, type Shown } from "./text.ts";

// A watcher outlives restarts of the server.
const patienceMs = 600_000;

/** The live list on a terminal, and one text for each that comes up elsewhere. */
export async function follow(host: Host, flags: ApprovalFlags): Promise<number> {
  const live = host.stdin.isTerminal && host.stdout.isTerminal && flags.json !== true;
  // Who only looks needs no key; who sits before the list is told now that they cannot decide.
  await using desk = await openDesk(host, flags, { decides: live });
  if (live) return await liveList(host, desk.source);
  return await followList(host, desk.source, { json: flags.json === true });
}

export async function list(host: Host, flags: ApprovalFlags): Promise<number> {
  await using desk = await openDesk(host, flags, { decides: false });
  const waiting = await desk.waiting();
  if (flags.json === true) host.stdout.write(`${JSON.stringify(waiting, null, 2)}\n`);
  else if (waiting.length === 0) host.stderr.write("Nothing waits for your yes.\n");
  else {
    const now = host.clock.now();
    const rows = waiting.map(({ request }) => [
      request.id,
      escaped(request.worker),
      durationText(Math.max(0, request.expiresAt - now)),
      deedSummary(request.deed, 200),
    ]);
    const width = host.stdout.isTerminal ? host.stdout.columns : 400;
    host.stdout.write(tableText([["ID", "WORKER", "ENDS IN", "WHAT"], ...rows], width));
  }
  return exitCodes.ok;
}

export async function show(host: Host, id: string, flags: ApprovalFlags): Promise<number> {
  await using desk = await openDesk(host, flags, { decides: false });
  const shown = oneOf(await desk.waiting(), id);
  const text = approvalText(shown, { now: host.clock.now(), paint: paintOf(host, host.stdout) });
  host.stdout.write(flags.json === true ? `${JSON.stringify(shown, null, 2)}\n` : text);
  return exitCodes.ok;
}

export interface Deciding {
  readonly choice: Choice;
  readonly flags: ApprovalFlags;
}

export async function decide(host: Host, id: string, deciding: Deciding): Promise<number> {
  const { choice, flags } = deciding;
  await using desk = await openDesk(host, flags, { decides: true });
  const shown = oneOf(await desk.waiting(), id);
  return tell(host, flags, { shown, told: await desk.source.decide(shown, choice) });
}

export async function grant(host: Host, id: string, flags: GrantFlags): Promise<number> {
  const { runs = "", perHour = "" } = flags;
  const bounds = { for: flags.for, runs, perHour };
  const asked = { ...bounds, rule: flags.rule ?? "what waits" };
  needGrant(asked, host);
  await using desk = await openDesk(host, flags, { decides: true });
  const shown = oneOf(await desk.waiting(), id);
  const rule = flags.rule ?? suggestedRule(shown.request);
  if (rule === null) {
    throw usageFailure(
      "For this kind there is no standing permission",
      "no rule can name exactly this",
      `Allow it once: openclaw-worker approvals allow ${shown.request.id}`,
    );
  }
  const given = needGrant({ ...bounds, rule }, host);
  const told = await desk.source.decide(shown, { verdict: "grant", grant: given });
  return tell(host, flags, { shown, told });
}

/** @throws Failure for a rule, a time or a number that is none */
function needGrant(text: GrantText, host: Host): Grant {
  const given = grantOf(text, host.clock.now());
  if (typeof given !== "string") return given;
  throw usageFailure("That permission cannot be given", given, "See --help for examples.");
}

function tell(
  host: Host,
  flags: ApprovalFlags,
  { shown, told }: { readonly shown: Shown; readonly told: string },
): number {
  const ok = /^(?:Allowed|Denied)/.test(told);
  const { id } = shown.request;
  const text = `${told}: ${deedSummary(shown.request.deed, 200)}\n`;
  if (flags.json === true) host.stdout.write(`${JSON.stringify({ id, ok, told })}\n`);
  else (ok ? host.stdout : host.stderr).write(text);
  return ok ? exitCodes.ok : exitCodes.failed;
}

interface Desk extends AsyncDisposable {
  readonly source: ApprovalSource;
  waiting(): Promise<readonly Shown[]>;
}

interface Use {
  /** Whether it needs the key to sign with. */
  readonly decides: boolean;
}

async function openDesk(host: Host, flags: ApprovalFlags, { decides }: Use): Promise<Desk> {
  if (flags.remote !== true) {
    const local = await needLocal(host, "openclaw-worker approvals watch");
    return {
      source: localSource(local),
      waiting: async () => (await local.list()).approvals,
      [Symbol.asyncDispose]: async () => local[Symbol.dispose](),
    };
  }
  const key = decides ? needKey(host, identityOf(host, flags)) : null;
  const connection = findConnection(host, flags);
  const client = createClient({ ...connection, clock: host.clock, patienceMs });
  const options: RemoteOptions = { host, client, key };
  return {
    source: remoteOnce(options),
    async waiting() {
      const { approvals } = await client.approvals({ state: "waiting", limit: 200 }, host.signal);
      const wrong = approvals.find((approval) => !isHonest(approval));
      if (wrong !== undefined) throw forged(wrong);
      return approvals.map(({ request, digest, reason }) => ({ request, digest, reason }));
    },
    [Symbol.asyncDispose]: async () => client.close(),
  };
}

/** The watching source, which also decides what it has not watched. */
function remoteOnce(options: RemoteOptions): ApprovalSource {
  return {
    watch: (signal) => remoteSource(options).watch(signal),
    async decide(shown, choice) {
      const { client, host } = options;
      const approval = await client.approval(shown.request.id, host.signal);
      return await decideRemotely(options, { approval, shown, choice });
    },
  };
}

function oneOf(waiting: readonly Shown[], id: string): Shown {
  const found = waiting.filter(({ request }) => request.id.startsWith(id.toLowerCase()));
  const [one] = found;
  if (one !== undefined && found.length === 1) return one;
  const none = `nothing that waits begins with ${JSON.stringify(id)}: it was decided, its time is over, or it never was`;
  throw new Failure(found.length === 0 ? "No such approval waits" : "More than one fits", {
    why:
      found.length === 0
        ? none
        : `${found.length} of ${waiting.length} that wait begin with ${JSON.stringify(id)}`,
    remedy: "See what waits: openclaw-worker approvals list",
  });
}
