// Claude Code's control protocol over stdio: one JSON object a line, both ways. Measured with
// 2.1.100 and 2.1.330; types that are not named here are ignored, because there are many and more
// come with each version.

import { z } from "zod";
import type { GateAnswer, ToolCall } from "../call.ts";

const record = z.record(z.string(), z.unknown());
const usageSchema = z.object({
  input_tokens: z.number().catch(0),
  output_tokens: z.number().catch(0),
  cache_creation_input_tokens: z.number().catch(0),
  cache_read_input_tokens: z.number().catch(0),
});
const modelUsageSchema = z.object({
  inputTokens: z.number().catch(0),
  outputTokens: z.number().catch(0),
  cacheReadInputTokens: z.number().catch(0),
  cacheCreationInputTokens: z.number().catch(0),
});

const resultSchema = z.object({
  type: z.literal("result"),
  subtype: z.string().catch(""),
  is_error: z.boolean().catch(true),
  result: z.string().optional().catch(undefined),
  errors: z.array(z.string()).optional().catch(undefined),
  session_id: z.string().catch(""),
  num_turns: z.number().catch(0),
  total_cost_usd: z.number().nullable().catch(null),
  usage: usageSchema.nullable().catch(null),
  modelUsage: z.record(z.string(), modelUsageSchema).catch({}),
  permission_denials: z
    .array(z.object({ tool_name: z.string(), tool_use_id: z.string().catch("") }))
    .catch([]),
  terminal_reason: z.string().optional().catch(undefined),
  api_error_status: z.number().nullish().catch(undefined),
});
/** How a run ended. `total_cost_usd` is the session's or this process's: cost.ts tells which. */
export type ClaudeResult = z.infer<typeof resultSchema>;
export type ClaudeUsage = z.infer<typeof usageSchema>;
export type ModelUsage = z.infer<typeof modelUsageSchema>;

const blockSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: z.string() }),
  z.object({
    type: z.literal("tool_use"),
    id: z.string(),
    name: z.string(),
    input: record.catch({}),
  }),
  z.object({
    type: z.literal("tool_result"),
    tool_use_id: z.string(),
    is_error: z.boolean().nullish(),
  }),
]);
export type Block = z.infer<typeof blockSchema>;
const blocksSchema = z
  .array(z.unknown())
  .catch([])
  .transform((blocks): readonly Block[] =>
    blocks.flatMap((block) => blockSchema.safeParse(block).data ?? []),
  );

const spokenSchema = z.object({
  type: z.enum(["assistant", "user"]),
  message: z.object({ content: blocksSchema }),
  parent_tool_use_id: z.string().nullish(),
  error: z.string().nullish().catch(undefined),
});

const lineSchema = z.discriminatedUnion("type", [
  resultSchema,
  spokenSchema,
  z.object({
    type: z.literal("system"),
    subtype: z.string(),
    session_id: z.string().catch(""),
    model: z.string().catch(""),
    attempt: z.number().catch(0),
    error_status: z.number().nullish().catch(undefined),
  }),
  z.object({
    type: z.literal("stream_event"),
    parent_tool_use_id: z.string().nullish(),
    event: z.object({
      type: z.string(),
      delta: z.object({ type: z.string(), text: z.string().optional() }).optional(),
    }),
  }),
  z.object({
    type: z.literal("control_request"),
    request_id: z.string(),
    request: z.object({
      subtype: z.string().catch(""),
      tool_name: z.string().catch(""),
      tool_use_id: z.string().nullish().catch(undefined),
      // Of can_use_tool: what the tool is called with. Of a hook: what is known about the call.
      input: record.catch({}),
    }),
  }),
  z.object({ type: z.literal("control_cancel_request"), request_id: z.string() }),
  z.object({
    type: z.literal("control_response"),
    response: z.object({
      subtype: z.string(),
      request_id: z.string(),
      error: z.string().optional(),
    }),
  }),
]);

const hookInputSchema = z.object({
  tool_name: z.string().catch(""),
  tool_input: record.catch({}),
  tool_use_id: z.string().catch(""),
  cwd: z.string().catch(""),
});

/** What Claude said, in our words. */
export type Heard =
  | { readonly kind: "began"; readonly sessionId: string; readonly model: string }
  | { readonly kind: "retry"; readonly attempt: number; readonly status: number | null }
  /** A piece of the answer, of the main agent only. */
  | { readonly kind: "text"; readonly text: string }
  | {
      readonly kind: "spoke";
      readonly by: "assistant" | "user";
      readonly blocks: readonly Block[];
      /** By an agent that the main one started. */
      readonly nested: boolean;
      readonly error: string | null;
    }
  /** A tool is about to be called: `hook` comes first and always, `permission` may follow. */
  | {
      readonly kind: "hook" | "permission";
      readonly requestId: string;
      readonly call: ToolCall;
    }
  | { readonly kind: "withdrawn"; readonly requestId: string }
  | { readonly kind: "strange-request"; readonly requestId: string; readonly subtype: string }
  | { readonly kind: "answered"; readonly requestId: string; readonly error: string | null }
  | { readonly kind: "result"; readonly result: ClaudeResult }
  | { readonly kind: "ignored" }
  /** No JSON: what a program prints that is not speaking the protocol. */
  | { readonly kind: "noise"; readonly text: string };

