import {
  acceptedSchema,
  commandRequestSchema,
  kindRequestSchema,
  kinds,
  limits,
  Problem,
  statusSchema,
  submission,
  taskProofSchema,
  type Submission,
} from "@openclaw-worker/protocol";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { parse } from "../answer.ts";
import type { AppParts } from "../parts.ts";
import type { Waited } from "../queue/reading.ts";
import { sendWaited } from "./patience.ts";
import { accept, actorOf, hangUpOf, millisecondsOf, taskIdOf, taskView } from "./shape.ts";

/** For the documents: what `kindRequestSchema` takes beside the fields of the kind. */
const signedFields = {
  reason: z.string().max(limits.reasonMax).optional(),
  id: z.string().optional(),
  proof: taskProofSchema.optional(),
};
const idSchema = z.object({ id: z.string() });
const waitSchema = z.object({ wait: z.string().optional() });
const listSchema = z.object({
  status: statusSchema.optional(),
  worker: z.string().max(100).optional(),
  kind: z.enum(kinds).optional(),
  cursor: z.coerce.number().int().positive().optional(),
  limit: z.coerce.number().int().min(1).max(limits.listMax).default(50),
});

export function taskRoutes(app: FastifyInstance, parts: AppParts): void {
  const { queue, store } = parts;

  app.post(
    "/tasks",
    {
      schema: {
        summary:
          "Submit a task: `command` as the guide has it, or any kind by `kind` (strict), or `argv`.",
        body: z.union([
          commandRequestSchema,
          z.looseObject({ kind: z.enum(kinds), ...signedFields }),
          z.looseObject({ argv: z.array(z.string()), ...signedFields }),
        ]),
        response: { 200: acceptedSchema },
      },
    },
    (request) => accept(queue, request, submissionOf(request.body)),
  );

  app.get(
    "/tasks",
    { schema: { summary: "List tasks, newest first.", querystring: listSchema } },
    async (request) => {
      const { cursor, limit, ...filter } = parse(listSchema, request.query);
      const found = await store.list({ ...filter, beforeSeq: cursor, max: limit });
      const last = found.length === limit ? found.at(-1) : undefined;
      return { tasks: found.map(taskView), cursor: last === undefined ? null : String(last.seq) };
    },
  );

  app.get(
    "/tasks/:id",
    {
      schema: {
        summary: "The result, waited for up to `wait` milliseconds; else what the task is doing.",
        params: idSchema,
        querystring: waitSchema,
      },
    },
    async (request, reply) => {
      const id = taskIdOf(parse(idSchema, request.params).id);
      const waitMs = millisecondsOf(parse(waitSchema, request.query).wait);
      return sendWaited(reply, parts.clock, queue.read(id, waitMs, hangUpOf(reply)).then(bodyOf));
    },
  );

  app.post(
    "/tasks/:id/cancel",
    {
      schema: {
        summary: "Cancel: a waiting task ends at once, a running one through its worker.",
        params: idSchema,
      },
    },
    async (request) => {
      const id = taskIdOf(parse(idSchema, request.params).id);
      const cancelled = await queue.cancel(id, actorOf(request));
      switch (cancelled.kind) {
        case "unknown":
          throw new Problem("task-not-found");
        case "ended":
          return {
            taskId: id,
            status: "failed",
            outcome: "cancelled",
            message: "Cancelled before it began",
          };
        case "over":
          return {
            taskId: id,
            status: cancelled.result.status,
            outcome: cancelled.result.outcome,
            message: "The task had ended already",
          };
        case "asked":
          return {
            taskId: id,
            status: "running",
            message: cancelled.holder.leased
              ? `Worker ${cancelled.holder.worker} was asked to end it`
              : `Worker ${cancelled.holder.worker} cannot be told to end a task: it runs to its end or its timeout`,
          };
      }
    },
  );

  app.get("/tasks/stats", { schema: { summary: "Counts by status." } }, async () => {
    const { byStatus, unread } = await store.counts();
    const total = Object.values(byStatus).reduce((sum, count) => sum + count, 0);
    return { queue: { total, byStatus, unconsumedResults: unread } };
  });
}

function submissionOf(body: unknown): Submission {
  if (typeof body === "object" && body !== null) {
    if ("kind" in body) return parse(kindRequestSchema, body);
    // `argv` is the short way to say kind "exec".
    if ("argv" in body && !("command" in body))
      return parse(kindRequestSchema, { kind: "exec", ...body });
  }
  const { command, cwd, env, stdin, needs, timeout, ...fields } = parse(commandRequestSchema, body);
  return submission({ kind: "command", command, cwd, env, stdin, needs }, timeout, fields);
}

function bodyOf(waited: Waited): unknown {
  switch (waited.kind) {
    case "result":
      return waited.result;
    case "not-ready":
      return { ...taskView(waited.task), message: "Result not ready yet" };
    case "unknown":
      throw new Problem("task-not-found");
  }
}
