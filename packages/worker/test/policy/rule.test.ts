import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { JsonProblem } from "../../src/policy/jsonc.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { parseRule, RuleProblem } from "../../src/policy/rule.ts";
import { policyFrom, policyFromText } from "./desk.ts";

test("a rule names its tool and what it judges", () => {
  assert.deepEqual(parseRule("Bash(git log *)"), {
    tool: "Bash",
    tokens: [{ kind: "word", text: "git" }, { kind: "word", text: "log" }, { kind: "rest" }],
  });
  assert.deepEqual(parseRule('Exec(["osascript","-e","*"])'), {
    tool: "Exec",
    tokens: [{ kind: "word", text: "osascript" }, { kind: "word", text: "-e" }, { kind: "rest" }],
  });
  assert.deepEqual(parseRule("WebFetch(domain:*.Example.com)"), {
    tool: "WebFetch",
    domain: "*.example.com",
  });
  assert.deepEqual(parseRule("Agent(claude)"), { tool: "Agent", name: "claude" });
  assert.deepEqual(parseRule("Bash"), parseRule("Bash(*)"));
  assert.deepEqual(parseRule("Read"), parseRule("Read(*)"));
});

test("quotes in a rule make characters mean themselves", () => {
  const words = (rule: string): unknown => {
    const target = parseRule(rule);
    return "tokens" in target ? target.tokens : null;
  };
  assert.deepEqual(words("Bash(echo 'a  b' \"c\" '*' d\\ e)"), [
    { kind: "word", text: "echo" },
    { kind: "word", text: "a  b" },
    { kind: "word", text: "c" },
    { kind: "word", text: "*" },
    { kind: "word", text: "d e" },
  ]);
  assert.deepEqual(words("Bash(rm --force*)"), [
    { kind: "word", text: "rm" },
    { kind: "like", text: "--force*" },
  ]);
});

