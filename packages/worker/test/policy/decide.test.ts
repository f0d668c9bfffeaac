import assert from "node:assert/strict";
import { test } from "node:test";
import { policyFor } from "../../src/approval/submitter.ts";
import * as fc from "fast-check";
import { place, type Placement } from "../../src/place.ts";
import { decide, type Decision } from "../../src/policy/decide.ts";
import type { Policy } from "../../src/policy/load.ts";
import type { Question } from "../../src/policy/question.ts";
import type { Spec } from "@openclaw-worker/protocol";
import { corpus } from "./corpus.ts";
import { home, policyFrom, root, said, saidOf, type PolicyWish, type Said } from "./desk.ts";

function placed(spec: Spec, policy: Policy): Placement {
  return place(spec, { home, roots: policy.roots, actions: policy.book?.actions ?? {} });
}

function decided(spec: Spec, policy: Policy): Decision {
  const placement = placed(spec, policy);
  assert.ok(placement.kind === "placed");
  return decide(placement, policy, []);
}

function exec(argv: readonly string[], more: object = {}): Question {
  return { kind: "exec", argv, cwd: root, fed: false, hasEnv: false, action: null, ...more };
}

test("deny wins over ask, ask over allow, allow over the default", () => {
  const lists = ["deny", "ask", "allow"] as const;
  const decision: Readonly<Record<string, Said>> = { deny: "refuse", ask: "ask", allow: "allow" };
  const rule = fc.subarray([...lists]);
  fc.assert(
    fc.property(rule, fc.constantFrom("cage", "ask", "deny"), (chosen, fallback) => {
      const rules = Object.fromEntries(chosen.map((list) => [list, ["Bash(ls *)"]]));
      const policy = policyFrom({ default: fallback, rules });
      const first = lists.find((list) => chosen.includes(list));
      const byDefault = ({ cage: "cage", ask: "ask", deny: "refuse" } as const)[fallback];
      assert.equal(saidOf("ls -l", policy), first === undefined ? byDefault : decision[first]);
    }),
  );
});

test("one more deny or ask rule never loosens a decision, and one allow rule less neither", () => {
  const strictness: Readonly<Record<Said, number>> = { allow: 0, cage: 1, ask: 2, refuse: 3 };
  const rule = fc.constantFrom(
    ...["Bash(git *)", "Bash(ls)", "Bash(echo *)", "Bash(sudo *)", "Bash(rm -rf *)", "Bash(cat *)"],
    ...["Read(**/.env*)", "Edit(./out/**)", "Read(./data/**)", 'Exec(["ls","*"])'],
  );
  const list = fc.array(rule, { maxLength: 4 });
  const command = fc.constantFrom(
    ...corpus.map(([text]) => text).filter((text) => text.length < 500),
  );
  fc.assert(
    fc.property(
      fc.record({ deny: list, ask: list, allow: list }),
      fc.constantFrom("deny", "ask"),
      rule,
      command,
      (rules, more, extra, text) => {
        const before = saidOf(text, policyFrom({ rules }));
        const narrower = { ...rules, [more]: [...rules[more === "deny" ? "deny" : "ask"], extra] };
        const after = saidOf(text, policyFrom({ rules: narrower }));
        assert.ok(strictness[after] >= strictness[before], `${before} became ${after}`);
        const less = saidOf(text, policyFrom({ rules: { ...rules, allow: rules.allow.slice(1) } }));
        // A danger is a question only while a rule allows the rest.
        if (before !== "ask") assert.ok(strictness[less] >= strictness[before]);
      },
    ),
    { numRuns: 500 },
  );
});

test("rules for commands reach argv without a shell, and the other way around", () => {
  const policy = policyFrom({
    default: "deny",
    rules: {
      deny: ["Bash(sudo *)", 'Exec(["shutdown","*"])', "Read(**/.env*)"],
      allow: ['Exec(["git","log","*"])', 'Exec(["ls"])', "Bash(ls *)", 'Exec(["env","*"])'],
    },
  });
  assert.equal(said(exec(["git", "log", "-1"]), policy), "allow");
  assert.equal(said(exec(["git", "log", "a;b $(c) *"]), policy), "allow");
  assert.equal(said(exec(["git", "log", "--output=x"]), policy), "ask");
  assert.equal(said(exec(["ls"]), policy), "allow");
  assert.equal(said(exec(["ls", "-l"]), policy), "refuse");
  assert.equal(said(exec(["env", "ls"]), policy), "refuse");
  assert.equal(said(exec(["/usr/bin/sudo", "ls"]), policy), "refuse");
  assert.equal(said(exec(["bash", "-c", "sudo ls"]), policy), "refuse");
  assert.equal(said(exec(["cat", ".env"]), policy), "refuse");

  assert.equal(saidOf("ls; shutdown now", policy), "refuse");
  assert.equal(saidOf("ls -l", policy), "allow");
});

