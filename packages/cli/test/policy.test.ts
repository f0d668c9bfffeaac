import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { lineBytesMax, readLines, type Line } from "../src/policy/lines.ts";
import { launcher, openStage, runLauncher, temporaryFolder, type Ran } from "./stage.ts";

interface Desk {
  readonly home: string;
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
  policy(args: readonly string[], stdin?: string | Buffer): Promise<Ran>;
}

async function openDesk(stack: AsyncDisposableStack, text: string | null): Promise<Desk> {
  const home = await fs.realpath(await temporaryFolder(stack));
  const state = path.join(home, ".openclaw-worker");
  await fs.mkdir(path.join(home, "openclaw"));
  await fs.mkdir(state, { mode: 0o700 });
  const file = path.join(state, "policy.json");
  if (text !== null) await fs.writeFile(file, text, { mode: 0o600 });
  const env = { HOME: home };
  const policy = (args: readonly string[], stdin: string | Buffer = ""): Promise<Ran> =>
    runLauncher(["policy", ...args], { env, stdin });
  return { home, file, env, policy };
}

const rules = `{
  "roots": ["~/openclaw"],
  "default": "ask",
  "rules": {
    "deny": ["Bash(sudo *)"],
    "ask": ["Bash(git push *)"],
    "allow": ["Bash(git status)", "Bash(npm test)"]
  }
}`;

