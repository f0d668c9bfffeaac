// An MCP server (specification 2026-07-28, and the 2025 ones) over the Task API's client.

import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import type { Readable, Writable } from "node:stream";
import { version } from "@openclaw-worker/protocol";
import { addResources } from "./resources.ts";
import { addTools } from "./tools.ts";
import type { Desk } from "./wait.ts";

export type { Desk };

/** A server with all tools and resources, not connected yet: one per connection. */
export function makeMcpServer(desk: Desk): McpServer {
  const server = new McpServer(
    { name: "openclaw-worker", title: "OpenClaw Worker", version },
    { instructions },
  );
  addTools(server, desk);
  addResources(server, desk);
  return server;
}

export interface Pipes {
  readonly input: Readable;
  readonly output: Writable;
  readonly onError: (error: Error) => void;
}

/** Serves one client over a pair of pipes until the input ends or the signal is aborted. */
export async function serveOverStdio(desk: Desk, pipes: Pipes, signal: AbortSignal): Promise<void> {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const transport = new StdioServerTransport(pipes.input, pipes.output);
  pipes.input.once("end", resolve);
  pipes.input.once("close", resolve);
  const handle = serveStdio(() => makeMcpServer(desk), { transport, onerror: pipes.onError });
  const stop = (): void => resolve();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) resolve();
  await ended;
  signal.removeEventListener("abort", stop);
  await handle.close();
}

const instructions = `These tools use the user's own computer, through a worker that checks every task against the policy of the computer's owner and runs it in a cage.
- A refusal is final: say which rule refused and what the owner can change; do not try another way around it.
- A task that has not ended when the call ends goes on: look again with the tool "task".
- When no computer is connected the task waits in the queue and runs when one comes back.`;
