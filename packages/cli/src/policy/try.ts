// `policy test`: what the policy would say, and how it comes to it. Nothing is run.

import {
  conclude,
  decide,
  judge,
  policyFor,
  questionOf,
  type Decision,
  type Policy,
} from "@openclaw-worker/worker";
import { exitCodes, usageFailure } from "../failure.ts";
import type { Host } from "../host.ts";
import { paintOf } from "../paint.ts";
import { oneLine } from "../table.ts";
import { readLines } from "./lines.ts";
import { openPolicy, type FileFlag } from "./open.ts";
import { jsonOf, subjectKinds, subjectOf, type SubjectKind, type Where } from "./subject.ts";

export interface TestFlags extends FileFlag {
  readonly json?: boolean;
  readonly stdin?: boolean;
  readonly as?: string;
  readonly cwd?: string;
  readonly needs?: string;
  readonly submitter?: string;
}

/** `allow`: by a rule; `cage`: by the default. */
interface Told {
  readonly decision: "allow" | "cage" | "ask" | "refuse";
  readonly rule: string | null;
  readonly because: string;
}

/**
 * Answers for each text, then for each line of standard input when the flag says so, in their order.
 * @returns 2 when a line of standard input was none, else 0 whatever the policy says
 * @throws Failure for a policy that cannot be read, and for what is no question
 */
export async function testPolicy(
  host: Host,
  texts: readonly string[],
  flags: TestFlags,
): Promise<number> {
  const kind = kindOf(flags);
  const needs = needsOf(flags);
  if (flags.stdin === true && host.stdin.isTerminal) {
    throw usageFailure(
      "--stdin needs something to read",
      "standard input is the terminal",
      `printf '%s\\n' '"git status"' | openclaw-worker policy test --stdin`,
    );
  }
  if (texts.length === 0 && flags.stdin !== true) {
    throw usageFailure(
      "Nothing to test",
      "no command is given",
      "openclaw-worker policy test 'git status'",
    );
  }
  const { policy, home, around, troubles } = openPolicy(host, flags);
  const paint = paintOf(host, host.stderr);
  for (const trouble of troubles) {
    host.stderr.write(`${paint.yellow("The worker would not start:")} ${trouble}\n`);
  }
  const forWhom = policyFor(policy, flags.submitter ?? null);
  const where: Where = { policy: forWhom, home, around, cwd: flags.cwd, needs };
  const asking: Asking = { host, kind, where, json: flags.json === true };
  for (const text of texts) tell(text, asking);
  return flags.stdin === true ? await tellLines(asking) : exitCodes.ok;
}

interface Asking {
  readonly host: Host;
  readonly kind: SubjectKind;
  readonly where: Where;
  readonly json: boolean;
}

function kindOf(flags: TestFlags): SubjectKind {
  const kind = subjectKinds.find((known) => known === (flags.as ?? "command"));
  if (kind !== undefined) return kind;
  throw usageFailure(
    `--as ${flags.as ?? ""} is unknown`,
    `known are ${subjectKinds.join(", ")}`,
    "Leave it away for a shell command.",
  );
}

function needsOf(flags: TestFlags): unknown {
  if (flags.needs === undefined) return undefined;
  const needs = jsonOf(flags.needs);
  if (typeof needs === "object" && needs !== null) return needs;
  throw usageFailure(
    "--needs is no JSON object",
    flags.needs.slice(0, 100),
    `Write it like --needs '{"network":["example.com"]}'.`,
  );
}

