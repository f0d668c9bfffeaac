// Streamable HTTP at this computer's loopback address. Every request must carry the token: other users
// and web pages of this computer can reach a loopback port too.

import {
  localhostHostValidation,
  localhostOriginValidation,
  toNodeHandler,
} from "@modelcontextprotocol/node";
import { createMcpHandler } from "@modelcontextprotocol/server";
import { createHash, timingSafeEqual } from "node:crypto";
import http from "node:http";
import { makeMcpServer } from "./server.ts";
import type { Desk } from "./wait.ts";

export interface HttpOptions {
  /** 0: any free port. */
  readonly port: number;
  /** What `Authorization: Bearer …` must say. */
  readonly token: string;
  readonly onError: (error: Error) => void;
  /** Called once, with the address to give to clients. */
  readonly onListening: (url: string) => void;
}

const path = "/mcp";
const stopMs = 2_000;

/** Serves until the signal is aborted. Rejects when the port cannot be had. */
export async function serveOverHttp(
  desk: Desk,
  options: HttpOptions,
  signal: AbortSignal,
): Promise<void> {
  const handler = createMcpHandler(() => makeMcpServer(desk), { onerror: options.onError });
  const handle = toNodeHandler(handler, { onerror: options.onError });
  const [rightHost, rightOrigin] = [localhostHostValidation(), localhostOriginValidation()];
  const server = http.createServer((request, response) => {
    if (!rightHost(request, response) || !rightOrigin(request, response)) return;
    if (request.url?.split("?")[0] !== path) return refuse(response, 404, "Not found");
    if (!carries(request.headers.authorization, options.token)) {
      return refuse(response, 401, "Unauthorized");
    }
    const { method = "GET", url = path } = request;
    void handle(Object.assign(request, { method, url }), response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, "127.0.0.1", resolve);
  });
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  options.onListening(`http://127.0.0.1:${port}${path}`);
  if (!signal.aborted) {
    await new Promise<void>((resolve) =>
      signal.addEventListener("abort", () => resolve(), { once: true }),
    );
  }
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  using _hung = desk.clock.after(stopMs, () => server.closeAllConnections());
  await handler.close();
  server.closeIdleConnections();
  await closed;
}

function carries(header: string | undefined, token: string): boolean {
  const given = /^bearer (\S+)$/i.exec(header ?? "")?.[1] ?? "";
  // Digests have one length, so the comparison tells nothing about the token's.
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

function refuse(response: http.ServerResponse, status: 401 | 404, error: string): void {
  response.writeHead(status, {
    "content-type": "application/json",
    ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
  });
  response.end(
    JSON.stringify({ jsonrpc: "2.0", error: { code: -32_000, message: error }, id: null }),
  );
}