/** Reads one line. Never throws; what cannot be understood is `ignored` or `noise`. */
export function hear(line: string): Heard {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { kind: "noise", text: line };
  }
  const parsed = lineSchema.safeParse(value);
  if (!parsed.success) return { kind: "ignored" };
  const said = parsed.data;
  switch (said.type) {
    case "result":
      return { kind: "result", result: said };
    case "assistant":
    case "user":
      return {
        kind: "spoke",
        by: said.type,
        blocks: said.message.content,
        nested: said.parent_tool_use_id != null,
        error: said.error ?? null,
      };
    case "system":
      return hearSystem(said);
    case "stream_event": {
      const { delta } = said.event;
      const isText = delta?.type === "text_delta" && said.parent_tool_use_id == null;
      return isText ? { kind: "text", text: delta.text ?? "" } : { kind: "ignored" };
    }
    case "control_request":
      return hearRequest(said.request_id, said.request);
    case "control_cancel_request":
      return { kind: "withdrawn", requestId: said.request_id };
    case "control_response":
      return {
        kind: "answered",
        requestId: said.response.request_id,
        error: said.response.subtype === "success" ? null : (said.response.error ?? "refused"),
      };
  }
}

type SystemLine = Extract<z.infer<typeof lineSchema>, { readonly type: "system" }>;

function hearSystem(said: SystemLine): Heard {
  if (said.subtype === "init") {
    return { kind: "began", sessionId: said.session_id, model: said.model };
  }
  if (said.subtype === "api_retry") {
    return { kind: "retry", attempt: said.attempt, status: said.error_status ?? null };
  }
  return { kind: "ignored" };
}

type Request = Extract<z.infer<typeof lineSchema>, { readonly type: "control_request" }>["request"];

function hearRequest(requestId: string, request: Request): Heard {
  if (request.subtype === "hook_callback") {
    const about = hookInputSchema.parse(request.input);
    const call: ToolCall = {
      tool: about.tool_name,
      input: about.tool_input,
      toolUseId: request.tool_use_id ?? about.tool_use_id,
      cwd: about.cwd,
    };
    return { kind: "hook", requestId, call };
  }
  if (request.subtype === "can_use_tool") {
    const { tool_name: tool, input, tool_use_id: id } = request;
    return { kind: "permission", requestId, call: { tool, input, toolUseId: id ?? "", cwd: "" } };
  }
  return { kind: "strange-request", requestId, subtype: request.subtype };
}

// A hook that is not answered in time is a hook that said nothing, and 2.1.100 then runs the tool
// if the user's own settings allow it. A person may take an hour: two days, in seconds.
const hookTimeoutS = 172_800;

/** The first line: every tool call comes to our hook before it runs. */
export function initializeLine(requestId: string): string {
  const hook = { matcher: null, hookCallbackIds: ["gate"], timeout: hookTimeoutS };
  const request = { subtype: "initialize", hooks: { PreToolUse: [hook] } };
  return JSON.stringify({ type: "control_request", request_id: requestId, request });
}

// Claude looks at the last text block for `/command` (which can run programs) and for `@path`
// (which reads the file), neither of them through a tool, and so past every gate. This is that block.
const trailer = "(Sent through OpenClaw Worker.)";

/** A prompt, word for word: nothing in it is a slash command or a mention of a file. */
export function promptLine(prompt: string): string {
  const content = [prompt, trailer].map((text) => ({ type: "text", text }));
  return JSON.stringify({
    type: "user",
    message: { role: "user", content },
    parent_tool_use_id: null,
  });
}

export function interruptLine(requestId: string): string {
  const request = { subtype: "interrupt" };
  return JSON.stringify({ type: "control_request", request_id: requestId, request });
}

/** Our answer to a `hook` request. */
export function hookLine(requestId: string, answer: GateAnswer): string {
  const said =
    answer.kind === "allow"
      ? {
          permissionDecision: "allow",
          ...(answer.input === undefined ? {} : { updatedInput: answer.input }),
        }
      : { permissionDecision: "deny", permissionDecisionReason: answer.why };
  return responseLine(requestId, {
    hookSpecificOutput: { hookEventName: "PreToolUse", ...said },
  });
}

/** Our answer to a `permission` request about `call`. */
export function permissionLine(requestId: string, answer: GateAnswer, call: ToolCall): string {
  return responseLine(
    requestId,
    answer.kind === "allow"
      ? { behavior: "allow", updatedInput: answer.input ?? call.input }
      : { behavior: "deny", message: answer.why },
  );
}

/** To a request that this driver does not know: an error, so that nobody waits for us. */
export function strangeLine(requestId: string): string {
  const response = { subtype: "error", request_id: requestId, error: "not supported" };
  return JSON.stringify({ type: "control_response", response });
}

function responseLine(requestId: string, response: unknown): string {
  return JSON.stringify({
    type: "control_response",
    response: { subtype: "success", request_id: requestId, response },
  });
}
