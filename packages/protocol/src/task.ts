import { never } from "@openclaw-worker/base";
import { z } from "zod";
import { nameSchema, taskIdSchema } from "./ids.ts";
import { taskProofSchema } from "./proof.ts";
import { limits } from "./limits.ts";

const pathSchema = z.string().min(1).max(4096);
const envSchema = z
  .record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be a name of letters, digits and '_'"),
    z.string(),
  )
  .refine((env) => Object.keys(env).length <= limits.envMax, `at most ${limits.envMax} variables`);

const domainSchema = z
  .string()
  .max(253)
  .regex(
    /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,62}\.)*[a-z0-9-]{0,63}$/i,
    "must be a domain, or *. and a domain",
  );

/**
 * What a task says that it needs. A list that is there narrows the cage to it; what the policy does
 * not give by itself must be allowed by a rule, or by a person. `network`: domains; `read` and
 * `write`: paths; `host`: outside of the cage.
 */
export const needsSchema = z.strictObject({
  network: z.array(domainSchema).max(100).optional(),
  read: z.array(pathSchema).max(100).optional(),
  write: z.array(pathSchema).max(100).optional(),
  host: z.boolean().optional(),
});
export type Needs = z.infer<typeof needsSchema>;

const processFields = {
  cwd: pathSchema.optional(),
  env: envSchema.optional(),
  stdin: z.string().optional(),
  needs: needsSchema.optional(),
};

const promptFields = {
  prompt: z.string().min(1),
  sessionId: z.string().min(1).max(200),
  model: z.string().max(200).optional(),
  cwd: pathSchema.optional(),
  callbackChannel: z.string().max(200).optional(),
  callbackBotToken: z.string().max(400).optional(),
  resumeLatest: z.boolean().optional(),
};

/** One thing to do. `command` is a shell string, run as written; `exec` is argv, without a shell. */
export const specSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("command"), command: z.string().min(1), ...processFields }),
  z.strictObject({
    kind: z.literal("exec"),
    argv: z.array(z.string()).min(1).max(limits.argvMax),
    ...processFields,
  }),
  z.strictObject({ kind: z.literal("file-read"), path: pathSchema }),
  z.strictObject({
    kind: z.literal("file-write"),
    path: pathSchema,
    content: z.string(),
    encoding: z.enum(["utf8", "base64"]).default("utf8"),
  }),
  z.strictObject({
    kind: z.literal("file-edit"),
    path: pathSchema,
    oldString: z.string().min(1),
    newString: z.string(),
    replaceAll: z.boolean().default(false),
  }),
  z.strictObject({ kind: z.literal("file-list"), path: pathSchema }),
  z.strictObject({ kind: z.literal("claude-cli"), ...promptFields }),
  z.strictObject({ kind: z.literal("codex-cli"), ...promptFields }),
  z.strictObject({ kind: z.literal("gemini-cli"), ...promptFields }),
  z.strictObject({ kind: z.literal("agent"), agent: nameSchema, ...promptFields }),
  z.strictObject({
    kind: z.literal("action"),
    action: nameSchema,
    params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  }),
]);
export type Spec = z.infer<typeof specSchema>;
export type Kind = Spec["kind"];
export const kinds: readonly Kind[] = [
  "command",
  "exec",
  "file-read",
  "file-write",
  "file-edit",
  "file-list",
  "claude-cli",
  "codex-cli",
  "gemini-cli",
  "agent",
  "action",
];

/** Running time of a task that names none, in milliseconds. */
export function defaultTimeoutMs(kind: Kind): number {
  switch (kind) {
    case "command":
    case "exec":
    case "action":
      return limits.commandTimeoutMs;
    case "file-read":
    case "file-write":
    case "file-edit":
    case "file-list":
      return limits.fileTimeoutMs;
    case "claude-cli":
      return limits.claudeTimeoutMs;
    case "codex-cli":
    case "gemini-cli":
    case "agent":
      return limits.agentTimeoutMs;
    default:
      return never(kind);
  }
}

/**
 * The session of a task, or null. Tasks of one session run one after another, in the order in
 * which they were accepted.
 */
export function sessionOf(spec: Spec): string | null {
  return "sessionId" in spec ? spec.sessionId : null;
}

/** A task as our worker receives it. `fence` is the number of this attempt. */
export const taskSchema = z.object({
  id: taskIdSchema,
  fence: z.int().positive(),
  timeoutMs: z.int().positive(),
  createdAt: z.int(),
  spec: specSchema,
  metadata: z.record(z.string(), z.unknown()).optional(),
  /** The submitter's own words on why; shown to a person as theirs, and worth nothing else. */
  reason: z.string().max(limits.reasonMax).optional(),
  proof: taskProofSchema.optional(),
});
export type Task = z.infer<typeof taskSchema>;
