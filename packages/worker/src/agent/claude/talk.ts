// A conversation with one claude process, from its first line to its result. It answers every
// request about a tool by asking the gate, and holds what a report will need.

import { abortable, messageOf } from "@openclaw-worker/base";
import type { AgentEvent, Gate, GateAnswer, ToolCall } from "../call.ts";
import type { AgentProcess } from "../program.ts";
import {
  hear,
  hookLine,
  initializeLine,
  interruptLine,
  permissionLine,
  promptLine,
  strangeLine,
  type ClaudeResult,
  type Heard,
} from "./wire.ts";

/** A call that our policy, or a person, said no to. */
export interface Denial {
  readonly tool: string;
  readonly toolUseId: string;
  readonly why: string;
}

export interface TalkParts {
  readonly child: AgentProcess;
  readonly prompt: string;
  readonly gate: Gate;
  readonly tell: (event: AgentEvent) => void;
  /** Something was heard: the model is not silent. */
  readonly onLine: () => void;
  /** Time that is not the model's begins (a decision or a tool), and ends. */
  readonly onBusy: (what: "deciding" | "tool", busy: boolean) => void;
  /** The model's API refuses the credential, and will not be asked for ever. */
  readonly onUnauthorized: () => void;
  /** A tool has run that the gate was not asked about. */
  readonly onUnasked: (tool: string) => void;
}

const denialsMax = 100;
const noiseLinesMax = 20;

const initializeId = "initialize";
const interruptId = "interrupt";

export class Talk {
  result: ClaudeResult | null = null;
  model = "";
  /** The last thing that the main agent said whole. */
  lastText = "";
  /** The kind of API error that the last words carry, as Claude names it. */
  apiError: string | null = null;
  /** It answered us once: it speaks the protocol. */
  answered = false;
  readonly denials: Denial[] = [];
  /** Lines that were no JSON: a program that failed says why in plain words. */
  readonly noise: string[] = [];

  readonly #parts: TalkParts;
  /** It has said all that it will say. */
  readonly #ended = new AbortController();
  /** Nothing is allowed any more. */
  readonly #stopping = new AbortController();
  /** Requests that wait for the gate, by their id. */
  readonly #waiting = new Map<string, AbortController>();
  /** What was decided, or is being decided, by the call's id. */
  readonly #decisions = new Map<string, Decided>();
  readonly #running = new Set<string>();
  /** Names of the tools that were called and have not ended, by the call's id. */
  readonly #called = new Map<string, string>();

  constructor(parts: TalkParts) {
    this.#parts = parts;
  }

  /**
   * Begins. Resolves when the result is there, or the program says no more; it is read on until it
   * closes, because a program whose reader is gone may end before it has saved its session.
   */
  begin(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#ended.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    this.#parts.child.write(initializeLine(initializeId));
    void this.#read();
    return ended;
  }

