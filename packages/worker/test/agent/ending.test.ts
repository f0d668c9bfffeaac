// How a run of the real claude ends when something goes wrong: in words, and soon.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import path from "node:path";
import { test } from "node:test";
import type { AgentProcess, StartAgent } from "../../src/agent/program.ts";
import { allowAll, openClaudeStage, startUncaged } from "./stage.ts";

// Not a measure of speed: an end that took longer would be one that waited for something else.
const soonMs = 10_000;

test("a cancel while the model speaks leaves the session usable", async () => {
  await using stage = await openClaudeStage();
  const sessionId = randomUUID();
  const cancel = new AbortController();
  stage.model.script("silent");
  void stage.model.asked(1).then(() => cancel.abort());
  const { report } = await stage.run("remember: plum", { sessionId, signal: cancel.signal });
  assert.equal(report.outcome, "cancelled");
  assert.equal(report.exitCode, 130);
  assert.ok((report.durationMs ?? Infinity) < soonMs);
  const next = await stage.run("go on", { sessionId, resume: true });
  assert.equal(next.report.outcome, "done", next.report.error ?? "");
  assert.match(stage.model.lastText(), /remember: plum/);
});

test("a cancel while a tool runs ends the tool, and the session goes on", async () => {
  await using stage = await openClaudeStage();
  const sessionId = randomUUID();
  const cancel = new AbortController();
  stage.model.script([{ tool: "Bash", input: { command: "sleep 600", description: "x" } }]);
  const { report } = await stage.run("wait", {
    sessionId,
    signal: cancel.signal,
    onEvent: (event) => event.kind === "decided" && cancel.abort(),
  });
  assert.equal(report.outcome, "cancelled");
  assert.ok((report.durationMs ?? Infinity) < soonMs);
  const next = await stage.run("go on", { sessionId, resume: true });
  assert.equal(next.report.outcome, "done", next.report.error ?? "");
});

test("a cancel while a person is asked ends the question", async () => {
  await using stage = await openClaudeStage();
  const cancel = new AbortController();
  stage.model.script([{ tool: "Bash", input: { command: "true", description: "x" } }]);
  let withdrawn = false;
  const { report } = await stage.run("ask", {
    signal: cancel.signal,
    gate: (_call, signal) => {
      signal.addEventListener("abort", () => (withdrawn = true), { once: true });
      cancel.abort();
      return new Promise(() => {});
    },
  });
  assert.equal(report.outcome, "cancelled", report.error ?? "");
  assert.equal(withdrawn, true);
});

test("a program that ignores every word is killed", async () => {
  await using stage = await openClaudeStage();
  const cancel = new AbortController();
  const deaf = "trap '' TERM INT; echo up; while :; do sleep 1; done";
  const start: StartAgent = (_argv, env, cwd) => startUncaged(["/bin/sh", "-c", deaf], env, cwd);
  const started: AgentProcess[] = [];
  const { report } = await stage.run("hi", {
    signal: cancel.signal,
    start: async (...how) => {
      const child = await start(...how);
      started.push(child);
      cancel.abort();
      return child;
    },
  });
  assert.equal(report.outcome, "cancelled");
  assert.equal(await started[0]?.exited, 137);
});

test("a credential that the API refuses is named, with what to do, long before the retries end", async () => {
  await using stage = await openClaudeStage();
  stage.model.answer = () => ({ status: 401, type: "authentication_error" });
  const { report } = await stage.run("hi");
  assert.equal(report.outcome, "failed");
  assert.match(report.error ?? "", /not signed in/);
  assert.match(report.hint ?? "", /claude auth login/);
  assert.ok((report.durationMs ?? Infinity) < soonMs);
  assert.ok(stage.model.requests.length < 4);
});

test("one refusal of a credential that is then renewed does not end the task", async () => {
  await using stage = await openClaudeStage();
  stage.model.script({ status: 401, type: "authentication_error" }, ["fine"]);
  const { report } = await stage.run("hi");
  assert.equal(report.stdout, "fine");
});

test("no credential at all is the same answer", async () => {
  await using stage = await openClaudeStage();
  const { report } = await stage.run("hi", { env: { ANTHROPIC_API_KEY: "" } });
  assert.equal(report.outcome, "failed");
  assert.match(report.error ?? "", /not signed in/);
  assert.match(report.hint ?? "", /claude auth login/);
});

test("an overloaded model gives way to the fallback", async () => {
  await using stage = await openClaudeStage();
  const fallbackModel = "claude-haiku-4-5-20251001";
  stage.model.answer = ({ model }) =>
    model === fallbackModel ? [`from ${model}`] : { status: 529, type: "overloaded_error" };
  const { report, events } = await stage.run("hi", { model: "claude-sonnet-4-6", fallbackModel });
  assert.equal(report.stdout, `from ${fallbackModel}`);
  assert.ok(events.some((event) => event.kind === "retry" && event.status === 529));
});

