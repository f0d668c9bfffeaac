// Which worker may take a task. Distinct selectors are few, so pending tasks are indexed by the
// canonical text of theirs, and a claim looks only at the heads of the selectors it satisfies.
//
//   text = dialect "*"                      anybody
//        | dialect "l:" label ("+" label)*  anybody who has all these labels
//        | dialect "w:" name ("+" label)*   this worker, if it has these labels too
//
// dialect "0": an old worker can run it; "1": only a worker that speaks our protocol.

import { never } from "@openclaw-worker/base";
import { sessionOf, type Spec } from "./task.ts";

export interface Target {
  readonly worker?: string | undefined;
  readonly labels?: readonly string[] | undefined;
  /** A signed task: an old worker would run it without a look at the signature. */
  readonly proof?: unknown;
}

/** Who asks for work. `leased`: speaks our protocol (lease, fence, every kind). */
export interface Claimant {
  readonly name: string;
  readonly labels: readonly string[];
  readonly leased: boolean;
}

/** Workers with this label take only tasks that ask for it by name or label. */
export const cloudLabel = "cloud";

export function selectorOf(target: Target, spec: Spec): string {
  const dialect = target.proof === undefined && oldWorkersCanRun(spec) ? "0" : "1";
  const labels = [...new Set(target.labels ?? [])].sort();
  if (target.worker !== undefined) return [`${dialect}w:${target.worker}`, ...labels].join("+");
  return labels.length === 0 ? `${dialect}*` : `${dialect}l:${labels.join("+")}`;
}

/** The one worker that a selector names, or null. */
export function workerOf(selector: string): string | null {
  return /^.w:([^+]+)/.exec(selector)?.[1] ?? null;
}

/** May this claimant take a task with this selector? */
export function satisfies(claimant: Claimant, selector: string): boolean {
  if (selector.startsWith("1") && !claimant.leased) return false;
  const rest = selector.slice(1);
  if (rest === "*") return !claimant.labels.includes(cloudLabel);
  const [head = "", ...labels] = rest.slice(2).split("+");
  if (rest.startsWith("w:")) return head === claimant.name && hasAll(claimant, labels);
  return hasAll(claimant, [head, ...labels]);
}

function hasAll(claimant: Claimant, labels: readonly string[]): boolean {
  return labels.every((label) => claimant.labels.includes(label));
}

// An old worker knows the guide's kinds and none of the newer fields: it would run without them.
function oldWorkersCanRun(spec: Spec): boolean {
  switch (spec.kind) {
    case "command":
      return [spec.cwd, spec.env, spec.stdin, spec.needs].every((field) => field === undefined);
    case "file-read":
    case "file-write":
    case "file-edit":
      return true;
    case "claude-cli":
    case "codex-cli":
    case "gemini-cli":
      return spec.cwd === undefined && sessionOf(spec) !== null;
    case "exec":
    case "file-list":
    case "agent":
    case "action":
      return false;
    default:
      return never(spec);
  }
}