test("variables and standard input that a task brings are not what a rule has allowed", () => {
  const policy = policyFrom({ rules: { allow: ["Bash(git log *)", "Bash(node)", "Bash(cat)"] } });
  const command = (text: string, more: object): Said =>
    said({ kind: "command", command: text, cwd: root, fed: false, hasEnv: false, ...more }, policy);
  assert.equal(command("git log", {}), "allow");
  assert.equal(command("git log", { hasEnv: true }), "cage");
  assert.equal(command("cat", { fed: true }), "allow");
  assert.equal(command("node", { fed: true }), "cage");
});

test("the dangerous key allows every command but what is denied or asked about", () => {
  const policy = policyFrom({
    default: "deny",
    rules: { deny: ["Bash(sudo *)"], allow: [{ rule: "Bash", allowDangerously: true }] },
  });
  assert.equal(saidOf("for i in a b; do python3 $i; done", policy), "allow");
  assert.equal(saidOf("git -c a=b log > x", policy), "allow");
  assert.equal(saidOf("ls $(sudo x)", policy), "refuse");
  assert.equal(saidOf("$X", policy), "ask");
});

test("files are judged by the place that their name stands for", () => {
  const policy = policyFrom({
    default: "deny",
    rules: {
      deny: ["Read(**/.env*)", "Edit(./locked/**)"],
      ask: ["Edit(./shared/**)"],
      allow: ["Read(./**)", "Edit(~/openclaw/src/**)"],
    },
  });
  const kinds = (path: string): Record<string, string> => {
    const spec = (kind: "file-read" | "file-list"): Spec => ({ kind, path });
    return {
      read: decided(spec("file-read"), policy).kind,
      list: decided(spec("file-list"), policy).kind,
      write: decided({ kind: "file-write", path, content: "", encoding: "utf8" }, policy).kind,
      edit: decided(
        { kind: "file-edit", path, oldString: "a", newString: "b", replaceAll: false },
        policy,
      ).kind,
    };
  };
  const all = (kind: string): object => ({ read: kind, list: kind, write: kind, edit: kind });
  assert.deepEqual(kinds("src/a.ts"), all("allow"));
  assert.deepEqual(kinds("doc/a.md"), { ...all("refuse"), read: "allow", list: "allow" });
  assert.deepEqual(kinds("src/../locked/a"), { ...all("refuse"), read: "allow", list: "allow" });
  assert.deepEqual(kinds("shared/a"), { ...all("ask"), read: "allow", list: "allow" });
  assert.deepEqual(kinds("src/.env"), { ...all("refuse"), write: "allow" });
  assert.deepEqual(kinds("~/.ssh/id"), all("refuse"));
  assert.deepEqual(kinds("/etc/passwd"), all("refuse"));
});

test("agents, actions and domains have rules of their own", () => {
  const policy = policyFrom({
    default: "deny",
    rules: {
      deny: ["Agent(codex)", "WebFetch(domain:bad.example.com)", "Action(wipe)"],
      ask: ["Agent(claude)"],
      allow: ["Agent(*)", "WebFetch(domain:*.example.com)", "Action(backup)"],
    },
  });
  const agent = (name: string): Said => said({ kind: "agent", name, cwd: root }, policy);
  assert.deepEqual([agent("codex"), agent("claude"), agent("gemini")], ["refuse", "ask", "allow"]);
  const domain = (name: string): Said => said({ kind: "domain", domain: name }, policy);
  assert.equal(domain("api.example.com"), "allow");
  assert.equal(domain("API.Example.com."), "allow");
  assert.equal(domain("bad.example.com"), "refuse");
  assert.equal(domain("example.com"), "refuse");
  assert.equal(domain("evil-example.com"), "refuse");
  assert.equal(said(exec(["x"], { action: "backup" }), policy), "allow");
  assert.equal(said(exec(["x"], { action: "wipe" }), policy), "refuse");
  assert.equal(said(exec(["x"], { action: "other" }), policy), "refuse");
});

test("an action is denied by what it runs, also when its name is allowed", () => {
  const policy = policyFrom({
    rules: { deny: ["Bash(rsync *)"], allow: ["Action(backup)"] },
    actions: { backup: { argv: ["rsync", "-a", "{src}", "there/"], params: { src: "path" } } },
  });
  const spec: Spec = { kind: "action", action: "backup", params: { src: "notes" } };
  assert.equal(decided(spec, policy).kind, "refuse");
});

