// What workers say. A poll without `capacity` is an old worker's: it gets one task or JSON null,
// and nothing else ever, because such workers crash on anything else.

import {
  beatAnswerSchema,
  beatSchema,
  giveBackSchema,
  limits,
  parseTaskId,
  pollAnswerSchema,
  pollQuerySchema,
  Problem,
  reportSchema,
  settleSchema,
  startedSchema,
  toWireTask,
  workerEventSchema,
} from "@openclaw-worker/protocol";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { parse } from "../answer.ts";
import type { AppParts } from "../parts.ts";
import { nameOrAnonymous } from "../config.ts";
import { hangUpOf, millisecondsOf } from "./shape.ts";

const oldPollSchema = z.object({
  wait: z.unknown().optional(),
  workerId: z.unknown().optional(),
  capacity: z.unknown().optional(),
});
const successSchema = z.object({ success: z.literal(true) });
const success = { success: true } as const;

export function workerRoutes(app: FastifyInstance, { queue, store, clock }: AppParts): void {
  app.get(
    "/worker/poll",
    {
      schema: {
        summary:
          "Wait for work. With `capacity`: tasks, cancels and stop. Without: one task or null.",
        querystring: pollQuerySchema,
        response: { 200: pollAnswerSchema },
      },
    },
    async (request, reply) => {
      // Behind another response on its connection a poll cannot be told from one that hung up: it is
      // answered at once, with nothing.
      const isQueued = reply.raw.socket === null;
      const { capacity } = oldPollSchema.parse(request.query);
      if (capacity === undefined) return oldPoll(request, isQueued, reply);
      const query = parse(pollQuerySchema, request.query);
      return poll(isQueued ? { ...query, capacity: 0, wait: 0 } : query, reply);
    },
  );

  async function poll(
    query: z.output<typeof pollQuerySchema>,
    reply: FastifyReply,
  ): Promise<unknown> {
    const instance = query.instance ?? query.workerId ?? `anonymous-${randomUUID()}`;
    return queue.poll({
      name: query.workerId ?? "anonymous",
      instance,
      introduces: query.instance !== undefined,
      capacity: query.capacity,
      order: query.order ?? 0,
      holdMs: Math.min(query.wait ?? limits.pollHoldMsDefault, limits.pollHoldMsMax),
      gone: hangUpOf(reply),
    });
  }

  async function oldPoll(
    request: FastifyRequest,
    isQueued: boolean,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    reply.type("application/json; charset=utf-8");
    if (isQueued) return reply.send("null");
    const { wait, workerId } = oldPollSchema.parse(request.query);
    const holdMs =
      wait === undefined ? limits.pollHoldMsDefault : millisecondsOf(wait, limits.pollHoldMsMax);
    const answer = await queue.poll({
      name: nameOrAnonymous(typeof workerId === "string" ? workerId : undefined),
      instance: `old-${randomUUID()}`,
      introduces: false,
      capacity: null,
      order: 0,
      holdMs,
      gone: hangUpOf(reply),
    });
    const task = answer.tasks[0];
    const body = task === undefined ? null : toWireTask(task);
    return reply.send(JSON.stringify(body));
  }

  app.post(
    "/worker/started",
    { schema: { summary: "The task begins. Not 200: do not run it.", body: startedSchema } },
    async (request) => {
      const { taskId, fence } = parse(startedSchema, request.body);
      const answer = await queue.started({ taskId, fence });
      if (answer === "unknown") throw new Problem("task-not-found");
      if (answer === "stale") {
        throw new Problem("stale-attempt", {
          line: "This task is no longer yours: it was given back, cancelled or handed out again. Do not run it.",
        });
      }
      return { ok: true };
    },
  );

  app.post(
    "/worker/beat",
    {
      schema: {
        summary: "Introduce yourself, and renew the leases of what you hold.",
        body: beatSchema,
        response: { 200: beatAnswerSchema },
      },
    },
    (request) => queue.beat(parse(beatSchema, request.body)),
  );

  app.post(
    "/worker/giveback",
    { schema: { summary: "Claimed and not begun: back into the queue.", body: giveBackSchema } },
    async (request) => {
      const { instance, held } = parse(giveBackSchema, request.body);
      await queue.leave(instance, held);
      return success;
    },
  );

  app.post(
    "/worker/result",
    {
      schema: {
        summary: "Report how a task ended.",
        body: settleSchema,
        response: { 200: successSchema },
      },
    },
    async (request) => {
      const message = parse(settleSchema, lenient(request.body));
      const taskId = parseTaskId(message.taskId);
      // Unknown ids are success without a trace: old workers never look, and never try again.
      if (taskId === null) return success;
      const { fence, instance, capacity, order } = message;
      const settled = await queue.settle({
        taskId,
        fence: fence ?? null,
        report: reportSchema.parse(message),
        freed:
          instance === undefined || capacity === undefined || order === undefined
            ? null
            : { instance, capacity, order },
      });
      if (settled === "stale" && fence !== undefined) {
        throw new Problem("stale-attempt", {
          line: "A newer attempt of this task was handed out: this result is too late",
        });
      }
      return success;
    },
  );

  app.post(
    "/worker/event",
    {
      schema: {
        summary: "An event for the log of events.",
        body: workerEventSchema,
        response: { 200: successSchema },
      },
    },
    async (request) => {
      const { type, taskId, details } = parse(workerEventSchema, request.body);
      const text = JSON.stringify(details ?? null);
      await store.note({
        type,
        taskId: taskId ?? null,
        at: clock.now(),
        details: text.length > 16_384 ? { leftOut: text.length } : details,
      });
      return success;
    },
  );
}

// Old workers leave fields out, send null for them, or put an error's name where the exit code
// belongs; they never send a result twice. So an odd field is mended or left out, and the result is
// kept. Our own worker's message (it has a fence) is taken as it is or refused.
function lenient(body: unknown): unknown {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return body;
  if (!("taskId" in body) || body.taskId === null || body.taskId === "") {
    throw new Problem("invalid-request", { line: "taskId is required" });
  }
  const given = Object.entries(body).filter(([, value]) => value !== null);
  if ("fence" in body) return Object.fromEntries(given);
  const mended = given.map(([key, value]) => [key, mend(key, value)] as const);
  return Object.fromEntries(mended.filter(([key, value]) => key === "taskId" || fits(key, value)));
}

const texts: ReadonlySet<string> = new Set(["stdout", "stderr", "error"]);
const settleFields: ReadonlyMap<string, z.ZodType> = new Map(Object.entries(settleSchema.shape));

function mend(key: string, value: unknown): unknown {
  if (texts.has(key)) return textOf(value);
  const isNumber = key === "exitCode" && typeof value === "string" && /^-?\d{1,9}$/.test(value);
  return isNumber ? Number(value) : value;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function fits(key: string, value: unknown): boolean {
  return settleFields.get(key)?.safeParse(value).success === true;
}
