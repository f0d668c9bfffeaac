// The real claude, uncaged, in a home of its own, beside a stand-in for the model.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock, type Clock } from "@openclaw-worker/base";
import type { Report } from "@openclaw-worker/protocol";
import type { AgentEvent, Gate, ToolCall } from "../../src/agent/call.ts";
import type { CostMark } from "../../src/agent/claude/cost.ts";
import { claudeEnvironment } from "../../src/agent/claude/environment.ts";
import { runClaude, type ClaudeWish } from "../../src/agent/claude/run.ts";
import { openGate } from "../../src/agent/gate.ts";
import { linesOf, type AgentProcess, type StartAgent } from "../../src/agent/program.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { policyOf, type Policy } from "../../src/policy/load.ts";
import type { PolicyWish } from "../policy/desk.ts";
import { temporaryFolder } from "../stage.ts";
import { openModel, type Model } from "./model.ts";

/** The program under test: OPENCLAW_TEST_CLAUDE names another version than the pinned one. */
export const claudeProgram =
  process.env["OPENCLAW_TEST_CLAUDE"] ??
  fileURLToPath(import.meta.resolve("@anthropic-ai/claude-code/cli.js"));

/** Starts a program on the host, in a process group of its own. */
export const startUncaged: StartAgent = (argv, env, cwd) => {
  const [program = "", ...args] = argv;
  const child = spawn(program, args, {
    cwd,
    env: { ...env },
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-4_096)));
  child.stdin.on("error", () => {});
  const signal = (name: NodeJS.Signals): void => {
    try {
      process.kill(-(child.pid ?? Number.NaN), name);
    } catch {
      // It has ended.
    }
  };
  const running: AgentProcess = {
    write: (line) => void (child.stdin.writable && child.stdin.write(`${line}\n`)),
    endInput: () => void child.stdin.end(),
    lines: linesOf(child.stdout, 33_554_432),
    stderr: () => stderr,
    exited: new Promise((resolve) => {
      child.once("exit", (code, name) =>
        resolve(code ?? 128 + (name === null ? 0 : constants.signals[name])),
      );
    }),
    terminate: () => signal("SIGTERM"),
    kill: () => signal("SIGKILL"),
  };
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("spawn", () => resolve(running));
  });
};

export interface Ran {
  readonly report: Report;
  readonly events: readonly AgentEvent[];
  readonly asked: readonly ToolCall[];
}

export type RunWish = Partial<Omit<ClaudeWish, "env">> & {
  readonly gate?: Gate;
  readonly signal?: AbortSignal;
  readonly env?: Readonly<Record<string, string>>;
  readonly start?: StartAgent;
  readonly onEvent?: (event: AgentEvent) => void;
};

export interface ClaudeStage extends AsyncDisposable {
  readonly model: Model;
  readonly home: string;
  /** The only root, and where sessions work. */
  readonly root: string;
  readonly configDir: string;
  readonly costs: Map<string, CostMark>;
  readonly clock: Clock;
  policy(wish: PolicyWish): Policy;
  /** A gate of this policy, with nobody to ask. */
  gate(wish: PolicyWish): Gate;
  run(prompt: string, wish?: RunWish): Promise<Ran>;
}

export const allowAll: Gate = async () => ({ kind: "allow" });

export async function openClaudeStage(): Promise<ClaudeStage> {
  const model = await openModel();
  const home = temporaryFolder();
  const root = path.join(home, "openclaw");
  mkdirSync(root);
  const costs = new Map<string, CostMark>();
  const clock = systemClock();
  const policy = (wish: PolicyWish): Policy =>
    policyOf(parsePolicy(JSON.stringify({ roots: [root], ...wish })), {
      source: "policy.json",
      roots: [{ named: root, path: root }],
      homes: [home],
    });
  const temporary = path.join(home, "tmp");
  mkdirSync(temporary, { mode: 0o700 });
  const base = claudeEnvironment({
    base: { HOME: home, PATH: process.env["PATH"] },
    configured: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: "x" },
    temporary,
  });
  return {
    model,
    home,
    root,
    configDir: path.join(home, ".claude"),
    costs,
    clock,
    policy,
    gate: (wish) => openGate({ policy: () => policy(wish), home, cwd: root }),
    async run(prompt, wish = {}) {
      const { gate = allowAll, signal, env = {}, start = startUncaged, onEvent, ...more } = wish;
      const events: AgentEvent[] = [];
      const asked: ToolCall[] = [];
      const report = await runClaude(
        {
          program: claudeProgram,
          prompt,
          sessionId: randomUUID(),
          resume: false,
          cwd: root,
          env: { ...base, ...env },
          timeoutMs: 60_000,
          ...more,
        },
        {
          start,
          clock,
          costs: {
            read: (id) => costs.get(id) ?? null,
            write: (id, mark) => void costs.set(id, mark),
          },
          gate: (call, signal) => {
            asked.push(call);
            return gate(call, signal);
          },
          tell(event) {
            events.push(event);
            onEvent?.(event);
          },
          signal: signal ?? new AbortController().signal,
        },
      );
      return { report, events, asked };
    },
    async [Symbol.asyncDispose]() {
      await model[Symbol.asyncDispose]();
      rmSync(home, { recursive: true });
    },
  };
}
