// What a standing permission is made of: the rule that a deed suggests, and the form on the screen in
// which a person edits it.

import { never } from "@openclaw-worker/base";
import type { ApprovalRequest, Grant } from "@openclaw-worker/protocol";
import { parseDuration } from "../duration.ts";
import type { Paint } from "../paint.ts";
import { escaped } from "./text.ts";

export interface GrantText {
  readonly rule: string;
  /** How long it holds, as `30d`. */
  readonly for: string;
  readonly runs: string;
  readonly perHour: string;
}

export interface GrantForm {
  readonly field: Field;
  readonly values: GrantText;
}

const fields = ["rule", "for", "runs", "perHour"] as const;
type Field = (typeof fields)[number] & keyof GrantText;
const questions: Readonly<Record<Field, string>> = {
  rule: "Allow by this rule",
  for: "for how long (30m, 12h, 30d)",
  runs: "at most so many times (empty: no limit)",
  perHour: "at most so many an hour (empty: no limit)",
};

/** What a key made of the form: it goes on, it was left, or all of it is said. */
export type FormStep =
  | { readonly kind: "form"; readonly form: GrantForm }
  | { readonly kind: "left" }
  | { readonly kind: "said"; readonly text: GrantText };

/** The form with what the deed suggests; null: there is no standing permission for it. */
export function grantForm(request: ApprovalRequest): GrantForm | null {
  const rule = suggestedRule(request);
  if (rule === null) return null;
  return { field: "rule", values: { rule, for: "30d", runs: "", perHour: "" } };
}

/** One key of a terminal in raw mode. */
export function typeInto({ field, values }: GrantForm, key: string): FormStep {
  const put = (text: string): FormStep => ({
    kind: "form",
    form: { field, values: { ...values, [field]: text } },
  });
  if (key === "\u001B") return { kind: "left" };
  if (key === "\u007F" || key === "\b") return put(Array.from(values[field]).slice(0, -1).join(""));
  if (key === "\u0015") return put("");
  if (key !== "\r" && key !== "\n")
    return put(/[\p{Cc}]/u.test(key) ? values[field] : values[field] + key);
  const next = fields[fields.indexOf(field) + 1];
  if (next === undefined) return { kind: "said", text: values };
  return { kind: "form", form: { field: next, values } };
}

/** The narrowest rule that names the deed, or null. */
export function suggestedRule({ deed }: ApprovalRequest): string | null {
  switch (deed.kind) {
    case "command":
      return /[\n\r]/.test(deed.command) ? null : `Bash(${deed.command})`;
    case "exec":
      return `Exec(${JSON.stringify(deed.argv)})`;
    case "read":
    case "list":
      return `Read(${deed.path})`;
    case "write":
    case "edit":
      return `Edit(${deed.path})`;
    case "tool":
      return null;
    default:
      return never(deed);
  }
}

/** The grant that the texts say, or a sentence about what is wrong with them. */
export function grantOf(text: GrantText, now: number): Grant | string {
  const rule = text.rule.trim();
  if (rule === "") return "A permission needs a rule, such as Bash(npm test)";
  const ms = parseDuration(text.for);
  if (ms === null || ms <= 0) return `"${text.for}" is no length of time: write it like 12h or 30d`;
  const runs = countOf(text.runs);
  const perHour = countOf(text.perHour);
  if (runs === "bad" || perHour === "bad") return "A number of times is a whole number, or nothing";
  return {
    rule,
    expiresAt: now + ms,
    ...(runs === null ? {} : { runsMax: runs }),
    ...(perHour === null ? {} : { perHourMax: perHour }),
  };
}

function countOf(text: string): number | null | "bad" {
  if (text.trim() === "") return null;
  return /^[1-9]\d{0,5}$/.test(text.trim()) ? Number(text.trim()) : "bad";
}

/** The form's lines, none longer than `columns`. */
export function formLines(
  { field, values }: GrantForm,
  columns: number,
  paint: Paint,
): readonly string[] {
  const line = `${questions[field]}: ${escaped(values[field])}▏`;
  return ["", paint.bold(line.slice(-columns)), paint.dim("Enter: next   Esc: no permission")];
}
