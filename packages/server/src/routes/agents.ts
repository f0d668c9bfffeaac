import {
  acceptedSchema,
  promptRequestSchema,
  submission,
  type Submission,
} from "@openclaw-worker/protocol";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { createHash, randomUUID } from "node:crypto";
import { parse } from "../answer.ts";
import type { AppParts } from "../parts.ts";
import { accept, keyOf } from "./shape.ts";

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
    app.post(path, { schema }, (request) => accept(queue, request, submissionOf(kind, request)));
  }

  app.get(
    "/claude/sessions",
    { schema: { summary: "Sessions that tasks of this queue used." } },
    async () => {
      const sessions = await store.sessions({ kind: "claude-cli", max: 200 });
      return {
        sessions: sessions.map(({ sessionId, lastActivity, taskCount, unfinished }) => ({
          sessionId,
          lastActivity,
          taskCount,
          unfinished,
        })),
      };
    },
  );

  // The sessions on the disk are the worker's to tell; no worker of this version has an agent driver.
  for (const path of ["/claude/recent", "/codex/recent"]) {
    app.get(path, { schema: { summary: "Recent sessions on the worker's computer." } }, () => ({
      sessions: [],
      message: "No connected worker can list its agents' sessions",
    }));
  }
}

function submissionOf(kind: AgentKind, request: FastifyRequest): Submission {
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
    reason,
    ...extras
  } = parse(promptRequestSchema, request.body);
  const key = keyOf(request) ?? idempotencyKey;
  const common = {
    prompt,
    sessionId: sessionId ?? (key === undefined ? randomUUID() : sessionOfKey(key)),
    model,
    cwd,
    callbackChannel,
    callbackBotToken,
    resumeLatest,
  };
  const spec = { kind, ...common };
  // Bridges send fields of their own (origin, dispatchMode, …) and want them back with the result.
  const given = { ...extras, ...metadata };
  return submission(spec, timeout, {
    worker,
    labels,
    priority,
    ttlMs,
    idempotencyKey,
    reason,
    metadata: Object.keys(given).length === 0 ? undefined : given,
  });
}

// Asked again with the same key it must be the same task, and so the same session.
function sessionOfKey(key: string): string {
  const hex = createHash("sha256").update(`session of ${key}`).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
