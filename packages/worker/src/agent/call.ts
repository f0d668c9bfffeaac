// What an agent's driver asks before a tool runs, and what it is told.

/** One tool call that an agent is about to make. */
export interface ToolCall {
  /** The agent's own name of the tool: `Bash`, `mcp__github__create_issue`. */
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** The agent's id of this call; "" when it gave none. */
  readonly toolUseId: string;
  /** Absolute folder in which the agent stands now: a `cd` of an earlier command moves it. */
  readonly cwd: string;
}

export type GateAnswer =
  /** `input` replaces what the agent wanted to call the tool with. */
  | { readonly kind: "allow"; readonly input?: Readonly<Record<string, unknown>> | undefined }
  /** `why` is read by the model. */
  | { readonly kind: "deny"; readonly why: string };

/**
 * Decides one call; may wait for a person. The signal aborts when nobody needs the answer any more.
 * A gate that throws has denied.
 */
export type Gate = (call: ToolCall, signal: AbortSignal) => Promise<GateAnswer>;

/** What happens in a run, for whoever watches it live. */
export type AgentEvent =
  | { readonly kind: "began"; readonly sessionId: string; readonly model: string }
  /** A piece of the agent's answer, as it is written. */
  | { readonly kind: "text"; readonly text: string }
  | {
      readonly kind: "tool-started";
      readonly toolUseId: string;
      readonly tool: string;
      readonly input: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: "tool-ended"; readonly toolUseId: string; readonly failed: boolean }
  | { readonly kind: "asked"; readonly call: ToolCall }
  | {
      readonly kind: "decided";
      readonly toolUseId: string;
      readonly tool: string;
      readonly allowed: boolean;
      /** Why not; null after a yes. */
      readonly why: string | null;
    }
  /** The model's API did not answer well and is asked again. `status` is null without an answer. */
  | { readonly kind: "retry"; readonly attempt: number; readonly status: number | null };
