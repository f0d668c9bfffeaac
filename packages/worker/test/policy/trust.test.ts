// Rules that say themselves whose yes counts, and whose tasks they are for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { policyFor } from "../../src/approval/submitter.ts";
import { conclude } from "../../src/policy/decide.ts";
import { JsonProblem } from "../../src/policy/jsonc.ts";
import { judge } from "../../src/policy/judge.ts";
import { policyNotes } from "../../src/policy/notes.ts";
import type { Question } from "../../src/policy/question.ts";
import { policyFrom, policyFromText, root, saidOf, type PolicyWish } from "./desk.ts";

function trustIn(question: Question, wish: PolicyWish): readonly string[] | null {
  const policy = policyFrom(wish);
  const decision = conclude(judge(question, policy), policy, []);
  return decision.kind === "ask" ? decision.trust : null;
}

function command(text: string, more: object = {}): Question {
  return { kind: "command", command: text, cwd: root, fed: false, hasEnv: false, ...more };
}

const byToken = { rule: "Bash(git push *)", trust: ["token"] };
const byHand = { rule: "Bash(git push *)", trust: ["local"] };

test("a rule that asks says whose yes counts, and without it the policy does", () => {
  const push = command("git push origin");
  assert.deepEqual(trustIn(push, { rules: { ask: ["Bash(git push *)"] } }), ["local", "signed"]);
  assert.deepEqual(trustIn(push, { rules: { ask: [byHand] } }), ["local"]);
  assert.deepEqual(trustIn(push, { rules: { ask: [byToken] } }), ["token"]);
  const approvals = { trust: ["signed"] };
  assert.deepEqual(trustIn(push, { approvals, rules: { ask: ["Bash(git push *)"] } }), ["signed"]);
  assert.deepEqual(trustIn(push, { approvals, rules: { ask: [byHand] } }), ["local"]);
  assert.deepEqual(trustIn(push, { approvals, default: "ask" }), ["signed"]);
  assert.deepEqual(trustIn(push, { default: "ask" }), ["local", "signed"]);
});

test("of several rules that ask, each must trust the yes, whatever their order", () => {
  const wide = { rule: "Bash(git *)", trust: ["token", "signed"] };
  for (const ask of [
    [wide, byToken],
    [byToken, wide],
  ]) {
    assert.deepEqual(trustIn(command("git push x"), { rules: { ask } }), ["token"]);
  }
  for (const ask of [
    [byHand, byToken],
    [byToken, byHand],
  ]) {
    assert.deepEqual(trustIn(command("git push x"), { rules: { ask } }), []);
  }
  const plain = ["Bash(git *)", byToken];
  assert.deepEqual(trustIn(command("git push x"), { rules: { ask: plain } }), []);
});

test("a rule trusts more than the policy for what it names, and for nothing that comes with it", () => {
  const wish = { rules: { ask: [{ rule: "Bash(git push *)", trust: ["local", "token"] }] } };
  assert.deepEqual(trustIn(command("git push x"), wish), ["local", "token"]);
  const more = [
    command("git push x; rm -rf y"),
    command("git push x > hooks"),
    command("git push $(rm y)"),
    command("sudo git push x"),
    command("$X push"),
    command("python3 -c 'git push'"),
    command("git push x", { hasEnv: true }),
    command("git push x", { fed: true }),
    command("git push x", { needs: { network: ["example.com"] } }),
  ];
  for (const fallback of ["cage", "ask", "deny"] as const) {
    for (const question of more) {
      const trust = trustIn(question, { ...wish, default: fallback });
      // What a default of "deny" refuses is not asked about.
      assert.deepEqual(trust ?? ["local"], ["local"], JSON.stringify(question));
    }
  }
});

test("each thing that a task needs is asked about by its own rules", () => {
  const network = { network: ["a.example.com"] };
  const ask = [
    { rule: "WebFetch(domain:*.example.com)", trust: ["local", "signed"] },
    { rule: "WebFetch(domain:a.example.com)", trust: ["signed", "token"] },
  ];
  assert.deepEqual(trustIn(command("ls", { needs: network }), { rules: { ask } }), ["signed"]);
  const notes = { rule: "Read(./notes/**)", trust: ["token"] };
  const file: Question = { kind: "read", path: `${root}/notes/x` };
  assert.deepEqual(trustIn(file, { rules: { ask: [notes] } }), ["token"]);
  const asked = trustIn(command("cat notes/x"), { rules: { ask: [notes] } });
  assert.deepEqual(asked, [], "the command that reads it is not what the rule names");
});

