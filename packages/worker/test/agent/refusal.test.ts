// The gate in front of the real claude: what the policy does not allow does not happen, whatever
// the model wants and the user's own settings allow.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { linesOf, type AgentProcess, type StartAgent } from "../../src/agent/program.ts";
import { openClaudeStage, startUncaged, type ClaudeStage } from "./stage.ts";

const secretText = "TOP-SECRET-4711";

/** A home with a key in it, and settings of the user's own that allow everything. */
function careless(stage: ClaudeStage): string {
  const ssh = path.join(stage.home, ".ssh");
  mkdirSync(ssh);
  const key = path.join(ssh, "id_ed25519");
  writeFileSync(key, secretText);
  mkdirSync(stage.configDir);
  writeFileSync(
    path.join(stage.configDir, "settings.json"),
    JSON.stringify({
      permissions: {
        allow: ["Bash", "Read", "Edit", "Write", "WebFetch", "WebSearch", "Agent", "Task", "Skill"],
        additionalDirectories: ["/"],
        defaultMode: "bypassPermissions",
      },
    }),
  );
  return key;
}

test("a key in ~/.ssh is not read, and the model is told why and what would allow it", async () => {
  await using stage = await openClaudeStage();
  const key = careless(stage);
  stage.model.script([{ tool: "Read", input: { file_path: key } }], ["I may not."]);
  const { report } = await stage.run("read my key", { gate: stage.gate({}) });
  assert.equal(report.stdout, "I may not.");
  assert.doesNotMatch(stage.model.lastText(), new RegExp(secretText));
  assert.match(stage.model.lastText(), /policy refuses it: .*outside the roots/);
  assert.match(stage.model.lastText(), /policy\.json/);
  const denials = report.metadata?.["denials"];
  assert.ok(Array.isArray(denials) && denials.length === 1 && denials[0].tool === "Read");
});

test("an @mention in a prompt reads no file: only tools do, and they are judged", async () => {
  await using stage = await openClaudeStage();
  const key = careless(stage);
  await stage.run(`look at @${key} and @~/.ssh/id_ed25519`, { gate: stage.gate({}) });
  const all = JSON.stringify(stage.model.requests);
  assert.match(all, /look at @/);
  assert.doesNotMatch(all, new RegExp(secretText));
});

test("a write outside of the roots does not happen", async () => {
  await using stage = await openClaudeStage();
  careless(stage);
  const outside = path.join(stage.home, "outside.txt");
  stage.model.script(
    [{ tool: "Write", input: { file_path: outside, content: "x" } }],
    [{ tool: "Write", input: { file_path: `${stage.root}/../outside.txt`, content: "x" } }],
  );
  const { asked } = await stage.run("write", { gate: stage.gate({}) });
  assert.equal(asked.length, 2);
  assert.equal(existsSync(outside), false);
});

test("a domain is not fetched, and the rule that would allow it is named", async () => {
  await using stage = await openClaudeStage();
  careless(stage);
  const url = `${stage.model.url.replace("127.0.0.1", "localhost")}/page`;
  stage.model.script([{ tool: "WebFetch", input: { url, prompt: "what is there?" } }]);
  const { report } = await stage.run("fetch", { gate: stage.gate({}) });
  assert.match(stage.model.lastText(), /WebFetch\(domain:localhost\)/);
  assert.equal(report.outcome, "done");
});

test("a command that the user's settings allow and our policy denies does not run", async () => {
  await using stage = await openClaudeStage();
  careless(stage);
  const mark = path.join(stage.root, "ran");
  stage.model.script([{ tool: "Bash", input: { command: `touch ${mark}`, description: "x" } }]);
  const { report } = await stage.run("touch it", {
    gate: stage.gate({ rules: { deny: ["Bash(touch *)"] } }),
  });
  assert.equal(existsSync(mark), false);
  assert.match(stage.model.lastText(), /deny: Bash\(touch \*\)/);
  assert.equal(report.exitCode, 0);
});

test("an agent below the agent stands behind the same gate", async () => {
  await using stage = await openClaudeStage();
  careless(stage);
  const mark = path.join(stage.root, "ran");
  const input = { description: "d", prompt: "sub", subagent_type: "general-purpose" };
  stage.model.script(
    [{ tool: "Agent", input }],
    [{ tool: "Bash", input: { command: `touch ${mark}`, description: "x" } }],
  );
  const rules = { deny: ["Bash(touch *)"], allow: ["Agent(general-purpose)"] };
  const { asked } = await stage.run("delegate", { gate: stage.gate({ rules }) });
  assert.deepEqual(
    asked.map(({ tool }) => tool),
    ["Agent", "Bash"],
  );
  assert.equal(existsSync(mark), false);
});

test("the answer is the last one, after the agents below have ended", async () => {
  await using stage = await openClaudeStage();
  const input = { description: "d", prompt: "sub", subagent_type: "general-purpose" };
  stage.model.script([{ tool: "Agent", input }], ["from below"], ["Both are done."]);
  const { report } = await stage.run("delegate");
  assert.equal(report.stdout, "Both are done.");
});

