// The real claude does what a script of the model says, and what its driver makes of it.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { listSessions } from "../../src/agent/claude/sessions.ts";
import { usage } from "./model.ts";
import { allowAll, openClaudeStage } from "./stage.ts";

const strangePrompts = [
  "print $HOME and ${PATH} and $(id)",
  "run `id` \"now\" and 'later'",
  "-p --dangerously-skip-permissions",
  "ends with a backslash \\",
  "two\nlines\tand a tab, ünïcode ☂",
  "/cost",
  "!id",
];

test("prompts arrive as they were written, whatever a shell would make of them", async () => {
  await using stage = await openClaudeStage();
  for (const prompt of strangePrompts) {
    const { report } = await stage.run(prompt);
    assert.equal(report.outcome, "done", report.error ?? "");
    const content = stage.model.requests.at(-1)?.messages.findLast(({ role }) => role === "user");
    const blocks = JSON.stringify(content);
    assert.ok(blocks.includes(JSON.stringify({ type: "text", text: prompt }).slice(1, -1)), prompt);
  }
});

test("a scripted turn reads, edits and runs a command in the root", async () => {
  await using stage = await openClaudeStage();
  const file = path.join(stage.root, "notes.txt");
  writeFileSync(file, "one two\n");
  stage.model.script(
    ["I look.", { tool: "Read", input: { file_path: file } }],
    [{ tool: "Edit", input: { file_path: file, old_string: "two", new_string: "three" } }],
    [{ tool: "Bash", input: { command: "cat notes.txt > copy.txt", description: "copy" } }],
    ["All done."],
  );
  const { report, events, asked } = await stage.run("go", { gate: stage.gate({}) });
  assert.equal(report.outcome, "done");
  assert.equal(report.exitCode, 0);
  assert.equal(report.stdout, "All done.");
  assert.equal(readFileSync(path.join(stage.root, "copy.txt"), "utf8"), "one three\n");
  assert.deepEqual(
    asked.map(({ tool }) => tool),
    ["Read", "Edit", "Bash"],
    "one decision a call",
  );
  const kinds = events.map(({ kind }) => kind).filter((kind) => kind !== "text");
  const aCall = ["tool-started", "asked", "decided", "tool-ended"];
  assert.deepEqual(kinds, ["began", ...aCall, ...aCall, ...aCall]);
  const text = events.flatMap((event) => (event.kind === "text" ? [event.text] : [])).join("");
  assert.equal(text, "I look.All done.");
});

test("a result carries the session, the model, turns, tokens and this task's cost", async () => {
  await using stage = await openClaudeStage();
  const sessionId = randomUUID();
  const { report } = await stage.run("hi", { sessionId, model: "claude-sonnet-4-6" });
  const { metadata = {} } = report;
  assert.equal(metadata["sessionId"], sessionId);
  assert.equal(metadata["model"], "claude-sonnet-4-6");
  assert.equal(metadata["numTurns"], 1);
  assert.deepEqual(metadata["denials"], []);
  assert.deepEqual(metadata["usage"], {
    ...usage,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
  });
  assert.ok(Number(metadata["costUsd"]) > 0);
  assert.ok((report.durationMs ?? 0) > 0);
});

test("a follow-up by session id remembers, and its task is listed with the session", async () => {
  await using stage = await openClaudeStage();
  const sessionId = randomUUID();
  stage.model.script(["I will remember plum."], ["It was plum."]);
  await stage.run("remember: plum", { sessionId });
  const { report } = await stage.run("which word?", { sessionId, resume: true });
  assert.equal(report.stdout, "It was plum.");
  assert.match(stage.model.lastText(), /remember: plum/);
  assert.match(stage.model.lastText(), /I will remember plum/);
  const rows = await listSessions(stage.configDir, 10, new AbortController().signal);
  assert.deepEqual(
    rows.map(({ sessionId, cwd, topic }) => ({ sessionId, cwd, topic })),
    [{ sessionId, cwd: stage.root, topic: "remember: plum" }],
  );
});

test("costs of a session's tasks sum to its total, over several resumes", async () => {
  await using stage = await openClaudeStage();
  const sessionId = randomUUID();
  const costs: number[] = [];
  for (const resume of [false, true, true, true]) {
    stage.model.script([{ tool: "Bash", input: { command: "true", description: "x" } }], ["ok"]);
    const { report } = await stage.run("again", { sessionId, resume, model: "claude-sonnet-4-6" });
    costs.push(Number(report.metadata?.["costUsd"]));
    if (resume) continue;
    // Another session of the same folder lies between.
    await stage.run("other", { model: "claude-sonnet-4-6" });
  }
  // Sonnet: $3 a million in, $15 a million out; two turns a task.
  const each = 2 * (usage.input_tokens * 3e-6 + usage.output_tokens * 15e-6);
  for (const cost of costs) assert.ok(Math.abs(cost - each) < 1e-9, `${cost} is not ${each}`);
});

test("what Claude keeps for a while lies in the folder that it is given, not in a shared one", async () => {
  await using stage = await openClaudeStage();
  stage.model.script([{ tool: "Bash", input: { command: "true", description: "x" } }]);
  await stage.run("hi");
  assert.notDeepEqual(readdirSync(path.join(stage.home, "tmp")), []);
});

test("turns have a limit, and what was said until then is kept", async () => {
  await using stage = await openClaudeStage();
  stage.model.answer = () => [
    "Once more.",
    { tool: "Bash", input: { command: "true", description: "x" } },
  ];
  const { report } = await stage.run("for ever", { gate: allowAll, maxTurns: 2 });
  assert.equal(report.outcome, "done");
  assert.equal(report.exitCode, 1);
  assert.match(report.error ?? "", /stopped after 2 turns/);
  assert.equal(report.stdout, "Once more.");
});
