import {
  approvalSchema,
  approvalStateSchema,
  askSchema,
  decideRequestSchema,
  limits,
} from "@openclaw-worker/protocol";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { parse } from "../answer.ts";
import type { AppParts } from "../parts.ts";
import { sendWaited } from "./patience.ts";
import { actorOf, hangUpOf, millisecondsOf } from "./shape.ts";

const idSchema = z.object({ id: z.string().max(100) });
const listSchema = z.strictObject({
  state: approvalStateSchema.optional(),
  wait: z.string().optional(),
  after: z.coerce.number().int().nonnegative().optional(),
  limit: z.coerce.number().int().min(1).max(limits.listMax).default(50),
});
const pageSchema = z.object({ approvals: z.array(approvalSchema), cursor: z.string() });
const sentSchema = z.object({ sent: z.literal(true), state: approvalStateSchema });
const successSchema = z.object({ success: z.literal(true) });

export function approvalRoutes(app: FastifyInstance, { queue, clock }: AppParts): void {
  const { approvals } = queue;

  app.post(
    "/worker/ask",
    {
      bodyLimit: limits.askBytes,
      schema: {
        summary:
          "A held task waits for a person, or how that ended. Sent until it is answered 200.",
        body: askSchema,
        response: { 200: successSchema },
      },
    },
    async (request) => {
      await approvals.ask(parse(askSchema, request.body));
      return { success: true };
    },
  );

  app.get(
    "/approvals",
    {
      schema: {
        summary:
          "Approvals in the order of their latest changes. `after`: a cursor; only what changed since. `wait`: when there is nothing, wait for it.",
        querystring: listSchema,
        response: { 200: pageSchema },
      },
    },
    async (request, reply) => {
      const { state, after, wait, limit } = parse(listSchema, request.query);
      const found = approvals.list(
        { state, after, max: limit },
        millisecondsOf(wait),
        hangUpOf(reply),
      );
      return sendWaited(
        reply,
        clock,
        found.then((page) => ({ approvals: page.approvals, cursor: String(page.cursor) })),
      );
    },
  );

  app.get(
    "/approvals/:id",
    {
      schema: {
        summary: "One approval: what would run, exactly, and who decided.",
        params: idSchema,
        response: { 200: approvalSchema },
      },
    },
    (request) => approvals.get(parse(idSchema, request.params).id),
  );

  app.post(
    "/approvals/:id",
    {
      schema: {
        summary:
          "Carry a decision to the worker, which judges it. Unsigned: only with APPROVE_TOKEN, and worth what the worker's policy says.",
        params: idSchema,
        body: decideRequestSchema,
        response: { 202: sentSchema },
      },
    },
    async (request, reply) => {
      const { id } = parse(idSchema, request.params);
      const { decision, signature } = parse(decideRequestSchema, request.body);
      const state = await approvals.decide({
        id,
        decision,
        signature,
        by: actorOf(request),
        mayApprove: request.caller?.mayApprove ?? false,
      });
      return reply.code(202).send({ sent: true, state });
    },
  );
}
