import { messageOf } from "@openclaw-worker/base";
import { Problem } from "@openclaw-worker/protocol";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { parse } from "../answer.ts";
import type { AppParts } from "../parts.ts";

const required = "channel and message are required";
const notifySchema = z.object({
  channel: z.string({ error: required }).regex(/^[A-Za-z0-9_-]{1,100}$/, "channel must be an id"),
  message: z.string({ error: required }).min(1, required).max(100_000),
});

/** Posts a message to the chat API (Discord's by default) with the server's bot token. */
export function notifyRoutes(app: FastifyInstance, { chat, store, clock }: AppParts): void {
  app.post(
    "/notify",
    { schema: { summary: "Post a message to a chat channel.", body: notifySchema } },
    async (request) => {
      const { channel, message } = parse(notifySchema, request.body);
      if (chat.token === null) throw new Problem("chat-not-configured");
      const { status, text } = await post(
        `${chat.baseUrl}/channels/${channel}/messages`,
        chat.token,
        message,
      );
      const type = status < 300 ? "callback.sent" : "callback.failed";
      await store.note({ type, taskId: null, at: clock.now(), details: { channel, status } });
      if (status >= 300)
        throw new Problem("chat-failed", { line: `Discord ${status}: ${text.slice(0, 200)}` });
      return { ok: true };
    },
  );
}

async function post(
  url: string,
  token: string,
  content: string,
): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { authorization: `Bot ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ content }),
      // The bot token goes to the configured address and nowhere else.
      redirect: "manual",
      signal: AbortSignal.timeout(15_000),
    });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    throw new Problem("chat-failed", {
      line: `Discord unreachable: ${messageOf(error)}`,
      cause: error,
    });
  }
}
