import {
  acceptedSchema,
  commandRequestSchema,
  kindRequestSchema,
  kinds,
  limits,
  Problem,
  statusSchema,
  submission,
  type Submission,
} from "@openclaw-worker/protocol";
import type { FastifyInstance, FastifyReply } from "fastify";
import { z } from "zod";
import { parse } from "../answer.ts";
import type { AppParts } from "../parts.ts";
import type { Waited } from "../queue/queue.ts";
import { accept, hangUpOf, millisecondsOf, taskIdOf, taskView, withKey } from "./shape.ts";

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
          z.looseObject({ kind: z.enum(kinds) }),
          z.looseObject({ argv: z.array(z.string()) }),
        ]),
        response: { 200: acceptedSchema },
      },
    },
    (request) => accept(queue, withKey(request, submissionOf(request.body))),
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
      return sendWaited(reply, queue.read(id, waitMs, hangUpOf(reply)), parts);
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
      const cancelled = await queue.cancel(id);
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
  const { command, cwd, env, stdin, timeout, ...fields } = parse(commandRequestSchema, body);
  return submission({ kind: "command", command, cwd, env, stdin }, timeout, fields);
}

// A silent answer is cut by common proxies after 60 s: while a reader waits, a space is sent every
// 15 s. Space before JSON is legal, so the reader's parser never notices (RFC 8259, section 2).
async function sendWaited(
  reply: FastifyReply,
  reading: Promise<Waited>,
  { clock }: AppParts,
): Promise<FastifyReply> {
  let streaming = false;
  const keepAlive = clock.every(limits.keepAliveMs, () => {
    if (!streaming) {
      streaming = true;
      reply.hijack();
      reply.raw.writeHead(200, { "content-type": "application/json; charset=utf-8" });
    }
    if (!reply.raw.destroyed) reply.raw.write(" ");
  });
  try {
    const waited = await reading;
    if (!streaming) return reply.send(bodyOf(waited));
    // A reader that hung up meanwhile is told nothing more.
    if (!reply.raw.destroyed) reply.raw.end(JSON.stringify(bodyOf(waited)));
    return reply;
  } catch (error) {
    if (!streaming) throw error;
    reply.raw.destroy();
    return reply;
  } finally {
    keepAlive.cancel();
  }
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