async function tellLines(asking: Asking): Promise<number> {
  const { host, kind, json } = asking;
  let code: number = exitCodes.ok;
  for await (const line of readLines(host.stdin.chunks())) {
    const text = line.kind === "value" ? textOf(line.value, kind) : null;
    if (text !== null) tell(text, asking);
    else {
      code = exitCodes.usage;
      const why = line.kind === "broken" ? line.because : `it is no text, as ${kind} needs`;
      const because = `line ${line.at} of standard input is not understood: ${why}`;
      // Whoever reads only the decision takes the careful one.
      const told = { decision: "refuse", rule: null, because, error: true };
      if (json) host.stdout.write(`${JSON.stringify(told)}\n`);
      else host.stdout.write(`${paintOf(host, host.stdout).red("error")}   ${oneLine(because)}\n`);
    }
    await host.stdout.drained();
  }
  return code;
}

/** The line's text; an argv may stand as the list that it is. */
function textOf(value: unknown, kind: SubjectKind): string | null {
  if (typeof value === "string") return value;
  return kind === "exec" && Array.isArray(value) ? JSON.stringify(value) : null;
}

function tell(text: string, { host, kind, where, json }: Asking): void {
  const asked = subjectOf(text, kind, where);
  const { policy, around } = where;
  if (asked.kind === "none") {
    const told: Told = { decision: "refuse", rule: null, because: asked.because };
    if (json) host.stdout.write(`${JSON.stringify(told)}\n`);
    else show(host, text, { told, lines: [] });
    return;
  }
  const decision =
    asked.kind === "task"
      ? decide(asked.subject, policy, [], around)
      : conclude(judge(asked.question, policy, around), policy, []);
  const told = toldOf(decision, policy);
  if (json) {
    host.stdout.write(`${JSON.stringify(told)}\n`);
    return;
  }
  const question = asked.kind === "task" ? questionOf(asked.subject) : asked.question;
  const { trace } = judge(question, policy, around);
  show(host, text, { told, lines: trace, decision });
}

function toldOf(decision: Decision, policy: Policy): Told {
  const { kind, because } = decision;
  const byDefault = `default: ${policy.default}`;
  if (kind === "allow") {
    const { rule } = decision;
    return { decision: rule === byDefault ? "cage" : "allow", rule, because };
  }
  const rule = decision.rule ?? (because.startsWith(byDefault) ? byDefault : null);
  return { decision: kind, rule, because };
}

interface Showing {
  readonly told: Told;
  /** How it came about. */
  readonly lines: readonly string[];
  /** Absent: there is no such task. */
  readonly decision?: Decision;
}

function show(host: Host, text: string, { told, lines, decision }: Showing): void {
  const paint = paintOf(host, host.stdout);
  const colors = { allow: "green", cage: "cyan", ask: "yellow", refuse: "red" } as const;
  const write = (line: string): void => host.stdout.write(`  ${oneLine(line)}\n`);
  host.stdout.write(`${paint[colors[told.decision]](told.decision.padEnd(7))} `);
  host.stdout.write(`${oneLine(JSON.stringify(text))}\n`);
  for (const step of lines) write(`· ${step}`);
  if (told.rule !== null) write(`rule: ${told.rule}`);
  write(`because: ${told.because}`);
  if (decision === undefined) return;
  if (decision.kind !== "refuse") write(`it would run: ${placeText(decision)}`);
  if (decision.kind !== "allow") write(`to allow it: ${decision.remedy}`);
  if (decision.kind === "ask") {
    write("A person is asked: openclaw-worker approvals. Without a yes it is refused.");
  }
}

/** In words, what a task would have. */
function placeText(decision: Exclude<Decision, { kind: "refuse" }>): string {
  if (decision.outside === true) return "outside of the cage, with all that its user may do";
  const { writable = [], readOnly = [], readable, domains = [] } = decision.cage;
  const parts = [
    "in the cage",
    domains.length === 0 ? "without network" : `with network to ${domains.join(", ")}`,
    ...(writable.length === 0 ? [] : [`writing also ${writable.join(", ")}`]),
    ...(readable.length === 0 ? [] : [`reading also ${readable.join(", ")}`]),
    ...(readOnly.length === 0 ? [] : [`only reading ${readOnly.join(", ")}`]),
  ];
  return parts.join(", ");
}
