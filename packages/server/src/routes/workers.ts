import { presenceSchema, Problem } from "@openclaw-worker/protocol";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { parse } from "../answer.ts";
import type { AppParts } from "../parts.ts";

const idSchema = z.object({ id: z.string().max(200) });

export function workersRoutes(app: FastifyInstance, { queue }: AppParts): void {
  app.get(
    "/workers",
    {
      schema: {
        summary: "Who is connected, and who was.",
        response: { 200: z.object({ workers: z.array(presenceSchema) }) },
      },
    },
    async () => ({ workers: await queue.presences() }),
  );

  app.get(
    "/workers/:id",
    {
      schema: {
        summary: "One worker, by name.",
        params: idSchema,
        response: { 200: presenceSchema },
      },
    },
    async (request) => {
      const { id } = parse(idSchema, request.params);
      const found = (await queue.presences()).find((worker) => worker.name === id);
      if (found === undefined) throw new Problem("worker-not-found");
      return found;
    },
  );
}