test("with submitters required a task that nobody signed is refused, and a known one's is not", () => {
  const policy = policyFrom({ submitters: { required: true } });
  const decision = decided({ kind: "command", command: "ls" }, policyFor(policy, null));
  assert.ok(decision.kind === "refuse");
  assert.match(decision.because, /nobody whose key is known has signed/);
  assert.match(decision.remedy, /^sign it: openclaw-worker key new/);
  const signed = decided({ kind: "command", command: "ls" }, policyFor(policy, "anna"));
  assert.equal(signed.kind, "allow");
});

test("a refusal names the rule, where it stands, or the line that would allow it", () => {
  const because = (wish: PolicyWish, command: string): Decision =>
    decided({ kind: "command", command }, policyFrom(wish));
  const denied = because({ rules: { deny: ["Bash(sudo *)"] } }, "ls; sudo x");
  assert.ok(denied.kind === "refuse");
  assert.equal(denied.rule, "deny: Bash(sudo *)");
  assert.match(denied.remedy, /change "Bash\(sudo \*\)" at policy\.json:1:\d+, on this computer/);
  const unnamed = because(
    { default: "deny", rules: { allow: ["Bash(ls)"] } },
    "ls && git log -1 'a b'",
  );
  assert.ok(unnamed.kind === "refuse");
  assert.equal(unnamed.rule, null);
  assert.match(unnamed.remedy, /add "Bash\(git log -1 'a b'\)" to rules\.allow in policy\.json/);
  const file = because({ default: "deny", rules: { allow: ["Bash(echo *)"] } }, "echo a > b/c");
  assert.ok(file.kind === "refuse");
  assert.match(file.remedy, /add "Edit\(\.\/b\/c\)"/);
  const hopeless = because({ default: "deny", rules: { allow: ["Bash(ls)"] } }, "ls $X");
  assert.ok(hopeless.kind === "refuse");
  assert.match(hopeless.because, /an expansion/);
  assert.match(hopeless.remedy, /set "default" to "cage"/);
});

test("the line that a refusal proposes allows the command, and no other", () => {
  const word = fc.string({ minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
      const quoted = words.map((text) => `'${text.replaceAll("'", "'\\''")}'`).join(" ");
      const decision = decided(
        { kind: "command", command: quoted },
        policyFrom({ default: "deny", rules: { allow: ["Bash(never)"] } }),
      );
      assert.ok(decision.kind === "refuse");
      const line = /^add (".*") to rules\.allow/.exec(decision.remedy)?.[1];
      if (line === undefined) return;
      const rule: unknown = JSON.parse(line);
      const policy = policyFrom({ default: "deny", rules: { allow: [rule] } });
      assert.equal(saidOf(quoted, policy), "allow");
      assert.notEqual(saidOf(`${quoted} more`, policy), "allow");
    }),
  );
});

test("the cage is given what the rules close, once each and absolute", () => {
  const policy = policyFrom({
    rules: {
      deny: ["Read(~/.ssh/**)", "Edit(./locked/**)"],
      ask: ["Read(**/.env*)", "Read(~/.ssh)"],
    },
  });
  const decision = decided({ kind: "command", command: "ls" }, policy);
  assert.ok(decision.kind === "allow");
  assert.deepEqual(decision.cage, {
    roots: [root],
    readable: [],
    denyRead: ["/home/ann/.ssh/**", "/**/.env*", "/home/ann/.ssh"],
    denyWrite: [`${root}/locked/**`],
  });
});

test("two policies with one digest say the same, and another rule is another digest", () => {
  const [a, b, c] = [
    policyFrom({ rules: { deny: ["Bash(x)"] } }),
    policyFrom({ rules: { deny: ["Bash(x)"] } }),
    policyFrom({ rules: { deny: ["Bash(y)"] } }),
  ];
  assert.equal(a.digest, b.digest);
  assert.notEqual(a.digest, c.digest);
  assert.equal(decided({ kind: "command", command: "ls" }, a).digest, a.digest);
});

test("any text is decided, quickly enough and without a throw", () => {
  const policy = policyFrom({
    rules: { deny: ["Bash(sudo *)", "Read(**/.env*)", "Bash(* --force *)"], allow: ["Bash(ls *)"] },
  });
  const part = fc.constantFrom(
    ..."$ ( ) { } ` ' \" \\ ; & | < > \n # ! * ? [ ] = ~ a ls sudo env <<EOF EOF -c bash eval if".split(
      " ",
    ),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), fc.boolean(), (parts, blanks) => {
      saidOf(parts.join(blanks ? " " : ""), policy);
    }),
    { numRuns: 2_000 },
  );
  for (const many of [
    "sudo ",
    "env -a ",
    "bash -c '",
    "$(",
    "`",
    "xargs ",
    "{ ",
    "a=$(",
    "\\\n",
    "<<A ",
  ]) {
    saidOf(many.repeat(Math.floor(32_000 / many.length)), policy);
  }
});