test("a rule that is not understood is refused at the character where it goes wrong", () => {
  const broken: readonly (readonly [rule: string, offset: number, why: RegExp])[] = [
    ["Write(~/x)", 0, /say Edit/],
    ["bash(ls)", 0, /it is written Bash/],
    ["Shell(ls)", 0, /known are Bash, Exec/],
    ["", 0, /unknown tool ""/],
    ["Bash(ls", 7, /"\)" is missing/],
    ["Bash(ls) ", 9, /"\)" is missing/],
    ["Bash()", 5, /nothing between/],
    ["Bash(npm run:*)", 9, /write "run \*"/],
    ["Bash(echo 'a)", 10, /a quote is not closed/],
    ["Bash(a\u202Eb)", 6, /direction characters/],
    ["Exec(git status)", 5, /a JSON list/],
    ['Exec(["*","a"])', 5, /last element/],
    ["Exec([1])", 5, /not a text/],
    ["Exec([])", 5, /a JSON list/],
    ["Read(x/y)", 5, /starts with ~\//],
    ["Read(.env)", 5, /\*\*\/\.env/],
    ["Read(~ann/x)", 5, /starts with/],
    ["Read(/a/../b)", 8, /holds no ".."/],
    ["Read(/a/[b])", 8, /has no meaning/],
    ["WebFetch(example.com)", 9, /domain:example\.com/],
    ["WebFetch(domain:http://x)", 16, /no address, port or path/],
    ["Agent(a b)", 6, /a name has letters/],
  ];
  for (const [rule, offset, why] of broken) {
    assert.throws(
      () => parseRule(rule),
      (thrown: unknown) => {
        assert.ok(thrown instanceof RuleProblem, rule);
        assert.match(thrown.message, why);
        assert.equal(thrown.offset, offset, rule);
        return true;
      },
    );
  }
});

test("a broken rule is pointed at in the file, escapes counted", () => {
  const at = (text: string): string => {
    try {
      policyFromText(text);
    } catch (thrown) {
      if (thrown instanceof JsonProblem) return `${thrown.at.line}:${thrown.at.column}`;
    }
    return "no problem";
  };
  assert.equal(at('{"roots":["/r"],\n "rules":{"deny":["Bash(ls", "Bash(a)"]}}'), "2:27");
  assert.equal(at('{"roots":["/r"],\n "rules":{"deny":["Exec([\\"a\\",1])"]}}'), "2:25");
  assert.equal(at('{"roots":["/r"],\n "rules":{"ask":["Bash(\\u0061 \'x)"]}}'), "2:31");
  assert.equal(at('{"roots":["/r"],"rules":{"deny":["Bash(a)"],"dney":[]}}'), "1:45");
  assert.equal(at('{"roots":["/r"],"rules":{"deny":[{"rule":"Bash(a)","mtach":[]}]}}'), "1:52");
  assert.equal(at('{"roots":["/r"],"limits":{"perHour":0}}'), "1:37");
  assert.equal(at('{"roots":["/r"],"approvals":{"trust":["anybody"]}}'), "1:39");
});

test("what a list may not hold is refused with what to write instead", () => {
  const broken: readonly (readonly [rules: object, why: RegExp])[] = [
    [{ allow: ["Bash"] }, /"allowDangerously": true/],
    [{ allow: ["Bash(*)"] }, /allows every command/],
    [{ allow: ["Exec"] }, /allows every command/],
    [{ allow: ["Bash(* status)"] }, /only the last word/],
    [{ allow: ["Bash(git *log *)"] }, /only the last word/],
    [{ allow: ["Bash(git*)"] }, /only the last word/],
    [{ allow: [{ rule: "Bash(ls)", allowDangerously: true }] }, /names every command/],
    [{ deny: [{ rule: "Bash", allowDangerously: true }] }, /is for an allow rule/],
    [{ allow: [{ rule: "Bash", allowDangerously: false }] }, /is true or is left out/],
    [{ allow: [1] }, /a rule is a text/],
    [{ allow: "Bash(ls)" }, /must be a list of rules/],
  ];
  for (const [rules, why] of broken) {
    assert.throws(() => policyFrom({ rules }), why, JSON.stringify(rules));
  }
  policyFrom({ rules: { allow: [{ rule: "Bash", allowDangerously: true }] } });
  policyFrom({ rules: { deny: ["Bash", "Bash(* --force *)", "Bash(rm*)"] } });
  assert.throws(() => policyFrom({ host: { allow: ["Read(/x)"] } }), /names commands only/);
  assert.throws(() => policyFrom({ host: { allow: ["Bash"] } }), /never all of them/);
});

test("an example beside a rule that does not hold is a load error", () => {
  const rules = (list: string, rule: object): object => ({ [list]: [rule] });
  const wrong = [
    rules("allow", { rule: "Bash(git *)", match: ["git -c a=b log"] }),
    rules("allow", { rule: "Bash(git *)", match: ["git log; rm x"] }),
    rules("allow", { rule: "Bash(git *)", not_match: ["git log"] }),
    rules("deny", { rule: "Bash(sudo *)", not_match: ["env sudo ls"] }),
    rules("deny", { rule: "Bash(sudo *)", match: ["$X ls"] }),
    rules("ask", { rule: "Read(~/x/**)", match: ["~/y"] }),
    rules("allow", { rule: 'Exec(["a","*"])', match: ['["b"]'] }),
  ];
  for (const entry of wrong) assert.throws(() => policyFrom({ rules: entry }), /this example/);
  policyFrom({
    rules: {
      deny: [
        { rule: "Bash(sudo *)", match: ["ls $(sudo x)"], not_match: ["echo sudo"] },
        { rule: "WebFetch(domain:*.x.example)", match: ["a.x.example"], not_match: ["x.example"] },
        { rule: "Read(~/.ssh/**)", match: ["~/.ssh/id", "~/.ssh"], not_match: ["~/.sshx"] },
      ],
      allow: [
        { rule: "Bash(git *)", match: ["git log"], not_match: ["git log > x", "git -p log"] },
        { rule: 'Exec(["a","*"])', match: ['["a","b"]'], not_match: ['["b"]'] },
        { rule: "Agent(claude)", match: ["claude"], not_match: ["codex"] },
      ],
    },
  });
});

test("no text makes the reader of rules throw anything but where it goes wrong", () => {
  const part = fc.constantFrom(
    ...[
      "Bash",
      "Exec",
      "Read",
      "(",
      ")",
      "*",
      "**",
      "/",
      "~",
      ".",
      "'",
      '"',
      "\\",
      " ",
      "[",
      "a",
      ":",
    ],
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const text = parts.join("");
      try {
        parseRule(text);
      } catch (thrown) {
        assert.ok(thrown instanceof RuleProblem);
        assert.ok(thrown.offset >= 0 && thrown.offset <= text.length);
      }
    }),
  );
});

test("actions are read strictly: every mark is a parameter, and the program is fixed", () => {
  const load = (actions: object): unknown =>
    parsePolicy(JSON.stringify({ roots: ["/r"], actions }));
  assert.throws(() => load({ a: { argv: ["x", "{src}"] } }), /\{src\} is no parameter/);
  assert.throws(() => load({ a: { argv: ["{p}"], params: { p: "string" } } }), /is fixed/);
  assert.throws(() => load({ a: { argv: [] } }), /at least the program/);
  assert.throws(() => load({ a: { argv: ["x"], params: { p: "float" } } }), /a parameter is/);
  assert.throws(() => load({ "a b": { argv: ["x"] } }), /is no name of an action/);
  assert.throws(() => load({ a: { argv: ["x"], shell: true } }), /unknown key "shell"/);
  load({ a: { argv: ["x", "--to={p}"], params: { p: { enum: ["b", "c"] } } } });
});
