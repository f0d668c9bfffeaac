import { stopOrderSchema, stopRequestSchema, unstopRequestSchema } from "@openclaw-worker/protocol";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { parse } from "../answer.ts";
import type { AppParts } from "../parts.ts";
import { actorOf } from "./shape.ts";

const idSchema = z.object({ id: z.string().max(200) });
const reached = { online: z.boolean(), message: z.string() };
const stoppedSchema = z.object({ sent: z.literal(true), stop: stopOrderSchema, ...reached });
const resumedSchema = z.object({ sent: z.boolean(), ...reached });

export function haltRoutes(app: FastifyInstance, { queue }: AppParts): void {
  const { halts } = queue;

  app.post(
    "/workers/:id/stop",
    {
      schema: {
        summary:
          "Stop a worker: what runs is ended, nothing new is taken, until it is resumed there.",
        params: idSchema,
        body: stopRequestSchema,
        response: { 202: stoppedSchema },
      },
    },
    async (request, reply) => {
      const { id } = parse(idSchema, request.params);
      const { reason } = parse(stopRequestSchema, request.body);
      const stop = await halts.order(id, reason ?? "", actorOf(request));
      const online = halts.isOnline(id);
      return reply.code(202).send({ sent: true, stop, online, message: stopMessage(id) });
    },
  );

  app.post(
    "/workers/:id/unstop",
    {
      schema: {
        summary: "Carry a signed resume to a stopped worker, which judges it.",
        params: idSchema,
        body: unstopRequestSchema,
        response: { 202: resumedSchema },
      },
    },
    async (request, reply) => {
      const { id } = parse(idSchema, request.params);
      const { resume, signature } = parse(unstopRequestSchema, request.body);
      const by = actorOf(request);
      const sent = (await halts.resume({ worker: id, resume, signature, by })) === "sent";
      const message = sent
        ? `The resume is on its way to ${id}, which judges it`
        : `${id} is handed tasks again`;
      return reply.code(202).send({ sent, online: halts.isOnline(id), message });
    },
  );

  function stopMessage(id: string): string {
    if (!halts.canHear(id)) return `${id} cannot be told to stop; it is handed nothing more`;
    return halts.isOnline(id)
      ? `${id} is told to stop`
      : `${id} is away: it is told as soon as it is back, and handed nothing until then`;
  }
}