  async #read(): Promise<void> {
    try {
      for await (const line of this.#parts.child.lines) {
        this.#parts.onLine();
        this.#take(hear(line));
      }
    } catch (thrown) {
      this.#note(`its output broke: ${messageOf(thrown)}`);
    }
    this.#ended.abort(new Error("the agent has ended"));
  }

  #note(text: string): void {
    if (this.noise.length < noiseLinesMax) this.noise.push(text.slice(0, 500));
  }

  /** Asks it to stop what it does. It answers with a result, and its session stays usable. */
  interrupt(): void {
    this.#stopping.abort(new Error("the task is being ended"));
    this.#parts.child.write(interruptLine(interruptId));
  }

  #take(heard: Heard): void {
    const { child, tell } = this.#parts;
    switch (heard.kind) {
      case "began":
        this.model = heard.model;
        return tell(heard);
      case "retry":
        tell(heard);
        // The first try may only have met a token that another claude has just renewed.
        if (heard.status === 401 && heard.attempt >= 2) this.#parts.onUnauthorized();
        return;
      case "text":
        return tell(heard);
      case "spoke":
        return this.#spoken(heard);
      case "hook":
      case "permission":
        return void this.#answer(heard);
      case "withdrawn":
        this.#waiting.get(heard.requestId)?.abort(new Error("the agent withdrew its request"));
        return;
      case "strange-request":
        return child.write(strangeLine(heard.requestId));
      case "answered":
        if (heard.requestId !== initializeId) return;
        this.answered = heard.error === null;
        if (heard.error === null) return child.write(promptLine(this.#parts.prompt));
        this.#note(heard.error);
        return child.endInput();
      case "result":
        this.result ??= heard.result;
        return this.#ended.abort(new Error("the agent has ended"));
      case "noise":
        return this.#note(heard.text);
      case "ignored":
    }
  }

  #spoken(heard: Extract<Heard, { readonly kind: "spoke" }>): void {
    const { tell, onBusy } = this.#parts;
    if (heard.by === "assistant" && !heard.nested) this.apiError = heard.error;
    for (const block of heard.blocks) {
      switch (block.type) {
        case "text":
          if (heard.by === "assistant" && !heard.nested) this.lastText = block.text;
          break;
        case "tool_use":
          tell({
            kind: "tool-started",
            toolUseId: block.id,
            tool: block.name,
            input: block.input,
          });
          this.#called.set(block.id, block.name);
          // What an agent below the main one does is part of the main one's call.
          if (heard.nested || this.#running.has(block.id)) break;
          this.#running.add(block.id);
          onBusy("tool", true);
          break;
        case "tool_result":
          tell({
            kind: "tool-ended",
            toolUseId: block.tool_use_id,
            failed: block.is_error === true,
          });
          this.#checkAsked(block.tool_use_id, block.is_error === true);
          if (this.#running.delete(block.tool_use_id)) onBusy("tool", false);
          break;
      }
    }
  }

  /**
   * Settings that we cannot overrule (those of a company) may switch hooks off. A call that failed
   * may have failed before it was to be asked about; one that went well has run.
   */
  #checkAsked(toolUseId: string, failed: boolean): void {
    const asked = this.#decisions.delete(toolUseId);
    const tool = this.#called.get(toolUseId);
    this.#called.delete(toolUseId);
    if (!asked && !failed && tool !== undefined) this.#parts.onUnasked(tool);
  }

  async #answer(heard: Extract<Heard, { readonly kind: "hook" | "permission" }>): Promise<void> {
    const { child } = this.#parts;
    const { requestId, call } = heard;
    const withdrawn = new AbortController();
    this.#waiting.set(requestId, withdrawn);
    const signal = AbortSignal.any([withdrawn.signal, this.#ended.signal, this.#stopping.signal]);
    const answer = await this.#decide(call, signal);
    this.#waiting.delete(requestId);
    if (withdrawn.signal.aborted) return;
    child.write(
      heard.kind === "hook" ? hookLine(requestId, answer) : permissionLine(requestId, answer, call),
    );
  }

  /**
   * One decision a call: the permission request that follows a hook is about the same thing, unless
   * something has changed the input in between. Ids are the model's: one alone proves nothing.
   */
  #decide(call: ToolCall, signal: AbortSignal): Promise<GateAnswer> {
    const known = call.toolUseId === "" ? undefined : this.#decisions.get(call.toolUseId);
    const decided = known?.then(({ tool, input, answer }) => {
      if (tool !== call.tool) return null;
      const wanted = answer.kind === "allow" && answer.input !== undefined ? answer.input : input;
      return sameInput(call.input, wanted) || sameInput(call.input, input) ? answer : null;
    });
    const fresh = (): Promise<GateAnswer> => this.#ask(call, signal);
    const answer = decided === undefined ? fresh() : decided.then((earlier) => earlier ?? fresh());
    if (call.toolUseId !== "") {
      this.#decisions.set(
        call.toolUseId,
        answer.then((answer) => ({ tool: call.tool, input: call.input, answer })),
      );
    }
    return answer;
  }

  async #ask(call: ToolCall, signal: AbortSignal): Promise<GateAnswer> {
    const { gate, tell, onBusy } = this.#parts;
    const { tool, toolUseId } = call;
    tell({ kind: "asked", call });
    onBusy("deciding", true);
    const answer = await decision(gate, call, signal).catch((thrown: unknown): GateAnswer => ({
      kind: "deny",
      why: `The worker could not decide: ${messageOf(thrown)}`,
    }));
    onBusy("deciding", false);
    const allowed = answer.kind === "allow";
    const why = answer.kind === "deny" ? answer.why : null;
    tell({ kind: "decided", toolUseId, tool, allowed, why });
    if (why !== null && this.denials.length < denialsMax) {
      this.denials.push({ tool, toolUseId, why });
    }
    return answer;
  }
}

/** A gate that throws, at once or later, or that nobody waits for any more, rejects. */
async function decision(gate: Gate, call: ToolCall, signal: AbortSignal): Promise<GateAnswer> {
  signal.throwIfAborted();
  return await abortable(gate(call, signal), signal);
}

type Decided = Promise<{
  readonly tool: string;
  readonly input: ToolCall["input"];
  readonly answer: GateAnswer;
}>;

// Both come from the same program as JSON, so a changed order of keys is at worst asked again.
function sameInput(one: ToolCall["input"], other: ToolCall["input"]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
