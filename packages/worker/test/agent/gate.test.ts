// Claude's tools as questions to a policy, and what follows.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ToolCall } from "../../src/agent/call.ts";
import { openGate, ruleOn, type Ruling } from "../../src/agent/gate.ts";
import { readCall } from "../../src/agent/tools.ts";
import { home, policyFrom, root, type PolicyWish } from "../policy/desk.ts";

const ground = { home, roots: [{ named: root, path: root }], cwd: `${root}/app` };

function callOf(tool: string, input: ToolCall["input"] = {}, cwd = ""): ToolCall {
  return { tool, input, toolUseId: "t1", cwd };
}

function rule(call: ToolCall, wish: PolicyWish = {}): Ruling {
  return ruleOn(call, policyFrom({ rules: {}, ...wish }), ground);
}

test("every file tool is a question about one absolute path", () => {
  const rows: readonly (readonly [string, ToolCall["input"], string, string])[] = [
    ["Read", { file_path: "/etc/passwd" }, "read", "/etc/passwd"],
    ["Read", { file_path: "a.txt" }, "read", `${root}/app/a.txt`],
    ["Read", { file_path: "../../x" }, "read", `${home}/x`],
    ["Read", { file_path: "~/.ssh/id" }, "read", `${home}/.ssh/id`],
    ["NotebookRead", { notebook_path: "n.ipynb" }, "read", `${root}/app/n.ipynb`],
    ["LS", { path: `${root}/./b//c` }, "read", `${root}/b/c`],
    ["Write", { file_path: "w" }, "edit", `${root}/app/w`],
    ["Edit", { file_path: "w" }, "replace", `${root}/app/w`],
    ["MultiEdit", { file_path: "w" }, "replace", `${root}/app/w`],
    ["NotebookEdit", { notebook_path: "n" }, "replace", `${root}/app/n`],
    ["Grep", { pattern: "x" }, "read", `${root}/app`],
    ["Grep", { pattern: "x", path: "/var/log" }, "read", "/var/log"],
    ["Glob", { pattern: "**/*.ts" }, "read", `${root}/app`],
    ["Glob", { pattern: "src/*.ts" }, "read", `${root}/app/src`],
    ["Glob", { pattern: "*", path: "/etc" }, "read", "/etc"],
    ["Glob", { pattern: "/etc/*.conf" }, "read", "/etc"],
    ["Glob", { pattern: "/*" }, "read", "/"],
    ["Glob", { pattern: "../../../*" }, "read", "/home"],
    ["Glob", { pattern: "~/.ssh/*" }, "read", `${home}/.ssh`],
  ];
  for (const [tool, input, kind, path] of rows) {
    assert.deepEqual(
      readCall(callOf(tool, input), ground),
      { kind: "questions", questions: [{ kind, path }] },
      `${tool} ${JSON.stringify(input)}`,
    );
  }
});

test("a relative name is looked for where the agent stands, and a linked root at its real place", () => {
  const linked = { ...ground, roots: [{ named: "/home/ann/link", path: "/data/real" }] };
  assert.deepEqual(readCall(callOf("Read", { file_path: "x" }, "/home/ann/link/sub"), linked), {
    kind: "questions",
    questions: [{ kind: "read", path: "/data/real/sub/x" }],
  });
  assert.deepEqual(readCall(callOf("Bash", { command: "ls" }, `${root}/sub`), ground), {
    kind: "questions",
    questions: [{ kind: "command", command: "ls", cwd: `${root}/sub`, fed: false, hasEnv: false }],
  });
});

test("a search that may climb out of its folder needs a person", () => {
  for (const pattern of ["*/../../*", "{a,../../b}/*", "{/etc,x}/*", "a/{b/../../c,d}"]) {
    assert.equal(rule(callOf("Glob", { pattern })).kind, "ask", pattern);
  }
});

test("the default runs commands and files in the roots, and refuses what lies outside", () => {
  assert.equal(rule(callOf("Bash", { command: "npm test" })).kind, "allow");
  assert.equal(rule(callOf("Write", { file_path: "x" })).kind, "allow");
  assert.equal(rule(callOf("Read", { file_path: "~/.ssh/id" })).kind, "deny");
  assert.equal(rule(callOf("Bash", { command: "ls" }, "/etc")).kind, "deny");
  assert.equal(rule(callOf("Bash", { command: "ls" }), { default: "ask" }).kind, "ask");
  assert.equal(rule(callOf("Bash", { command: "ls" }), { default: "deny" }).kind, "deny");
});

test("rules decide: deny before ask before allow", () => {
  const rules = {
    deny: ["Bash(sudo *)", "Read(**/.env*)"],
    ask: ["Bash(git push *)"],
    allow: ["Bash(git status)", "WebFetch(domain:docs.example.com)", "Agent(Explore)"],
  };
  const kindOf = (tool: string, input: ToolCall["input"]): string =>
    rule(callOf(tool, input), { default: "deny", rules }).kind;
  assert.equal(kindOf("Bash", { command: "echo $(sudo id)" }), "deny");
  assert.equal(kindOf("Bash", { command: "git push origin" }), "ask");
  assert.equal(kindOf("Bash", { command: "git status" }), "allow");
  assert.equal(kindOf("Bash", { command: "git log" }), "deny");
  assert.equal(kindOf("Read", { file_path: ".env.local" }), "deny");
  assert.equal(kindOf("WebFetch", { url: "https://docs.example.com/a?b#c" }), "allow");
  assert.equal(kindOf("WebFetch", { url: "https://docs.example.com.evil.org/" }), "deny");
  assert.equal(kindOf("WebFetch", { url: "https://docs.example.com@evil.org/" }), "deny");
  assert.equal(kindOf("Agent", { subagent_type: "Explore" }), "allow");
});

