import type { Clock } from "@openclaw-worker/base";
import { limits } from "@openclaw-worker/protocol";
import type { FastifyReply } from "fastify";

/**
 * Sends what a reader waits for. A silent answer is cut by common proxies after 60 s: while it waits,
 * a space is sent every 15 s. Space before JSON is legal, so the reader's parser never notices
 * (RFC 8259, section 2).
 */
export async function sendWaited(
  reply: FastifyReply,
  clock: Clock,
  waiting: Promise<unknown>,
): Promise<FastifyReply> {
  let streaming = false;
  const keepAlive = clock.every(limits.keepAliveMs, () => {
    if (!streaming) {
      streaming = true;
      reply.hijack();
      reply.raw.writeHead(200, { "content-type": "application/json; charset=utf-8" });
    }
    if (!reply.raw.destroyed) reply.raw.write(" ");
  });
  try {
    const body = await waiting;
    if (!streaming) return reply.send(body);
    // A reader that hung up meanwhile is told nothing more.
    if (!reply.raw.destroyed) reply.raw.end(JSON.stringify(body));
    return reply;
  } catch (error) {
    if (!streaming) throw error;
    reply.raw.destroy();
    return reply;
  } finally {
    keepAlive.cancel();
  }
}
