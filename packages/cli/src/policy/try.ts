// `policy test`: what the policy would say, and how it comes to it. Nothing is run.

import { messageOf } from "@openclaw-worker/base";
import { specSchema } from "@openclaw-worker/protocol";
import {
  conclude,
  judge,
  place,
  questionOf,
  type Judgement,
  type Policy,
  type Question,
} from "@openclaw-worker/worker";
import { exitCodes, usageFailure } from "../failure.ts";
import type { Host } from "../host.ts";
import { paintOf } from "../paint.ts";
import { oneLine } from "../table.ts";
import { utf8 } from "../task-flags.ts";
import { openPolicy, type FileFlag, type OpenedPolicy } from "./open.ts";

const subjects = [
  "command",
  "exec",
  "read",
  "write",
  "edit",
  "list",
  "agent",
  "action",
  "domain",
] as const;
type SubjectKind = (typeof subjects)[number];

export interface TestFlags extends FileFlag {
  readonly json?: boolean;
  readonly stdin?: boolean;
  readonly as?: string;
  readonly cwd?: string;
}

/** `allow`: by a rule; `cage`: by the default. */
interface Told {
  readonly decision: "allow" | "cage" | "ask" | "refuse";
  readonly rule: string | null;
  readonly because: string;
}

interface Shown extends Told {
  readonly remedy: string | null;
  readonly trace: readonly string[];
}

/** @throws Failure for a policy that cannot be read, and for what is no question */
export async function testPolicy(
  host: Host,
  texts: readonly string[],
  flags: TestFlags,
): Promise<number> {
  const kind = subjects.find((known) => known === (flags.as ?? "command"));
  if (kind === undefined) {
    throw usageFailure(
      `--as ${flags.as ?? ""} is unknown`,
      `known are ${subjects.join(", ")}`,
      "Leave it away for a shell command.",
    );
  }
  const asked = flags.stdin === true ? [...texts, ...(await lines(host))] : texts;
  if (asked.length === 0) {
    throw usageFailure(
      "Nothing to test",
      "no command is given",
      "openclaw-worker policy test 'git status'",
    );
  }
  const opened = openPolicy(host, flags);
  const paint = paintOf(host, host.stderr);
  for (const trouble of opened.troubles) {
    host.stderr.write(`${paint.yellow("The worker would not start:")} ${trouble}\n`);
  }
  for (const text of asked) {
    const shown = answer(text, kind, { opened, cwd: flags.cwd });
    if (flags.json === true) {
      const { decision, rule, because } = shown;
      host.stdout.write(`${JSON.stringify({ decision, rule, because })}\n`);
    } else show(host, text, shown);
  }
  return exitCodes.ok;
}

/** One JSON text a line, so that a command may hold anything. */
async function lines(host: Host): Promise<readonly string[]> {
  const text = utf8(await host.stdin.readAll(), "standard input");
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    const value = jsonOf(line);
    if (typeof value === "string") return [value];
    throw usageFailure(
      `Line ${index + 1} of standard input is no JSON text`,
      line.slice(0, 100),
      "Write each command as a JSON text in double quotes, one a line.",
    );
  });
}

interface Asking {
  readonly opened: OpenedPolicy;
  readonly cwd: string | undefined;
}

function answer(text: string, kind: SubjectKind, { opened, cwd }: Asking): Shown {
  const { policy, home } = opened;
  const asked = questionFor(text, kind, { policy, home, cwd });
  if (typeof asked === "string") {
    return { decision: "refuse", rule: null, because: asked, remedy: null, trace: [] };
  }
  const judgement = judge(asked, policy);
  return shownOf(judgement, policy);
}

function shownOf(judgement: Judgement, policy: Policy): Shown {
  const { trace } = judgement;
  const decision = conclude(judgement, policy, []);
  if (decision.kind === "allow") {
    const { rule, because } = decision;
    const byRule = judgement.answer === "allow";
    return { decision: byRule ? "allow" : "cage", rule, because, remedy: null, trace };
  }
  const { kind, rule, because, remedy } = decision;
  const byDefault = judgement.answer === "default" ? `default: ${policy.default}` : null;
  return { decision: kind, rule: rule ?? byDefault, because, remedy, trace };
}

interface Where {
  readonly policy: Policy;
  readonly home: string;
  readonly cwd: string | undefined;
}

/** The question that a text is, or in words why it is none. */
function questionFor(text: string, kind: SubjectKind, where: Where): Question | string {
  const { policy, home, cwd } = where;
  if (kind === "domain") return { kind: "domain", domain: text };
  if (kind === "agent") return { kind: "agent", name: text, cwd: policy.roots[0].path };
  const spec = specSchema.safeParse(specOf(text, kind, cwd === undefined ? {} : { cwd }));
  if (!spec.success) {
    return `no such task: ${spec.error.issues[0]?.message ?? "it is not understood"}`;
  }
  const { actions = {} } = policy.book ?? {};
  const placed = place(spec.data, { home, roots: policy.roots, actions });
  return placed.kind === "unrunnable" ? placed.because : questionOf(placed);
}

function specOf(
  text: string,
  kind: Exclude<SubjectKind, "domain" | "agent">,
  where: { readonly cwd?: string },
): unknown {
  switch (kind) {
    case "command":
      return { kind, command: text, ...where };
    case "exec":
      return { kind, argv: jsonOf(text), ...where };
    case "read":
      return { kind: "file-read", path: text };
    case "list":
      return { kind: "file-list", path: text };
    case "write":
      return { kind: "file-write", path: text, content: "" };
    case "edit":
      return { kind: "file-edit", path: text, oldString: "a", newString: "b" };
    case "action": {
      // `backup {"src":"notes"}`
      const [name = "", params] = /^(\S*)(?:\s+([^]*))?$/.exec(text)?.slice(1) ?? [];
      return { kind, action: name, ...(params === undefined ? {} : { params: jsonOf(params) }) };
    }
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    return new Error(messageOf(thrown));
  }
}

function show(host: Host, text: string, shown: Shown): void {
  const paint = paintOf(host, host.stdout);
  const { decision, rule, because, remedy, trace } = shown;
  const colors = { allow: "green", cage: "cyan", ask: "yellow", refuse: "red" } as const;
  const write = (line: string): void => host.stdout.write(`  ${oneLine(line)}\n`);
  host.stdout.write(`${paint[colors[decision]](decision.padEnd(7))} `);
  host.stdout.write(`${oneLine(JSON.stringify(text))}\n`);
  for (const step of trace) write(`· ${step}`);
  if (rule !== null) write(`rule: ${rule}`);
  write(`because: ${because}`);
  if (remedy !== null) write(`to allow it: ${remedy}`);
  if (decision === "ask") write("Nobody can be asked yet (approvals come later): it is refused.");
}
