// A stand-in for the model's API on loopback: it answers each request with the next turn of a
// script, in the words of the real one (`POST /v1/messages` as server-sent events).

import { randomUUID } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import { z } from "zod";

/** What the model says: texts and tool calls, or a way to fail. */
export type Turn =
  | readonly (string | { readonly tool: string; readonly input: Record<string, unknown> })[]
  | { readonly status: number; readonly type: string }
  /** Begins to answer, and then says nothing more. */
  | "silent";

const requestSchema = z.looseObject({
  model: z.string(),
  messages: z.array(z.looseObject({ role: z.string(), content: z.unknown() })),
});
export type ModelRequest = z.infer<typeof requestSchema>;

export interface Model extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly ModelRequest[];
  /** Turns to come; when there are none it says "done". */
  script(...turns: readonly Turn[]): void;
  /** Decides by the request, instead of the script. */
  answer: ((request: ModelRequest) => Turn) | null;
  /** Resolves when so many requests have come. */
  asked(count: number): Promise<void>;
  /** Every text that the last request carried, system prompt and reminders included. */
  lastText(): string;
}

/** Tokens that each turn says it used: 1000 in, 500 out. */
export const usage = { input_tokens: 1_000, output_tokens: 500 };

export async function openModel(): Promise<Model> {
  const requests: ModelRequest[] = [];
  const turns: Turn[] = [];
  const watchers = new Set<() => void>();
  const model: { answer: Model["answer"] } = { answer: null };
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString("utf8")));
    request.on("end", () => {
      const { method = "", url = "" } = request;
      if (method !== "POST" || !url.startsWith("/v1/messages?")) {
        response.writeHead(method === "HEAD" ? 200 : 404).end();
        return;
      }
      const asked = requestSchema.parse(JSON.parse(body));
      requests.push(asked);
      for (const look of watchers) look();
      say(response, asked, model.answer?.(asked) ?? turns.shift() ?? ["done"]);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    get answer() {
      return model.answer;
    },
    set answer(next) {
      model.answer = next;
    },
    script(...more) {
      turns.push(...more);
    },
    asked: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (requests.length < count) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
    lastText: () => JSON.stringify(requests.at(-1)),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function say(response: ServerResponse, { model }: ModelRequest, turn: Turn): void {
  if (typeof turn === "object" && "status" in turn) {
    const error = { type: "error", error: { type: turn.type, message: turn.type } };
    response.writeHead(turn.status, { "content-type": "application/json" });
    response.end(JSON.stringify(error));
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  const send = (event: ServerEvent): void =>
    void response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  for (const event of eventsOf(model, turn)) send(event);
  if (turn !== "silent") response.end();
}

interface ServerEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

function eventsOf(model: string, turn: Turn): readonly ServerEvent[] {
  const blocks = Array.isArray(turn) ? turn : [];
  const start = {
    type: "message_start",
    message: {
      id: `msg_${randomUUID()}`,
      type: "message",
      role: "assistant",
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { ...usage, output_tokens: 1 },
    },
  };
  if (turn === "silent") return [start];
  const usesTool = blocks.some((block) => typeof block === "object");
  return [
    start,
    ...blocks.flatMap((block, index) => blockEvents(block, index)),
    {
      type: "message_delta",
      delta: { stop_reason: usesTool ? "tool_use" : "end_turn", stop_sequence: null },
      usage: { output_tokens: usage.output_tokens },
    },
    { type: "message_stop" },
  ];
}

function blockEvents(
  block: string | { readonly tool: string; readonly input: Record<string, unknown> },
  index: number,
): readonly ServerEvent[] {
  const isText = typeof block === "string";
  const begun = isText
    ? { type: "text", text: "" }
    : { type: "tool_use", id: `toolu_${randomUUID()}`, name: block.tool, input: {} };
  const delta = isText
    ? { type: "text_delta", text: block }
    : { type: "input_json_delta", partial_json: JSON.stringify(block.input) };
  return [
    { type: "content_block_start", index, content_block: begun },
    { type: "content_block_delta", index, delta },
    { type: "content_block_stop", index },
  ];
}
