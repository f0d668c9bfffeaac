// What somebody asks the policy about: a text of the command line becomes the task or the question
// that it stands for.

import { specSchema } from "@openclaw-worker/protocol";
import {
  place,
  type Policy,
  type Question,
  type Subject,
  type Surroundings,
} from "@openclaw-worker/worker";

export const subjectKinds = [
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
export type SubjectKind = (typeof subjectKinds)[number];

export interface Where {
  readonly policy: Policy;
  /** What `~/` means. */
  readonly home: string;
  /** What no rule can open. */
  readonly around: Surroundings;
  readonly cwd: string | undefined;
  /** What a command says that it needs. */
  readonly needs: unknown;
}

export type Asked =
  | { readonly kind: "task"; readonly subject: Subject }
  /** Of what is no task yet. */
  | { readonly kind: "question"; readonly question: Question }
  | { readonly kind: "none"; readonly because: string };

/** Reads a text as a subject of that kind. For `exec` it is a JSON list, for `action` a name and JSON. */
export function subjectOf(text: string, kind: SubjectKind, where: Where): Asked {
  const { policy, home } = where;
  if (kind === "domain") return { kind: "question", question: { kind, domain: text } };
  if (kind === "agent") {
    return { kind: "question", question: { kind, name: text, cwd: policy.roots[0].path } };
  }
  const spec = specSchema.safeParse(specOf(text, kind, where));
  if (!spec.success) {
    const [issue] = spec.error.issues;
    return { kind: "none", because: `no such task: ${issue?.message ?? "it is not understood"}` };
  }
  const { actions = {} } = policy.book ?? {};
  const placed = place(spec.data, { home, roots: policy.roots, actions });
  return placed.kind === "unrunnable"
    ? { kind: "none", because: placed.because }
    : { kind: "task", subject: placed };
}

function specOf(
  text: string,
  kind: Exclude<SubjectKind, "domain" | "agent">,
  { cwd, needs }: Where,
): unknown {
  const start = {
    ...(cwd === undefined ? {} : { cwd }),
    ...(needs === undefined ? {} : { needs }),
  };
  switch (kind) {
    case "command":
      return { kind, command: text, ...start };
    case "exec":
      return { kind, argv: jsonOf(text), ...start };
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

/** What is no JSON becomes nothing, which no task takes. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
