// The shapes that MCP clients see. Field names are the Task API's.

import { limits, outcomeSchema, phaseSchema, statusSchema } from "@openclaw-worker/protocol";
import { z } from "zod";

/** Longest time that a call waits before it answers with the task's id: clients give up at 60 s. */
export const waitMsMax = 50_000;

const where = {
  worker: z
    .string()
    .optional()
    .describe("Only this computer may do it. Left out: any that is connected"),
  timeoutMs: z
    .int()
    .min(limits.timeoutMsMin)
    .max(limits.timeoutMsMax)
    .optional()
    .describe("Longest running time in milliseconds"),
  waitMs: z
    .int()
    .min(0)
    .max(waitMsMax)
    .optional()
    .describe(
      `How long to wait for the end (default ${waitMsMax}); then the answer is the task's id`,
    ),
  reason: z
    .string()
    .max(limits.reasonMax)
    .optional()
    .describe("Why; a person who must say yes sees it"),
};

const file = z.string().describe("Absolute, or ~/…, or relative to the computer's first root");

export const inputs = {
  run: z.object({
    command: z.string().min(1).describe("A shell command, as the shell there shall see it"),
    cwd: z.string().optional().describe("Folder to start in"),
    stdin: z.string().optional().describe("Text for its standard input"),
    ...where,
  }),
  read: z.object({ path: file, ...where }),
  list: z.object({ path: file, ...where }),
  write: z.object({
    path: file,
    content: z.string(),
    encoding: z.enum(["utf8", "base64"]).optional().describe("base64 for bytes that are no text"),
    ...where,
  }),
  edit: z.object({
    path: file,
    oldString: z.string().min(1).describe("Text that is there exactly once, or see replaceAll"),
    newString: z.string(),
    replaceAll: z.boolean().optional(),
    ...where,
  }),
  task: z.object({ taskId: z.string(), waitMs: where.waitMs }),
  cancel: z.object({ taskId: z.string() }),
  tasks: z.object({
    status: statusSchema.optional(),
    worker: z.string().optional(),
    limit: z.int().min(1).max(limits.listMax).optional(),
  }),
  none: z.object({}),
} as const;

/** How a task stands, or how it ended. */
export const taskOutput = z.object({
  taskId: z.string(),
  status: statusSchema,
  phase: phaseSchema.nullable().optional(),
  outcome: outcomeSchema.optional().describe("How it ended; absent: it has not"),
  worker: z.string().nullable().optional().describe("The computer that did it"),
  exitCode: z.int().optional(),
  stdout: z.string().optional(),
  stderr: z.string().optional(),
  stdoutEncoding: z.enum(["utf8", "base64"]).optional(),
  error: z.string().nullable().optional(),
  hint: z.string().optional().describe("What its user can do about it"),
  message: z.string().optional(),
});
export type TaskOutput = z.infer<typeof taskOutput>;

export const workersOutput = z.object({
  workers: z.array(
    z.object({
      name: z.string(),
      state: z.string(),
      labels: z.array(z.string()),
      platform: z.string().nullable(),
      running: z.int(),
      slots: z.int().nullable(),
    }),
  ),
});

export const tasksOutput = z.object({
  tasks: z.array(
    z.object({
      taskId: z.string(),
      kind: z.string(),
      status: statusSchema,
      outcome: outcomeSchema.nullable(),
      worker: z.string().nullable(),
      createdAt: z.int(),
      summary: z.string(),
    }),
  ),
});
