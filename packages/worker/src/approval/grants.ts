// Standing permissions. A grant is a rule that somebody added with a yes, and narrower than one of
// the policy: it answers one rule's question, for tasks that may touch nothing more than the one
// that was asked about, as often and as long as it says. A deny rule wins over every grant, because
// only what is asked about is looked up here.

import { messageOf } from "@openclaw-worker/base";
import type { ApprovalRequest, Grant, Level } from "@openclaw-worker/protocol";
import { findKey, type KeyRing } from "../keys.ts";
import { questionOf, type Subject } from "../policy/decide.ts";
import { judge } from "../policy/judge.ts";
import { policyOf, type Policy } from "../policy/load.ts";
import { parsePolicy } from "../policy/parse.ts";
import { isWithin } from "../policy/paths.ts";
import { runsOthers } from "../policy/programs.ts";
import { parseRule } from "../policy/rule.ts";
import type { GrantRecord } from "./record.ts";

/** A task that asks, as grants see it. */
export interface Asking {
  readonly subject: Subject;
  readonly policy: Policy;
  /** The home as the user names it. */
  readonly home: string;
  readonly rule: string | null;
  /** Whose yes counts. */
  readonly levels: readonly Level[];
  readonly cage: ApprovalRequest["cage"];
  readonly submitter: string | null;
}

/** A grant lasts this long at most. */
const lifeMsMax = 366 * 86_400_000;

/** Why a grant cannot be given for what was asked, or null when it can. */
export function grantProblem(grant: Grant, asking: Asking, now: number): string | null {
  if (grant.expiresAt <= now) return "it has expired already";
  if (grant.expiresAt > now + lifeMsMax) return "it may last 366 days at most";
  if (!startsIn(grant.roots, asking.subject)) return "the task does not start in its folders";
  return ruleProblem(grant.rule, asking);
}

/** Does the grant, which is in force, answer this question? Its budget is the store's to count. */
export function covers(record: GrantRecord, asking: Asking, by: GrantGround): boolean {
  const { grant } = record;
  return (
    isInForce(record, by) &&
    record.rule === asking.rule &&
    // A policy that trusts less than it did takes the grants with it.
    asking.levels.includes(record.level) &&
    (record.submitter === null || record.submitter === asking.submitter) &&
    startsIn(grant.roots, asking.subject) &&
    isNoWider(asking.cage, record.cage) &&
    ruleProblem(grant.rule, asking) === null
  );
}

export interface GrantGround {
  readonly keys: KeyRing;
  readonly now: number;
}

/** A grant ends by its time, when it is revoked, and with the key that signed it. */
export function isInForce(record: GrantRecord, { keys, now }: GrantGround): boolean {
  if (record.revokedAt !== null || record.grant.expiresAt <= now) return false;
  return record.key === null || findKey(keys, record.key, "approver").kind === "key";
}

/** Why the rule may not be granted, or does not allow this task; null when it does. */
function ruleProblem(rule: string, { subject, policy, home }: Asking): string | null {
  try {
    const { roots } = policy;
    const target = parseRule(rule);
    if (target.tool === "Bash" || target.tool === "Exec") {
      const [first] = target.tokens;
      if (first?.kind !== "word") return "a grant names a program";
      if (runsOthers(first.text)) {
        return `${first.text} runs other programs: it is asked about every time`;
      }
      // A task could write another program into its place.
      if (first.text.includes("/")) return "a grant names a program without its folder";
    }
    const file = {
      roots: roots.map(({ path }) => path),
      default: "deny",
      rules: { allow: [rule] },
    };
    const wish = parsePolicy(JSON.stringify(file));
    const alone = policyOf(wish, { source: "the grant", roots, homes: [home] });
    const { answer, because } = judge(questionOf(withoutNeeds(subject)), alone);
    return answer === "allow" ? null : `${rule} does not allow this task (${because})`;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

// What a task needs besides was asked about, and is compared as its cage.
function withoutNeeds(subject: Subject): Subject {
  const { placed } = subject;
  if (placed.kind !== "command" && placed.kind !== "exec") return subject;
  const { needs: _, ...bare } = placed;
  return { ...subject, placed: bare };
}

function startsIn(roots: readonly string[] | undefined, { placed, cwd }: Subject): boolean {
  const place = "path" in placed ? placed.path : cwd;
  return roots === undefined || roots.some((root) => isWithin(place, root));
}

function isNoWider(asked: Asking["cage"], granted: Asking["cage"]): boolean {
  const within = (names: readonly string[], folders: readonly string[]): boolean =>
    names.every((name) => folders.some((folder) => isWithin(name, folder)));
  return (
    (granted.outside || !asked.outside) &&
    within(asked.write, granted.write) &&
    within(asked.read, [...granted.read, ...granted.write]) &&
    asked.domains.every((domain) => granted.domains.includes(domain))
  );
}