test("hooks that the user has switched off are on for us", async () => {
  await using stage = await openClaudeStage();
  mkdirSync(stage.configDir);
  const settings = path.join(stage.configDir, "settings.json");
  writeFileSync(settings, JSON.stringify({ disableAllHooks: true }));
  // A tool that no rule of ours asks about: only the hook sees it.
  stage.model.script([{ tool: "EnterPlanMode", input: {} }]);
  const { asked } = await stage.run("go", { gate: stage.gate({}) });
  assert.ok(asked.some(({ tool }) => tool === "EnterPlanMode"));
});

test("a tool that ran unasked ends the task", async () => {
  await using stage = await openClaudeStage();
  mkdirSync(stage.configDir);
  const allow = { permissions: { allow: ["Bash"] } };
  writeFileSync(path.join(stage.configDir, "settings.json"), JSON.stringify(allow));
  stage.model.script([{ tool: "Bash", input: { command: "true", description: "x" } }], "silent");
  // As if the computer's own management had taken hooks and our rules away.
  const start: StartAgent = async (argv, env, cwd) => {
    const bare = argv.map((arg) => (arg.startsWith("--settings=") ? "--settings={}" : arg));
    const child = await startUncaged(bare, env, cwd);
    return { ...child, write: (line) => child.write(line.replace('"PreToolUse"', '"Stop"')) };
  };
  const { report, asked } = await stage.run("go", { start });
  assert.deepEqual(asked, []);
  assert.equal(report.outcome, "failed");
  assert.match(report.error ?? "", /without asking/);
});

test("a gate that throws has denied", async () => {
  await using stage = await openClaudeStage();
  careless(stage);
  const mark = path.join(stage.root, "ran");
  stage.model.script([{ tool: "Bash", input: { command: `touch ${mark}`, description: "x" } }]);
  await stage.run("go", { gate: () => Promise.reject(new Error("no disk")) });
  assert.equal(existsSync(mark), false);
  assert.match(stage.model.lastText(), /could not decide: no disk/);
});

test("a worker that vanishes while it decides has denied", async () => {
  await using stage = await openClaudeStage();
  careless(stage);
  const mark = path.join(stage.root, "ran");
  stage.model.script([{ tool: "Bash", input: { command: `touch ${mark}`, description: "x" } }]);
  let child: AgentProcess | null = null;
  const start: StartAgent = async (...how) => (child = await startUncaged(...how));
  await stage.run("go", {
    start,
    // The input ends, as when this process dies; claude lives on, and its hook never gets an answer.
    gate: (_call, signal) => {
      child?.endInput();
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    },
  });
  assert.equal(stage.model.requests.length >= 1, true);
  assert.equal(existsSync(mark), false);
});

test("a gate rewrites what a tool is called with", async () => {
  await using stage = await openClaudeStage();
  stage.model.script([
    { tool: "Bash", input: { command: "echo wanted > out.txt", description: "x" } },
  ]);
  const { asked } = await stage.run("go", {
    gate: async ({ input }) => ({
      kind: "allow",
      input: { ...input, command: "echo given > out.txt" },
    }),
  });
  assert.equal(readFileSync(path.join(stage.root, "out.txt"), "utf8"), "given\n");
  assert.equal(asked.length, 1);
});

test("a question of the agent waits for a person's words, and gets them", async () => {
  await using stage = await openClaudeStage();
  const options = ["plum", "pear"].map((label) => ({ label, description: label }));
  const question = { question: "Which?", header: "Fruit", options, multiSelect: false };
  stage.model.script([{ tool: "AskUserQuestion", input: { questions: [question] } }]);
  await stage.run("ask me", {
    gate: async ({ input }) => ({
      kind: "allow",
      input: { ...input, answers: { "Which?": "pear" } },
    }),
  });
  assert.match(stage.model.lastText(), /Which\?[^a-z]+pear/);
});

test("a repository's own settings start nothing: no hook, no MCP server", async () => {
  await using stage = await openClaudeStage();
  const folder = path.join(stage.root, ".claude");
  mkdirSync(folder);
  const mark = path.join(stage.root, "ran");
  const hook = { hooks: [{ type: "command", command: `touch ${mark}` }] };
  writeFileSync(
    path.join(folder, "settings.json"),
    JSON.stringify({
      hooks: { SessionStart: [hook], UserPromptSubmit: [hook], Stop: [hook] },
      enableAllProjectMcpServers: true,
      env: { ANTHROPIC_BASE_URL: "http://127.0.0.1:9" },
    }),
  );
  writeFileSync(
    path.join(stage.root, ".mcp.json"),
    JSON.stringify({ mcpServers: { one: { command: "touch", args: [mark] } } }),
  );
  const { report } = await stage.run("hi");
  assert.equal(report.stdout, "done");
  assert.equal(existsSync(mark), false);
});

test("lines are cut where they end, and one that is too long is dropped", async () => {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (const text of ["a", "b\nc", "\n", "\n", "x".repeat(20), "y\nd", "é".slice(0)]) {
      yield Buffer.from(text);
    }
  }
  const lines: string[] = [];
  for await (const line of linesOf(chunks(), 10)) lines.push(line);
  assert.deepEqual(lines, ["ab", "c", "", "dé"]);
});
