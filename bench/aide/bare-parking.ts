// The least that can park polls: node:http, a Map by name, a timer each. It knows and keeps nothing.

import { limits } from "@openclaw-worker/protocol";
import http from "node:http";
import { randomUUID } from "node:crypto";
import { fieldsOf } from "../fields.ts";
import { serve } from "./serve.ts";

interface Parked {
  readonly response: http.ServerResponse;
  readonly timer: NodeJS.Timeout;
}

serve({ listen: () => listen() });

async function listen(): Promise<number> {
  const parked = new Map<string, Parked>();
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://bare");
    const name = url.searchParams.get("workerId") ?? "";
    if (request.method === "GET") {
      const over = (): void => answer(response, { tasks: [] });
      parked.set(name, { response, timer: setTimeout(over, limits.workerPollMs) });
      return;
    }
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const worker = fieldsOf(JSON.parse(Buffer.concat(chunks).toString())).text("worker");
      const waiting = parked.get(worker);
      parked.delete(worker);
      clearTimeout(waiting?.timer);
      const id = randomUUID();
      if (waiting !== undefined) answer(waiting.response, { tasks: [{ id }] });
      answer(response, { taskId: id });
    });
  });
  server.keepAliveTimeout = 75_000;
  server.on("connection", (socket) => socket.setNoDelay(true));
  const listening = new Promise<void>((resolve) => server.once("listening", resolve));
  server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 });
  await listening;
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function answer(response: http.ServerResponse, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}
