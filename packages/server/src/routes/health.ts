import { version } from "@openclaw-worker/protocol";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { AppParts } from "../parts.ts";

const healthSchema = z.object({
  status: z.literal("ok"),
  tasks: z.int(),
  results: z.int(),
  workers: z.int(),
  version: z.string(),
  uptimeMs: z.int(),
});

/** Open to all, so it says nothing private: three counts, the version, the uptime. */
export function healthRoutes(app: FastifyInstance, { store, queue, clock }: AppParts): void {
  const startedAt = clock.monotonic();
  app.get(
    "/health",
    {
      schema: {
        summary: "Is the API there? Needs no token.",
        security: [],
        response: { 200: healthSchema },
      },
    },
    async () => {
      const { byStatus, unread } = await store.counts();
      return {
        status: "ok",
        tasks: byStatus.pending + byStatus.running + unread,
        results: unread,
        workers: queue.onlineWorkers(),
        version,
        uptimeMs: Math.round(clock.monotonic() - startedAt),
      };
    },
  );
}