function toldIn(ran: Ran): readonly Readonly<Record<string, unknown>>[] {
  return ran.out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("each decision is one object a line, whatever it is, and the exit code is 0", async () => {
  await using stack = new AsyncDisposableStack();
  const desk = await openDesk(stack, rules);
  const asked = ["git status", "git push", "sudo ls", "make", "echo 'a\nb'"];
  const ran = await desk.policy(["test", "--json", ...asked]);
  assert.equal(ran.code, 0, ran.err);
  const told = toldIn(ran);
  assert.deepEqual(
    told.map(({ decision, rule }) => [decision, rule]),
    [
      ["allow", "allow: Bash(git status)"],
      ["ask", "ask: Bash(git push *)"],
      ["refuse", "deny: Bash(sudo *)"],
      ["ask", "default: ask"],
      ["ask", "default: ask"],
    ],
  );
  for (const one of told) assert.deepEqual(Object.keys(one), ["decision", "rule", "because"]);
  await fs.writeFile(desk.file, '{ "roots": ["~/openclaw"] }');
  const [caged] = toldIn(await desk.policy(["test", "--json", "make"]));
  assert.deepEqual([caged?.["decision"], caged?.["rule"]], ["cage", "default: cage"]);
});

test("for a person: the decision, how it came about, and the line that would allow it", async () => {
  await using stack = new AsyncDisposableStack();
  const desk = await openDesk(stack, rules);
  const ran = await desk.policy(["test", "make all", "git status", "sudo ls"]);
  assert.match(ran.out, /^ask +"make all"$/m);
  assert.match(ran.out, /· none of 1 deny and 1 ask rules names it/);
  assert.match(ran.out, /to allow it: add "Bash\(make all\)" to rules\.allow in .*policy\.json/);
  assert.match(ran.out, /it would run: in the cage, without network/);
  assert.match(ran.out, /to allow it: change "Bash\(sudo \*\)" at .*policy\.json:5:14/);
});

test("a line that is not understood is told in its place, and the others are answered", async () => {
  await using stack = new AsyncDisposableStack();
  const desk = await openDesk(stack, rules);
  const lines = [
    Buffer.from('"git status"\n\nno json\n42\n"caf'),
    Buffer.from([0xff]),
    Buffer.from('"\n["git","status"]\n"sudo ls"\r\n"npm test"'),
  ];
  const ran = await desk.policy(["test", "--json", "--stdin", "make"], Buffer.concat(lines));
  assert.equal(ran.code, 2);
  const told = toldIn(ran);
  assert.deepEqual(
    told.map(({ decision, error }) => `${String(decision)}${error === true ? ", error" : ""}`),
    [
      "ask",
      "allow",
      "refuse, error",
      "refuse, error",
      "refuse, error",
      "refuse, error",
      "refuse",
      "allow",
    ],
  );
  assert.match(
    String(told[2]?.["because"]),
    /line 3 of standard input is not understood: it is no JSON/,
  );
  assert.match(String(told[4]?.["because"]), /line 5 .* not UTF-8/);
  const argv = await desk.policy(
    ["test", "--json", "--stdin", "--as", "exec"],
    '["sudo","ls"]\n"[\\"make\\"]"\n',
  );
  assert.equal(argv.code, 0);
  assert.deepEqual(
    toldIn(argv).map(({ decision }) => decision),
    ["refuse", "ask"],
  );
});

test("lines come through however they are cut, and one that is too long costs only itself", async () => {
  const read = async (chunks: readonly Uint8Array[]): Promise<readonly Line[]> =>
    Array.fromAsync(readLines(from(chunks)));
  const text = Buffer.from('"ä"\n"b"\n\n   \n"c"');
  const whole = await read([text]);
  assert.deepEqual(
    whole.map((line) => (line.kind === "value" ? line.value : line.because)),
    ["ä", "b", "c"],
  );
  assert.deepEqual(
    whole.map(({ at }) => at),
    [1, 2, 5],
  );
  assert.deepEqual(await read([...text].map((byte) => Uint8Array.of(byte))), whole);
  const piece = Buffer.alloc(1_048_576, "x");
  const long = Array.from({ length: lineBytesMax / piece.length + 1 }, () => piece);
  const [first, second] = await read([...long, Buffer.from('\n"after"\n')]);
  assert.ok(first?.kind === "broken" && /longer than/.test(first.because));
  assert.deepEqual(second, { kind: "value", at: 2, value: "after" });
});

async function* from(chunks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}

test("answers stream: the first is there before the last question is asked", async () => {
  await using stack = new AsyncDisposableStack();
  const desk = await openDesk(stack, rules);
  const child = spawn(process.execPath, [launcher, "policy", "test", "--json", "--stdin"], {
    env: { PATH: "/usr/bin:/bin", ...desk.env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.write('"git status"\n');
  const [first] = await once(child.stdout, "data");
  assert.match(String(first), /^\{"decision":"allow"/);
  child.stdin.end('"make"\n');
  const [second] = await once(child.stdout, "data");
  assert.match(String(second), /^\{"decision":"ask"/);
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
});

test("100,000 commands are answered in order", { timeout: 110_000 }, async () => {
  await using stack = new AsyncDisposableStack();
  const desk = await openDesk(stack, rules);
  const count = 100_000;
  const asked = Array.from({ length: count }, (_, n) => (n % 2 === 0 ? "git status" : `sudo ${n}`));
  const stdin = asked.map((text) => JSON.stringify(text)).join("\n");
  const ran = await desk.policy(["test", "--json", "--stdin"], stdin);
  assert.equal(ran.code, 0);
  const lines = ran.out.trimEnd().split("\n");
  assert.equal(lines.length, count);
  for (const [n, line] of lines.entries()) {
    const start = n % 2 === 0 ? '{"decision":"allow"' : '{"decision":"refuse"';
    if (!line.startsWith(start) || (n % 2 === 1 && !line.includes(`sudo ${n}`))) assert.fail(line);
  }
});

test("a policy that is broken, missing or another one, and questions that are none", async () => {
  await using stack = new AsyncDisposableStack();
  const desk = await openDesk(stack, null);
  const none = await desk.policy(["test", "ls"]);
  assert.equal(none.code, 1);
  assert.match(none.err, /policy init/);
  const other = path.join(desk.home, "other.json");
  await fs.writeFile(other, rules);
  const [told] = toldIn(await desk.policy(["test", "--json", "--policy", other, "git status"]));
  assert.equal(told?.["decision"], "allow");
  await fs.writeFile(other, '{ "roots": ["~/openclaw"],\n  "rulez": {} }');
  const broken = await desk.policy(["test", "--policy", other, "ls"]);
  assert.equal(broken.code, 1);
  assert.match(broken.err, /other\.json:2:3: unknown key "rulez"/);
  assert.equal((await desk.policy(["check", "--policy", other])).code, 1);
  for (const args of [["test"], ["test", "--as", "dance", "ls"], ["test", "--needs", "x", "ls"]])
    assert.equal((await desk.policy(args)).code, 2, args.join(" "));
});

test("init writes a policy that is good, and that closes keys and .env files from the first day", async () => {
  await using stack = new AsyncDisposableStack();
  const desk = await openDesk(stack, null);
  const made = await desk.policy(["init"]);
  assert.equal(made.code, 0, made.err);
  assert.equal((await fs.stat(desk.file)).mode & 0o777, 0o600);
  const check = await desk.policy(["check", "--json"]);
  assert.deepEqual(JSON.parse(check.out).errors, []);
  assert.equal(check.code, 0);
  const decided = async (...args: readonly string[]): Promise<unknown> =>
    toldIn(await desk.policy(["test", "--json", ...args]))[0]?.["decision"];
  for (const command of [
    "npm test",
    "git status && rm -rf ~",
    "curl https://example.com",
    'sh -c "$X"',
  ])
    assert.equal(await decided(command), "cage", command);
  for (const command of ["cat ~/.ssh/id_ed25519", "cat app/.env", "cat < .env"])
    assert.equal(await decided(command), "refuse", command);
  assert.equal(await decided("--as", "read", "openclaw/a/.env"), "refuse");
  const again = await desk.policy(["init"]);
  assert.equal(again.code, 1);
  assert.match(again.err, /only you change it/);
});

test("init refuses a root that hands over too much, in words, and writes nothing", async () => {
  await using stack = new AsyncDisposableStack();
  const desk = await openDesk(stack, null);
  for (const root of ["/", "~", "/etc", "/home", "~/.openclaw-worker", "/tmp", "/proc/self/root"]) {
    const made = await desk.policy(["init", root]);
    assert.equal(made.code, 1, root);
    assert.match(made.err, /would refuse this policy[^]*Name folders/, root);
  }
  await assert.rejects(fs.stat(desk.file));
});

test("explain names the rule, the policy and the place in it", async () => {
  let digest = "";
  const no = {
    exitCode: 126,
    outcome: "refused",
    error: "Refused by policy: no",
    hint: "change it",
  };
  await using stage = await openStage((spec) =>
    spec.kind === "command" && spec.command.startsWith("sudo")
      ? { ...no, rule: "deny: Bash(sudo *)", policyDigest: digest }
      : { outcome: "done", rule: "default: cage", policyDigest: digest },
  );
  const home = path.join(stage.folder, "home");
  await fs.mkdir(path.join(stage.folder, "openclaw"));
  await fs.mkdir(home, { recursive: true });
  const file = path.join(home, "policy.json");
  await fs.writeFile(file, rules.replace("~/openclaw", path.join(stage.folder, "openclaw")));
  const check = await stage.cli(["policy", "check", "--json"]);
  digest = JSON.parse(check.out).digest;

  const run = async (command: string): Promise<string> => {
    const ran = await stage.cli(["run", "--json", command]);
    return JSON.parse(ran.out).taskId;
  };
  const refused = await run("sudo ls");
  const text = await stage.cli(["policy", "explain", refused]);
  assert.match(text.out, /^outcome +refused, on home$/m);
  assert.match(text.out, /^rule +deny: Bash\(sudo \*\)$/m);
  assert.match(text.out, /policy\.json:5:14 deny: Bash\(sudo \*\)/);
  assert.match(text.out, /^policy +[0-9a-f]{12}, which is in force on this computer$/m);
  const ran = await stage.cli(["policy", "explain", await run("ls")]);
  assert.match(ran.out, /no rule names it, and the default let it run/);

  await fs.writeFile(file, `{ "roots": [${JSON.stringify(path.join(stage.folder, "openclaw"))}] }`);
  const later = await stage.cli(["policy", "explain", "--json", refused]);
  const said = JSON.parse(later.out);
  assert.deepEqual([said.policyDigest, said.inForceHere, said.places], [digest, false, []]);
});