test("an overloaded model without a fallback says so", async () => {
  await using stage = await openClaudeStage();
  stage.model.answer = () => ({ status: 529, type: "overloaded_error" });
  const { report } = await stage.run("hi", { model: "claude-sonnet-4-6" });
  assert.equal(report.outcome, "failed");
  assert.match(report.error ?? "", /overloaded/);
  assert.match(report.hint ?? "", /fallback model/);
  assert.ok((report.durationMs ?? Infinity) < soonMs);
});

test("a request that the API calls wrong fails with the API's words", async () => {
  await using stage = await openClaudeStage();
  stage.model.answer = () => ({ status: 400, type: "invalid_request_error" });
  const { report } = await stage.run("hi");
  assert.equal(report.outcome, "failed");
  assert.match(report.error ?? "", /invalid_request_error/);
});

test("a model that begins and says nothing more is given up, and the session is kept", async () => {
  await using stage = await openClaudeStage();
  const sessionId = randomUUID();
  stage.model.script("silent");
  const { report } = await stage.run("hi", { sessionId, silenceMs: 3_000 });
  assert.equal(report.outcome, "timeout");
  assert.match(report.error ?? "", /said nothing for 3000 ms/);
  assert.ok((report.durationMs ?? Infinity) < 3_000 + soonMs);
  const next = await stage.run("again", { sessionId, resume: true });
  assert.equal(next.report.outcome, "done", next.report.error ?? "");
});

test("time in a tool and time of a decision are no silence, and a decision costs no running time", async () => {
  await using stage = await openClaudeStage();
  stage.model.script([{ tool: "Bash", input: { command: "sleep 4", description: "x" } }], ["ok"]);
  const { report } = await stage.run("wait", {
    silenceMs: 3_500,
    timeoutMs: 9_500,
    gate: async (call, signal) => {
      await stage.clock.sleep(4_000, signal);
      return await allowAll(call, signal);
    },
  });
  assert.equal(report.outcome, "done", report.error ?? "");
  assert.equal(report.stdout, "ok");
});

test("a timeout ends the run, and the session is kept", async () => {
  await using stage = await openClaudeStage();
  stage.model.script([{ tool: "Bash", input: { command: "sleep 600", description: "x" } }]);
  const { report } = await stage.run("wait", { timeoutMs: 4_000 });
  assert.equal(report.outcome, "timeout");
  assert.equal(report.exitCode, 124);
  assert.match(report.hint ?? "", /can be resumed/);
  assert.ok((report.durationMs ?? Infinity) < 4_000 + soonMs);
});

test("a program that is not there is named, with what to do", async () => {
  await using stage = await openClaudeStage();
  const { report } = await stage.run("hi", { program: path.join(stage.home, "no-claude") });
  assert.equal(report.outcome, "failed");
  assert.match(report.error ?? "", /could not be started .*no-claude/);
  assert.match(report.hint ?? "", /Install it/);
});

test("a program that is not Claude Code fails with its own words", async () => {
  await using stage = await openClaudeStage();
  const start: StartAgent = (_argv, env, cwd) =>
    startUncaged(["/bin/sh", "-c", "echo what is this; echo no such option >&2; exit 2"], env, cwd);
  const { report } = await stage.run("hi", { start });
  assert.equal(report.outcome, "failed");
  assert.match(report.error ?? "", /exit code 2.*what is this\nno such option/s);
});

test("a session that this computer does not have is named", async () => {
  await using stage = await openClaudeStage();
  const sessionId = randomUUID();
  const { report } = await stage.run("hi", { sessionId, resume: true });
  assert.equal(report.outcome, "failed");
  assert.match(report.error ?? "", new RegExp(`no session ${sessionId}`));
  assert.equal(report.metadata?.["sessionId"], sessionId);
  assert.equal(stage.costs.size, 0);
});

test("a session id that is taken is not begun anew", async () => {
  await using stage = await openClaudeStage();
  const sessionId = randomUUID();
  await stage.run("hi", { sessionId });
  const { report } = await stage.run("hi", { sessionId });
  assert.equal(report.outcome, "failed");
  assert.match(report.error ?? "", /already/);
  assert.match(report.hint ?? "", /Resume it/);
});

test("a session id that is none, or is an option, starts nothing", async () => {
  await using stage = await openClaudeStage();
  for (const sessionId of ["latest", "--dangerously-skip-permissions", ""]) {
    const { report } = await stage.run("hi", {
      sessionId,
      start: () => Promise.reject(new Error("started")),
    });
    assert.match(report.error ?? "", /is no session id/);
  }
});
