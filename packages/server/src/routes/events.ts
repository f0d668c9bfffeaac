import { limits } from "@openclaw-worker/protocol";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { AppParts } from "../parts.ts";

const limitSchema = z.object({ limit: z.coerce.number().int().catch(50).default(50) });

export function eventRoutes(app: FastifyInstance, { store }: AppParts): void {
  app.get(
    "/events",
    { schema: { summary: "The latest events, oldest first.", querystring: limitSchema } },
    async (request) => {
      const { limit } = limitSchema.parse(request.query);
      return { events: await store.events(Math.min(Math.max(limit, 1), limits.eventsListMax)) };
    },
  );

  app.get(
    "/events/stats",
    { schema: { summary: "Counts of the events that are kept, by type." } },
    async () => {
      const byType = await store.eventCounts();
      const count = Object.values(byType).reduce((sum, one) => sum + one, 0);
      return { stats: { count, byType } };
    },
  );

  app.get("/sessions/stats", { schema: { summary: "Counts of agent sessions." } }, async () => {
    const sessions = await store.sessions({ max: limits.eventsListMax });
    const byType: Record<string, number> = {};
    for (const { kind } of sessions) byType[kind] = (byType[kind] ?? 0) + 1;
    const active = sessions.filter(({ unfinished }) => unfinished > 0).length;
    return { sessions: { total: sessions.length, active, byType } };
  });

  app.get(
    "/sessions/state",
    { schema: { summary: "Agent sessions, the latest first." } },
    async () => {
      const sessions = await store.sessions({ max: limits.eventsListMax });
      return {
        sessions: sessions.map(({ sessionId, kind, taskCount, unfinished, lastActivity }) => ({
          sessionId,
          cliType: kind,
          state: unfinished > 0 ? "active" : "idle",
          taskCount,
          unfinished,
          lastActivity,
        })),
      };
    },
  );
}
