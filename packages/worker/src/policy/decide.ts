import { never } from "@openclaw-worker/base";
import type { Level } from "@openclaw-worker/protocol";
import type { Cage, Placed } from "../job.ts";
import { labelOf, type Policy } from "./book.ts";
import { judge, type Judgement } from "./judge.ts";
import { cageWith } from "./needs.ts";
import type { CommandQuestion } from "./allow.ts";
import type { Question } from "./question.ts";
import type { Surroundings } from "./roots.ts";

/** What the policy says about one placed task. `digest` is the policy's that said it. */
export type Decision =
  | {
      readonly kind: "allow";
      readonly cage: Cage;
      /** It runs outside of the cage: a `host` rule says so. */
      readonly outside?: boolean;
      readonly rule: string;
      readonly digest: string;
      /** Why, when it is not the rule alone. */
      readonly because: string;
    }
  | {
      readonly kind: "ask";
      /** What it would run in after a yes. */
      readonly cage: Cage;
      readonly outside?: boolean;
      /** The rules that ask; null: the default does. */
      readonly rule: string | null;
      /** Whose yes counts; empty: nobody's. */
      readonly trust: readonly Level[];
      readonly because: string;
      readonly remedy: string;
      readonly digest: string;
    }
  | {
      readonly kind: "refuse";
      /** The rules that refuse; null: none allows it. */
      readonly rule: string | null;
      readonly because: string;
      readonly remedy: string;
      readonly digest: string;
    };

/** A task of a kind that this worker runs, with the folder that it starts in. */
export interface Subject {
  readonly placed: Placed;
  readonly cwd: string;
  /** The action that it is, by name. */
  readonly action?: string;
}

/**
 * Decides, and does nothing else: the same task and policy always give the same decision.
 * @param readable absolute real paths that caged tasks may read besides the roots
 * @param around what no rule can open; when it is not given, what the policy itself tells of it
 */
export function decide(
  subject: Subject,
  policy: Policy,
  readable: readonly string[],
  around?: Surroundings,
): Decision {
  return conclude(judge(questionOf(subject), policy, around), policy, readable);
}

/** The question that a task is. */
export function questionOf({ placed, cwd, action }: Subject): Question {
  switch (placed.kind) {
    case "command":
      return { kind: "command", command: placed.command, cwd, ...broughtBy(placed) };
    case "exec":
      return {
        kind: "exec",
        argv: placed.argv,
        cwd,
        action: action ?? null,
        ...broughtBy(placed),
      };
    case "file-read":
    case "file-list":
      return { kind: "read", path: placed.path };
    case "file-write":
      return { kind: "edit", path: placed.path };
    case "file-edit":
      return { kind: "replace", path: placed.path };
    default:
      return never(placed);
  }
}

function broughtBy(task: ProcessTask): Pick<CommandQuestion, "fed" | "hasEnv" | "needs"> {
  const hasEnv = Object.keys(task.env ?? {}).length > 0;
  return { fed: task.stdin !== undefined, hasEnv, needs: task.needs };
}

type ProcessTask = Extract<Placed, { readonly kind: "command" | "exec" }>;

/** What follows from a judgement: the default where no rule spoke, and the words for a person. */
export function conclude(
  judgement: Judgement,
  policy: Policy,
  readable: readonly string[],
): Decision {
  const { answer, because, rules } = judgement;
  const { digest } = policy;
  const { grant, levels: trust } = judgement;
  const granted = answer === "ask" ? { ...grant, granted: rules } : grant;
  const cage = cageWith(policy, readable, granted);
  const outside = judgement.outside === true ? { outside: true } : {};
  const rule = rules.length === 0 ? null : rules.map(labelOf).join(", ");
  const remedy = remedyFor(judgement, policy);
  switch (answer) {
    case "allow":
      return { kind: "allow", cage, ...outside, rule: rule ?? "", because, digest };
    case "ask":
      return { kind: "ask", cage, ...outside, rule, trust, because, remedy, digest };
    case "refuse":
      return { kind: "refuse", rule, because, remedy, digest };
    case "default":
      break;
    default:
      return never(answer);
  }
  const why = policy.book === undefined ? "" : ` (${because})`;
  const byDefault = `default: ${policy.default}${why}`;
  switch (policy.default) {
    case "cage":
      return { kind: "allow", cage, rule: "default: cage", because, digest };
    case "ask":
      return { kind: "ask", cage, rule: null, trust, because: byDefault, remedy, digest };
    case "deny":
      return { kind: "refuse", rule: null, because: byDefault, remedy, digest };
    default:
      return never(policy.default);
  }
}

/** What to write into the policy, for a task that does not run. */
function remedyFor({ answer, rules, wanted, fix, advice }: Judgement, policy: Policy): string {
  if (advice !== undefined) return advice;
  const { source } = policy;
  const here = placeOf(policy);
  const [rule] = rules;
  if (rule !== undefined && answer !== "default") {
    const at = `${source}:${rule.at.line}:${rule.at.column}`;
    if (answer === "refuse")
      return `change ${JSON.stringify(rule.text)} at ${at}, on this computer`;
    if (wanted.length > 0) return addition(wanted, here);
    return `say yes to it (openclaw-worker approvals), or change ${JSON.stringify(rule.text)} at ${at}`;
  }
  if (fix !== undefined) return `${fix} in ${here}`;
  if (wanted.length > 0) return addition(wanted, here);
  return `set "default" to "cage" in ${here}`;
}

/** The file to write into; a policy of roots alone has none yet. */
function placeOf({ book, source }: Policy): string {
  if (book !== undefined || !/^[A-Z_]+$/.test(source)) return `${source}, on this computer`;
  return `a policy file, on this computer (make one: openclaw-worker policy init; now it is ${source})`;
}

function addition(wanted: readonly string[], here: string): string {
  return `add ${wanted.map((text) => JSON.stringify(text)).join(", ")} to rules.allow in ${here}`;
}
