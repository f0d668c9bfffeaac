import assert from "node:assert/strict";
import { test } from "node:test";
import type { Needs } from "@openclaw-worker/protocol";
import { conclude, type Decision } from "../../src/policy/decide.ts";
import { judge } from "../../src/policy/judge.ts";
import type { Policy } from "../../src/policy/load.ts";
import { corpus } from "./corpus.ts";
import { policyFrom, root, type PolicyWish } from "./desk.ts";

interface More {
  readonly needs?: Needs;
  readonly fed?: boolean;
  readonly hasEnv?: boolean;
}

function decided(command: string, policy: Policy, more: More = {}): Decision {
  const question = {
    kind: "command",
    command,
    cwd: root,
    fed: false,
    hasEnv: false,
    ...more,
  } as const;
  return conclude(judge(question, policy), policy, []);
}

/** `outside`, or what it is in or before the cage. */
function where(command: string, policy: Policy, more: More = {}): string {
  const decision = decided(command, policy, more);
  if (decision.kind === "refuse") return "refuse";
  return decision.outside === true ? `${decision.kind} outside` : decision.kind;
}

const host: NonNullable<PolicyWish["host"]> = {
  allow: [
    "Bash(screencapture *)",
    "Bash(say hello)",
    "Bash(git fetch *)",
    "Bash(osascript -e 'beep')",
  ],
  ask: ["Bash(open -a *)", "Bash(say *)"],
};

test("outside runs what host.allow names, and needs to ask for nothing", () => {
  const policy = policyFrom({ host });
  assert.equal(where("screencapture -x shot.png", policy), "allow outside");
  assert.equal(where("screencapture a; say hello", policy), "ask outside");
  assert.equal(where("osascript -e 'beep'", policy), "allow outside");
  assert.equal(where("ls", policy), "allow");
  for (const fallback of ["ask", "deny"] as const) {
    assert.equal(
      where("screencapture x", policyFrom({ host, default: fallback })),
      "allow outside",
    );
  }
});

test("host.ask asks, and wins over host.allow", () => {
  const policy = policyFrom({ host });
  assert.equal(where("say hello", policy), "ask outside");
  assert.equal(where("say anything", policy), "ask outside");
});

test("a task may stay in the cage: by saying so, or by narrowing it", () => {
  const policy = policyFrom({ host });
  assert.equal(where("screencapture x", policy, { needs: { host: false } }), "allow");
  assert.equal(where("screencapture x", policy, { needs: { network: [] } }), "allow");
  assert.equal(
    where("screencapture x", policy, { needs: { read: ["/home/ann/openclaw"] } }),
    "allow",
  );
  assert.equal(where("screencapture x", policy, { needs: {} }), "allow outside");
  assert.equal(where("screencapture x", policy, { needs: { host: true } }), "allow outside");
  const both = decided("screencapture x", policy, { needs: { host: true, network: [] } });
  assert.ok(both.kind === "refuse");
  assert.match(both.because, /nothing is narrowed outside/);
});

test("deny and ask rules win over host rules", () => {
  const policy = policyFrom({
    host,
    rules: { deny: ["Bash(screencapture *)"], ask: ["Bash(git *)"], allow: ["Bash(git *)"] },
  });
  assert.equal(where("screencapture x", policy), "refuse");
  assert.equal(where("git fetch origin", policy), "ask outside");
  assert.equal(where("git status", policy), "ask");
});

test("to ask for the host without a rule is refused with the line to add", () => {
  for (const policy of [policyFrom({}), policyFrom({ host })]) {
    const decision = decided("xdotool key a", policy, { needs: { host: true } });
    assert.ok(decision.kind === "refuse");
    assert.match(decision.remedy, /^add "Bash\(xdotool key a\)" to host\.allow in policy\.json/);
    const added = policyFrom({ host: { allow: ["Bash(xdotool key a)"] } });
    assert.equal(where("xdotool key a", added, { needs: { host: true } }), "allow outside");
  }
  const hidden = decided("x=$(id); $x", policyFrom({ host }), { needs: { host: true } });
  assert.ok(hidden.kind === "refuse");
  assert.match(hidden.remedy, /no rule can/);
});

test("one simple command that host does not name keeps the whole line in the cage", () => {
  const policy = policyFrom({ host });
  const caged = [
    "screencapture x; ls",
    "screencapture x | cat",
    "screencapture x && rm -rf /",
    "screencapture $(cat /etc/passwd)",
    "screencapture x > out.png",
    "screencapture x < in",
    "screencapture x &",
    "X=1 screencapture x",
    "(screencapture x)",
    "screencapture x\nls",
    "screencapture *.png",
    "env screencapture x",
    "bash -c 'screencapture x'",
    "/home/ann/openclaw/screencapture x",
    "./screencapture x",
    "Screencapture x",
    "screencapture x # c",
    "screencapture \u202ex",
  ];
  for (const command of caged) assert.equal(where(command, policy), "allow", command);
  assert.equal(where("screencapture x > /dev/null 2>&1", policy), "allow outside");
  assert.equal(where("screencapture x", policy, { hasEnv: true }), "allow");
});

test("a dangerous option asks, also outside", () => {
  const policy = policyFrom({ host: { allow: ["Bash(git *)", "Bash(find *)"] } });
  assert.equal(where("git fetch", policy), "allow outside");
  assert.equal(where("git -c core.sshCommand=x fetch", policy), "ask outside");
  assert.equal(where("find . -delete", policy), "ask outside");
});

test("a program or script that a task could have written never runs outside", () => {
  const policy = policyFrom({
    host: {
      allow: [
        "Bash(./deploy.sh)",
        "Bash(/home/ann/openclaw/bin/x)",
        "Bash(bash build.sh)",
        "Bash(python3 tools/run)",
        "Bash(bash /opt/ann/build.sh)",
        "Bash(cd /opt/ann)",
        "Bash(bin/tool)",
      ],
    },
  });
  for (const command of [
    "./deploy.sh",
    "/home/ann/openclaw/bin/x",
    "bash build.sh",
    "python3 tools/run",
    "bin/tool",
    "cd /opt/ann; bin/tool",
  ]) {
    assert.equal(where(command, policy), "allow", command);
  }
  assert.equal(where("bash /opt/ann/build.sh", policy), "allow outside");
  assert.equal(where("bash /opt/ann/build.sh", policy, { fed: true }), "allow");
});

test("argv is judged by Exec rules alone, word for word", () => {
  const policy = policyFrom({ host: { allow: ['Exec(["say","*"])', "Bash(open x)"] } });
  const exec = (...argv: readonly string[]): Decision =>
    conclude(
      judge({ kind: "exec", argv, cwd: root, fed: false, hasEnv: false, action: null }, policy),
      policy,
      [],
    );
  const said = exec("say", "a; rm -rf /");
  assert.ok(said.kind === "allow" && said.outside === true);
  const open = exec("open", "x");
  assert.ok(open.kind === "allow" && open.outside !== true);
});

test("of the corpus of commands nothing runs outside that no host rule names", () => {
  const policy = policyFrom({ host });
  const named = /^(?:screencapture|say|git fetch|osascript|open)\b/;
  for (const [command] of corpus) {
    if (!named.test(command)) assert.doesNotMatch(where(command, policy), /outside/, command);
  }
});
