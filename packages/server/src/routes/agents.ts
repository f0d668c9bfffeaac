import {
  acceptedSchema,
  promptRequestSchema,
  submission,
  type Submission,
} from "@openclaw-worker/protocol";
import type { FastifyInstance } from "fastify";
import { randomUUID } from "node:crypto";
import { parse } from "../answer.ts";
import type { AppParts } from "../app.ts";
import { accept, withKey } from "./shape.ts";

type AgentKind = "claude-cli" | "codex-cli" | "gemini-cli";
const routes: readonly (readonly [path: string, kind: AgentKind])[] = [
  ["/claude", "claude-cli"],
  ["/codex", "codex-cli"],
  ["/gemini", "gemini-cli"],
];

export function agentRoutes(app: FastifyInstance, { queue, store }: AppParts): void {
  for (const [path, kind] of routes) {
    const schema = {
      summary: `Have an agent (${kind}) work on the worker's computer. \`sessionId\` is always in the answer.`,
      body: promptRequestSchema,
      response: { 200: acceptedSchema },
    };
    app.post(path, { schema }, (request) =>
      accept(queue, withKey(request, submissionOf(kind, parse(promptRequestSchema, request.body)))),
    );
  }

  app.get("/claude/sessions", { schema: { summary: "Sessions that tasks of this queue used." } }, async () => {
    const sessions = await store.sessions({ kind: "claude-cli", max: 200 });
    return {
      sessions: sessions.map(({ sessionId, lastActivity, taskCount, unfinished }) => ({
        sessionId,
        lastActivity,
        taskCount,
        unfinished,
      })),
    };
  });

  // The sessions on the disk are the worker's to tell; no worker of this version has an agent driver.
  for (const path of ["/claude/recent", "/codex/recent"]) {
    app.get(path, { schema: { summary: "Recent sessions on the worker's computer." } }, () => ({
      sessions: [],
      message: "No connected worker can list its agents' sessions",
    }));
  }
}

function submissionOf(kind: AgentKind, body: ReturnType<typeof parsePrompt>): Submission {
  const {
    prompt,
    timeout,
    sessionId,
    model,
    cwd,
    callbackChannel,
    callbackBotToken,
    resumeLatest,
    worker,
    labels,
    priority,
    ttlMs,
    idempotencyKey,
    metadata,
    ...extras
  } = body;
  const common = {
    prompt,
    sessionId: sessionId ?? randomUUID(),
    model,
    cwd,
    callbackChannel,
    callbackBotToken,
  };
  const spec = kind === "gemini-cli" ? { kind, ...common, resumeLatest } : { kind, ...common };
  // Bridges send fields of their own (origin, dispatchMode, …) and want them back with the result.
  const given = { ...extras, ...metadata };
  return submission(spec, timeout, {
    worker,
    labels,
    priority,
    ttlMs,
    idempotencyKey,
    metadata: Object.keys(given).length === 0 ? undefined : given,
  });
}

const parsePrompt = (body: unknown) => parse(promptRequestSchema, body);
