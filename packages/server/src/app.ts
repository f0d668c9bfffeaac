import { limits, Problem, version } from "@openclaw-worker/protocol";
import swagger from "@fastify/swagger";
import fastify, { type FastifyInstance } from "fastify";
import { jsonSchemaTransform } from "fastify-type-provider-zod";
import type { IncomingMessage, ServerResponse } from "node:http";
import { answerErrors, answerNoise, sendProblem } from "./answer.ts";
import { chainOf } from "@openclaw-worker/base";
import { readEveryBodyAsJson } from "./body.ts";
import { mayUse } from "./guard.ts";
import type { AppParts } from "./parts.ts";
import { createRefusals } from "./refusals.ts";
import { actionRoutes } from "./routes/actions.ts";
import { agentRoutes } from "./routes/agents.ts";
import { approvalRoutes } from "./routes/approvals.ts";
import { auditRoutes } from "./routes/audit.ts";
import { eventRoutes } from "./routes/events.ts";
import { fileRoutes } from "./routes/files.ts";
import { haltRoutes } from "./routes/halts.ts";
import { healthRoutes } from "./routes/health.ts";
import { notifyRoutes } from "./routes/notify.ts";
import { taskRoutes } from "./routes/tasks.ts";
import { workerRoutes } from "./routes/worker.ts";
import { workersRoutes } from "./routes/workers.ts";

/** The HTTP application: guard, body parsing, errors, routes. It listens to nothing by itself. */
export async function createApp(parts: AppParts): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: limits.bodyBytes,
    // At the end whatever waits is answered; `listen` cuts off what takes too long.
    forceCloseConnections: "idle",
    return503OnClosing: false,
    // A HEAD of a poll would take a task and drop it, a HEAD of a result would mark it read.
    exposeHeadRoutes: false,
    // A slow sender may take two minutes for headers and body; waiting answers are not counted.
    requestTimeout: 120_000,
    keepAliveTimeout: 75_000,
    routerOptions: { maxParamLength: 200 },
    frameworkErrors: (_error, request, reply) => {
      const caller = parts.guard(request.headers.authorization);
      sendProblem(reply, new Problem(caller === null ? "unauthorized" : "route-not-found"));
    },
    clientErrorHandler: answerNoise,
  });
  // Bodies are parsed by the routes, with the schemas that the documents are made of.
  app.setValidatorCompiler(() => (value) => ({ value }));
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  readEveryBodyAsJson(app);
  answerErrors(app, parts.log);
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "OpenClaw Worker Task API",
        version,
        description: "A durable queue between those who ask and the workers who do.",
        license: { name: "MIT" },
      },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
  });
  guardEveryRoute(app, parts);
  app.addHook("onSend", async (_request, reply) => {
    if (parts.queue.isStopping()) reply.header("connection", "close");
  });

  const routes = [
    healthRoutes,
    taskRoutes,
    fileRoutes,
    agentRoutes,
    workerRoutes,
    workersRoutes,
    approvalRoutes,
    haltRoutes,
    auditRoutes,
    actionRoutes,
    eventRoutes,
    notifyRoutes,
  ];
  for (const register of routes) register(app, parts);
  app.get("/openapi.json", { schema: { hide: true } }, () => app.swagger());
  return app;
}

function guardEveryRoute(app: FastifyInstance, { guard, log, clock, store }: AppParts): void {
  const refusals = createRefusals(clock, (action) => {
    store
      .act(action)
      .catch((error: unknown) => log.warn("action was not logged", { why: chainOf(error) }));
  });
  app.decorateRequest("caller", null);
  app.addHook("onRequest", async (request, reply) => {
    const route = request.routeOptions.url;
    if (route === "/health") return undefined;
    const caller = guard(request.headers.authorization);
    if (caller !== null) {
      if (route !== undefined && !mayUse(caller, request.method, route))
        return sendProblem(reply, new Problem("forbidden", { line: approvesOnly }));
      request.caller = caller;
      return undefined;
    }
    log.warn("unauthorized", {
      from: request.ip,
      method: request.method,
      path: request.url.split("?", 1)[0],
    });
    refusals.note(request.ip);
    reply.header("connection", "close");
    return sendProblem(reply, new Problem("unauthorized"));
  });
  // Node answers `Expect: 100-continue` before any hook runs: refuse there too, before the body.
  app.server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    if (guard(request.headers.authorization) !== null) response.writeContinue();
    app.routing(request, response);
  });
}

const approvesOnly = "This token may read, approve and stop, and nothing else. Use WORKER_TOKEN.";
