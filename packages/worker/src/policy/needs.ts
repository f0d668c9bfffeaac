// What a task says that it needs, against what the policy gives. A list that is there narrows; what
// the policy does not give by itself must be allowed by a rule, or a person is asked.
//
// A path below a root stands for the whole root, and one below a folder that a rule opens for that
// folder: a mount of its own in a place that tasks can write would follow a link that a task made.

import type { Needs } from "@openclaw-worker/protocol";
import type { Cage } from "../job.ts";
import { cageOf, type Policy, type Rule } from "./book.ts";
import { narrowPath } from "./narrow.ts";
import { judgeDomain, namedDomains, ownDomains } from "./network.ts";
import { isWithin } from "./paths.ts";
import type { Verdict } from "./question.ts";
import { closedBy, isOutside, reachOf, type FileUse, type Reach } from "./reach.ts";
import type { Surroundings } from "./roots.ts";

/** What a cage is given. All paths are absolute. */
export interface Grant extends Reach {
  /** The roots that it shows. */
  readonly roots: readonly string[];
  /** Those of them that it may only read. */
  readonly readOnly: readonly string[];
  readonly domains: readonly string[];
  /** Ask rules that a person says yes to with this cage: they close nothing in it. */
  readonly granted?: readonly Rule[];
}

export interface NeedsGround {
  readonly policy: Policy;
  readonly around: Surroundings;
}

/** What the policy gives to a task that names no needs. */
export function ownGrant({ policy, around }: NeedsGround): Grant {
  return {
    ...reachOf(policy, around),
    roots: policy.roots.map((root) => root.path),
    readOnly: [],
    domains: ownDomains(policy.book),
  };
}

/** What a task's needs leave of that, or add to it; the verdicts say whether it may have it. */
export function grantFor(
  needs: Needs,
  ground: NeedsGround,
): { readonly grant: Grant; readonly verdicts: readonly Verdict[] } {
  const own = ownGrant(ground);
  const reads = (needs.read ?? []).map((file) => judgePath(file, "read", { ...ground, own }));
  const writes = (needs.write ?? []).map((file) => judgePath(file, "edit", { ...ground, own }));
  const network = (needs.network ?? []).map((domain) => judgeDomain(domain, ground.policy.book));
  return {
    grant: {
      ...placesFor(needs, own, { reads, writes }),
      domains:
        needs.network === undefined ? own.domains : namedDomains(needs.network, ground.policy.book),
    },
    verdicts: [...network, ...[...reads, ...writes].map(({ verdict }) => verdict)].map((verdict) =>
      settled(verdict, ground.policy),
    ),
  };
}

/** The cage with a grant. Domains stand in it only when there are any. */
export function cageWith(policy: Policy, readable: readonly string[], grant: Grant): Cage {
  const { roots, readOnly, domains, writable, granted = [] } = grant;
  const extra = grant.readable.filter((place) => !readable.includes(place));
  return {
    ...cageOf(policy, [...readable, ...extra], granted),
    roots,
    ...(writable.length === 0 ? {} : { writable }),
    ...(readOnly.length === 0 ? {} : { readOnly }),
    ...(domains.length === 0 ? {} : { domains }),
  };
}

/** A path that a task names, and what its cage would show because of it. */
interface Named {
  readonly verdict: Verdict;
  readonly place: string;
}

interface PathGround extends NeedsGround {
  readonly own: Grant;
}

function judgePath(file: string, use: FileUse, { policy, around, own }: PathGround): Named {
  const root = policy.roots.find(({ path }) => isWithin(file, path));
  const tool = use === "read" ? "Read" : "Edit";
  const narrowed =
    policy.book === undefined
      ? null
      : narrowPath(file, use === "read" ? ["Read"] : ["Edit", "Read"], policy.book);
  if (narrowed?.list === "deny") {
    const { rule, because } = narrowed;
    return { place: file, verdict: { answer: "refuse", rules: [rule], because, wanted: [] } };
  }
  const closed = root === undefined ? closedBy(file, use, around) : null;
  if (closed !== null) {
    const because = `${JSON.stringify(file)} ${closed}`;
    const advice = "no rule can: name another place";
    return { place: file, verdict: { answer: "refuse", rules: [], because, wanted: [], advice } };
  }
  const open = use === "read" ? [...own.readable, ...own.writable] : own.writable;
  const place = root?.path ?? open.find((folder) => isWithin(file, folder));
  if (narrowed !== null) {
    const { because, rule } = narrowed;
    const verdict: Verdict = { answer: "ask", rules: [rule], because, wanted: [] };
    return { place: place ?? file, verdict };
  }
  if (place === undefined) {
    const wanted = `${tool}(${file})`;
    const because = `no allow rule opens ${JSON.stringify(file)}, which is outside the roots`;
    return { place: file, verdict: { answer: "default", rules: [], because, wanted: [wanted] } };
  }
  return { place, verdict: given(`${place} is open to tasks`) };
}

function given(because: string): Verdict {
  return { answer: "allow", rules: [], because, wanted: [] };
}

/** What no rule names is refused under the default that runs things: a cage has walls. */
function settled(verdict: Verdict, policy: Policy): Verdict {
  const refused = verdict.answer === "default" && policy.default === "cage";
  return refused ? { ...verdict, answer: "refuse" } : verdict;
}

interface NamedPlaces {
  readonly reads: readonly Named[];
  readonly writes: readonly Named[];
}

function placesFor(
  needs: Needs,
  own: Grant,
  { reads, writes }: NamedPlaces,
): Omit<Grant, "domains"> {
  const written = writes.map(({ place }) => place);
  const seen = [...reads.map(({ place }) => place), ...written];
  const among = (places: readonly string[], named: readonly string[]): readonly string[] =>
    places.filter((place) => named.includes(place));
  const roots = needs.read === undefined ? own.roots : among(own.roots, seen);
  const readOnly = needs.write === undefined ? [] : roots.filter((root) => !written.includes(root));
  // What is open to be written is, where a task does not ask to write it, still open to be read.
  const canWrite = needs.write === undefined ? own.writable : among(own.writable, written);
  const more = (named: readonly string[], known: readonly string[]): readonly string[] =>
    [...new Set(named)].filter((place) => !known.includes(place) && !own.roots.includes(place));
  const writable = [...canWrite, ...more(written, canWrite)].filter(
    (place) => needs.read === undefined || seen.includes(place),
  );
  const canRead =
    needs.read === undefined
      ? [...own.readable, ...own.writable]
      : more(
          reads.map(({ place }) => place),
          [],
        );
  return {
    roots,
    readOnly,
    writable,
    readable: canRead.filter((place) => !writable.includes(place)),
  };
}

/** Whether a folder is, or lies in, or leads to, something that the grant shows. */
export function shows(grant: Grant, folder: string): boolean {
  return [...grant.roots, ...grant.readable, ...grant.writable].some(
    (place) => isWithin(folder, place) || isWithin(place, folder),
  );
}

/** A cage that shows a path outside of the roots to one file task. */
export function withFile(grant: Grant, file: string, use: FileUse, policy: Policy): Grant {
  if (!isOutside(file, policy)) return grant;
  const add = (places: readonly string[]): readonly string[] =>
    places.some((place) => isWithin(file, place)) ? places : [...places, file];
  return use === "read"
    ? { ...grant, readable: add(grant.readable) }
    : { ...grant, writable: add(grant.writable) };
}