test("the default never gives network or more agents: these ask, and name their rule", () => {
  const fetched = rule(callOf("WebFetch", { url: "https://example.com/" }));
  assert.ok(fetched.kind === "ask" && fetched.remedy.includes("WebFetch(domain:example.com)"));
  const host = rule(callOf("SandboxNetworkAccess", { host: "example.com" }));
  assert.equal(host.kind, "ask");
  const agent = rule(callOf("Task", { subagent_type: "general-purpose" }));
  assert.ok(agent.kind === "ask" && agent.remedy.includes("Agent(general-purpose)"));
});

test("a web search is refused without a rule for every domain", () => {
  const search = callOf("WebSearch", { query: "x" });
  const refused = rule(search);
  assert.ok(refused.kind === "deny" && refused.remedy.includes("WebFetch(domain:*)"));
  assert.equal(rule(search, { rules: { allow: ["WebFetch(domain:a.com)"] } }).kind, "deny");
  assert.equal(rule(search, { rules: { allow: ["WebFetch(domain:*)"] } }).kind, "allow");
  assert.equal(rule(search, { rules: { ask: ["WebFetch(domain:*)"] } }).kind, "ask");
});

test("tools of MCP servers, and tools that nobody knows, need a person each time", () => {
  for (const tool of ["mcp__github__create_issue", "Skill", "CronCreate", "toString", "", "New"]) {
    assert.equal(rule(callOf(tool)).kind, "ask", tool);
  }
  assert.equal(rule(callOf("Agent", { isolation: "remote" })).kind, "ask");
  const escape = { command: "id", dangerouslyDisableSandbox: true };
  assert.equal(rule(callOf("Bash", escape)).kind, "ask");
});

test("what makes no sense is refused", () => {
  const rows: readonly (readonly [string, ToolCall["input"]])[] = [
    ["Bash", {}],
    ["Bash", { command: 7 }],
    ["Read", { file_path: "a\0b" }],
    ["Read", { path: "x" }],
    ["Write", { file_path: "" }],
    ["Glob", { pattern: ["*"] }],
    ["Grep", { path: 1 }],
    ["WebFetch", { url: "file:///etc/passwd" }],
    ["WebFetch", {}],
  ];
  for (const [tool, input] of rows) {
    assert.equal(rule(callOf(tool, input)).kind, "deny", `${tool} ${JSON.stringify(input)}`);
  }
});

test("a to-do list is the session's own; a question goes to a person", () => {
  assert.equal(rule(callOf("TodoWrite"), { default: "deny" }).kind, "allow");
  assert.equal(rule(callOf("AskUserQuestion")).kind, "question");
  assert.equal(rule(callOf("ExitPlanMode")).kind, "question");
});

test("without a person to ask, what needs one is refused, with the line that would allow it", async () => {
  const policy = policyFrom({ rules: {} });
  const gate = openGate({ policy: () => policy, home, cwd: root });
  const { signal } = new AbortController();
  const fetched = await gate(callOf("WebFetch", { url: "https://example.com/" }), signal);
  assert.ok(fetched.kind === "deny");
  assert.match(fetched.why, /nobody can be asked now/);
  assert.match(
    fetched.why,
    /add "WebFetch\(domain:example\.com\)" to rules\.allow in policy\.json/,
  );
  const question = await gate(callOf("AskUserQuestion"), signal);
  assert.ok(question.kind === "deny" && /end with your question/.test(question.why));
});

test("with a person, they are asked what needs them and nothing else, by the policy in force", async () => {
  let wish: PolicyWish = { rules: {} };
  const asked: string[] = [];
  const noted: string[] = [];
  const gate = openGate({
    policy: () => policyFrom(wish),
    home,
    cwd: root,
    askPerson: async ({ tool }, ruling) => {
      asked.push(`${tool} ${ruling.kind}`);
      return { kind: "allow" };
    },
    note: ({ tool }, ruling) => void noted.push(`${tool} ${ruling.kind}`),
  });
  const { signal } = new AbortController();
  const run = callOf("Bash", { command: "ls" });
  assert.equal((await gate(run, signal)).kind, "allow");
  wish = { default: "ask", rules: {} };
  assert.equal((await gate(run, signal)).kind, "allow");
  wish = { default: "deny", rules: {} };
  assert.equal((await gate(run, signal)).kind, "deny");
  assert.equal((await gate(callOf("AskUserQuestion"), signal)).kind, "allow");
  assert.deepEqual(asked, ["Bash ask", "AskUserQuestion question"]);
  assert.deepEqual(noted, ["Bash allow", "Bash ask", "Bash deny", "AskUserQuestion question"]);
});
