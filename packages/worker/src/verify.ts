import {
  heldSchema,
  taskSchema,
  taskIdSchema,
  type Held,
  type Task,
} from "@openclaw-worker/protocol";
import { z } from "zod";

/** What an entry of the server's answer turned out to be. */
export type Verified =
  | { readonly kind: "task"; readonly task: Task }
  /** Not a task, but it says whose it is: it is answered, so that nobody waits for it. */
  | { readonly kind: "malformed"; readonly held: Held; readonly why: string }
  | { readonly kind: "nonsense"; readonly why: string };

const labeledSchema = z.object({ id: taskIdSchema, fence: heldSchema.shape.fence });
const whyLengthMax = 300;
// As many as a beat may name; what is beyond them is not looked at.
const heldEntriesMax = 10_000;

/** Parses one entry of `tasks` strictly: an unknown kind or field of a spec is not ignored. */
export function verify(value: unknown): Verified {
  const parsed = taskSchema.safeParse(value);
  if (parsed.success) return { kind: "task", task: parsed.data };
  const why = whyNot(parsed.error);
  const held = labelOf(value);
  return held === null ? { kind: "nonsense", why } : { kind: "malformed", held, why };
}

/** Whose an entry of `tasks` is, whatever else it may be; null when it says nothing of the kind. */
export function labelOf(value: unknown): Held | null {
  const { success, data } = labeledSchema.safeParse(value);
  return success ? { taskId: data.id, fence: data.fence } : null;
}

/** The entries of a list of `{taskId, fence}` that parse; the others are nobody's. */
export function verifyHeld(values: readonly unknown[]): readonly Held[] {
  return values.slice(0, heldEntriesMax).flatMap((value) => {
    const parsed = heldSchema.safeParse(value);
    return parsed.success ? [parsed.data] : [];
  });
}

function whyNot(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return "unknown reason";
  const where = issue.path.length === 0 ? "the task" : issue.path.map(String).join(".");
  // It names keys that the server made up, and is read on a terminal: no escape codes, no new lines.
  return `${where}: ${issue.message}`
    .slice(0, whyLengthMax)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\u{fffd}");
}
