import { limits } from "@openclaw-worker/protocol";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { parse } from "../answer.ts";
import type { AppParts } from "../parts.ts";

const querySchema = z.strictObject({
  from: z.coerce.number().int().nonnegative().optional(),
  limit: z.coerce.number().int().min(1).max(limits.eventsListMax).default(50),
});
const pageSchema = z.object({
  actions: z.array(
    z.object({
      seq: z.int(),
      at: z.int(),
      actor: z.string(),
      from: z.string(),
      action: z.string(),
      target: z.string(),
      prev: z.string(),
      hash: z.string(),
    }),
  ),
});

/** The log of API actions: each entry carries the hash of the one before. */
export function actionRoutes(app: FastifyInstance, { store }: AppParts): void {
  app.get(
    "/actions",
    {
      schema: {
        summary: "Who changed what through this API, oldest first; without `from` the latest.",
        querystring: querySchema,
        response: { 200: pageSchema },
      },
    },
    async (request) => {
      const { from, limit } = parse(querySchema, request.query);
      return { actions: await store.actions(from ?? null, limit) };
    },
  );
}
