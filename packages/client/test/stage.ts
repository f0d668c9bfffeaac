// A small Task API over real HTTP: enough to see what the client sends, and to answer it badly.

import http from "node:http";
import type { AddressInfo } from "node:net";

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

export type Answer = (request: Seen, response: http.ServerResponse) => void;

export interface Stage extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly seen: readonly Seen[];
  /** The next requests are answered by these, one each; the last one stays. */
  answer(...answers: readonly Answer[]): void;
}

export async function openStage(port = 0): Promise<Stage> {
  const seen: Seen[] = [];
  let answers: readonly Answer[] = [json(200, {})];
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString("utf8");
      const one: Seen = {
        method: request.method ?? "",
        path: request.url ?? "",
        authorization: request.headers.authorization,
        body: text === "" ? undefined : JSON.parse(text),
      };
      seen.push(one);
      const [answer, ...rest] = answers;
      if (rest.length > 0) answers = rest;
      answer?.(one, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const bound = portOf(server.address());
  return {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    seen,
    answer: (...next) => {
      answers = next;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (_, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
}

export const hangUp: Answer = (_, response) => {
  response.destroy();
};

export const taskId = "019a0000-0000-7000-8000-000000000001";

export const accepted = {
  taskId,
  message: "Task queued",
  status: "pending",
  worker: null,
  online: true,
};

export const result = {
  taskId,
  stdout: "hello\n",
  stderr: "",
  exitCode: 0,
  error: null,
  completedAt: 1_700_000_000_000,
  status: "completed",
  outcome: "done",
  worker: "home",
};

export const waiting = { status: "running", phase: "started", message: "Result not ready yet" };

export function problem(code: string, status: number, error: string): unknown {
  return {
    type: `urn:openclaw-worker:problem:${code}`,
    title: error,
    status,
    detail: error,
    code,
    error,
  };
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