test("a rule for outside of the cage has its say too", () => {
  const host = { ask: [{ rule: "Bash(screencapture *)", trust: ["token"] }] };
  assert.deepEqual(trustIn(command("screencapture x"), { host }), ["token"]);
  const ask = [{ rule: "Bash(screencapture *)", trust: ["local", "token"] }];
  assert.deepEqual(trustIn(command("screencapture x"), { host, rules: { ask } }), ["token"]);
  const apart = [{ rule: "Bash(screencapture *)", trust: ["local"] }];
  assert.deepEqual(trustIn(command("screencapture x"), { host, rules: { ask: apart } }), []);
});

test("trust where nobody is asked, and words that are none, are errors with their place", () => {
  const problem = (text: string): string => {
    try {
      policyFromText(text);
    } catch (thrown) {
      assert.ok(thrown instanceof JsonProblem);
      return `${thrown.at.line}:${thrown.at.column} ${thrown.message}`;
    }
    return "none";
  };
  const around = (list: string, rule: string): string =>
    `{ "roots": ["~/x"],\n"rules": { "${list}": [\n${rule}\n] } }`;
  for (const list of ["allow", "deny"]) {
    const found = problem(around(list, '{ "rule": "Bash(ls)",\n "trust": ["local"] }'));
    assert.match(found, /^4:11 Bash\(ls\): "trust" is for rules that ask/);
  }
  const host = '{ "roots": ["~/x"], "host": { "allow": [{ "rule": "Bash(ls)", "trust": [] }] } }';
  assert.match(problem(host), /"trust" is for rules that ask/);
  assert.match(
    problem(around("ask", '{ "rule": "Bash(ls)", "trust": ["me"] }')),
    /^3:33 whose yes counts is "local", "signed" or "token"/,
  );
  assert.match(problem(around("ask", '{ "rule": "Bash(ls)", "trust": "local" }')), /is a list of/);
  assert.match(
    problem(around("ask", '{ "rule": "Bash(ls)", "submitter": "a b" }')),
    /^3:36 "submitter" is no name/,
  );
  assert.equal(problem(around("ask", '{ "rule": "Bash(ls)", "submitter": "anna" }')), "none");
});

test("a rule that names a submitter is for what that one signed, in every list", () => {
  const policy = policyFrom({
    default: "deny",
    rules: {
      deny: [{ rule: "Bash(rm *)", submitter: "bot" }],
      ask: [{ rule: "Bash(git push *)", submitter: "bot" }],
      allow: [{ rule: "Bash(ls)", submitter: "anna" }, "Bash(rm x)", "Bash(git push *)"],
    },
  });
  const said = (name: string | null) =>
    ["ls", "rm x", "git push x"].map((text) => saidOf(text, policyFor(policy, name)));
  assert.deepEqual(said("anna"), ["allow", "allow", "allow"]);
  assert.deepEqual(said("bot"), ["refuse", "refuse", "ask"]);
  assert.deepEqual(said(null), ["refuse", "allow", "allow"]);
});

test("the check tells of submitters whom nobody knows, of rules that can be got around, and of wide trust", () => {
  const policy = policyFrom({
    approvals: { trust: ["local", "token"] },
    rules: {
      ask: [
        { rule: "Bash(a)", submitter: "anna" },
        { rule: "Bash(b)", trust: [] },
        { rule: "Bash(c *)", trust: ["token"] },
      ],
      allow: [
        { rule: "Bash(d)", submitter: "nobody" },
        { rule: "Bash(e)", submitter: "rita" },
      ],
    },
    submitters: { keys: { rita: "ssh-ed25519 AAAA" } },
  });
  const notes = policyNotes(policy, undefined, ["anna"]);
  assert.equal(notes.length, 5, notes.join("\n"));
  assert.match(notes[0] ?? "", /ask: Bash\(a\): whoever carries the task can take the signature/);
  assert.match(notes[1] ?? "", /ask: Bash\(b\): the rule trusts nobody's yes/);
  assert.match(notes[2] ?? "", /ask: Bash\(c \*\): the rule trusts "token"/);
  assert.match(notes[3] ?? "", /allow: Bash\(d\): nobody knows the key of nobody/);
  assert.match(notes[4] ?? "", /policy\.json: approvals\.trust trusts "token"/);
  const quiet = policyNotes(policyFrom({ rules: { ask: ["Bash(git push *)"] } }));
  assert.deepEqual(quiet, [], "somebody can be asked");
});
