// The stolen plane sends tasks: malformed, monstrous, or well formed and evil. Each gets one terminal
// answer with a reason, what the policy does not give is not taken, and the next honest task runs.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { newTaskId } from "@openclaw-worker/protocol";
import { openDen, type Den } from "./den.ts";
import { taskOf, type Told } from "./plane.ts";

let den: Den;
before(async () => {
  den = await openDen();
  mkdirSync(path.join(den.root, "folder"));
  writeFileSync(path.join(den.root, "file"), "honest\n");
  symlinkSync(den.outside, path.join(den.root, "way-out"));
  symlinkSync("/proc/self/environ", path.join(den.root, "environ"));
  symlinkSync(path.join(den.home, ".ssh/id_ed25519"), path.join(den.root, "key"));
});
after(() => den[Symbol.asyncDispose]());

/** Sends one entry of `tasks` as it is; resolves with what is reported for its id. */
async function send(entry: Readonly<Record<string, unknown>>): Promise<Told> {
  await den.plane.inject({ tasks: [entry] });
  return await den.plane.report(String(entry["id"]));
}

const command = (text: string, more: object = {}) => ({ kind: "command", command: text, ...more });

/** Each would make a file in `outside`, or print the secret, if it did what it says. */
const malformed: Readonly<Record<string, (task: ReturnType<typeof taskOf>) => object>> = {
  "an unknown kind": (task) => ({ ...task, spec: { kind: "host-shell", command: "id" } }),
  "no kind": (task) => ({ ...task, spec: { command: "id" } }),
  "a kind from the prototype": (task) => ({ ...task, spec: { kind: "constructor" } }),
  "two kinds": (task) => ({ ...task, spec: { kind: ["command", "exec"], command: "id" } }),
  "a spec that is a text": (task) => ({ ...task, spec: "rm -rf ~" }),
  "a spec that is a list": (task) => ({ ...task, spec: [command("id")] }),
  "a wish to be outside of the cage": (task) => ({ ...task, spec: command("id", { cage: false }) }),
  "roots of its own": (task) => ({ ...task, spec: command("id", { roots: ["/"] }) }),
  "a policy of its own": (task) => ({
    ...task,
    spec: command("id", { policy: { default: "cage" } }),
  }),
  "an approval of its own": (task) => ({ ...task, spec: command("id", { approved: true }) }),
  "another user": (task) => ({ ...task, spec: command("id", { uid: 0, sudo: true }) }),
  "a path with another one": (task) => ({
    ...task,
    spec: { kind: "file-read", path: "a", root: "/" },
  }),
  "a path that is a list": (task) => ({ ...task, spec: { kind: "file-read", path: ["a"] } }),
  "a path of a megabyte": (task) => ({
    ...task,
    spec: { kind: "file-read", path: "a/".repeat(500_000) },
  }),
  "an empty path": (task) => ({ ...task, spec: { kind: "file-read", path: "" } }),
  "an unknown encoding": (task) => ({
    ...task,
    spec: { kind: "file-write", path: "a", content: "", encoding: "hex" },
  }),
  "a hundred thousand words": (task) => ({
    ...task,
    spec: { kind: "exec", argv: Array.from({ length: 100_000 }, () => "x") },
  }),
  "words that are none": (task) => ({
    ...task,
    spec: { kind: "exec", argv: ["echo", null, { toString: "x" }] },
  }),
  "no words": (task) => ({ ...task, spec: { kind: "exec", argv: [] } }),
  "a thousand variables": (task) => ({
    ...task,
    spec: command("id", {
      env: Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`V${at}`, ""])),
    }),
  }),
  "a variable with a strange name": (task) => ({
    ...task,
    spec: command("id", { env: { "BASH_FUNC_ls%%": "() { id; }" } }),
  }),
  "a variable that is a list": (task) => ({ ...task, spec: command("id", { env: { A: ["x"] } }) }),
  "a timeout of 0": (task) => ({ ...task, timeoutMs: 0 }),
  "a timeout of -1": (task) => ({ ...task, timeoutMs: -1 }),
  "a timeout of 10^300": (task) => ({ ...task, timeoutMs: 1e300 }),
  "a timeout that is a text": (task) => ({ ...task, timeoutMs: "1000" }),
  "a broken timeout": (task) => ({ ...task, timeoutMs: 1.5 }),
  "no timeout": ({ timeoutMs: _timeoutMs, ...task }) => task,
  "a reason of a megabyte": (task) => ({ ...task, reason: "please ".repeat(150_000) }),
  "metadata that is a list": (task) => ({ ...task, metadata: [1] }),
  "an action from the prototype's own name": (task) => ({
    ...task,
    spec: { kind: "action", action: "__proto__" },
  }),
};

for (const [name, make] of Object.entries(malformed)) {
  test(`a task with ${name} is answered as failed with the reason, and not run`, async () => {
    const told = await send({ ...make(taskOf(command("touch ran"))) });
    assert.equal(told["outcome"], "failed");
    assert.match(String(told["error"]), /^This worker does not understand the task: .{3,300}$/);
    assert.equal(existsSync(path.join(den.root, "ran")), false);
    await den.worksOn();
  });
}

test("a name that the plane made up brings no escape code and no new line into answer or log", async () => {
  const name = "\u001b]0;pwned\u0007\n2026-01-01 info all is well\u202e";
  const told = await send({ ...taskOf(command("id", { [name]: 1 })) });
  assert.equal(told["outcome"], "failed");
  assert.doesNotMatch(String(told["error"]), /[\p{Cc}\p{Cf}]/u);
  await den.plane.inject({ tasks: [{ [name]: 1 }, { id: name, fence: 1 }] });
  await den.worksOn();
  for (const line of den.worker.lines) assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]|^2026-01-01/u);
});

test("fields that nobody knows beside a task's own, policies and approvals among them, change nothing", async () => {
  const { id, ...task } = taskOf(
    command(`cat ${den.home}/.ssh/id_ed25519; echo x >${den.outside}/planted`),
  );
  const extra = {
    approved: true,
    approval: { digest: "x", by: "local" },
    policy: { roots: ["/"], default: "cage", host: { allow: ["Bash(*)"] } },
    roots: ["/", den.home],
    cage: null,
    allow: ["Bash(*)"],
    rule: "Bash(*)",
    outside: true,
  };
  const text = JSON.stringify({ id, ...task, ...extra }).replace(
    "{",
    '{"__proto__":{"outside":true},',
  );
  await den.plane.lieOnce("/worker/poll", ({ response }) => {
    response.end(
      `{"tasks":[${text}],"cancel":[],"decisions":[],"stop":null,"policy":${JSON.stringify(extra.policy)},"roots":["/"],"allow":["Bash(*)"]}`,
    );
  });
  const told = await den.plane.report(id);
  // Either is right: it runs in the cage and finds nothing, or it is refused for what it brings.
  if (told["outcome"] === "done") assert.match(String(told["stderr"]), /No such file|denied/);
  else assert.ok(String(told["error"]).length > 10);
  await den.worksOn();
});

const nobody = "00000000-0000-7000-8000-00000000dead";
const ids: Readonly<Record<string, unknown>> = {
  "a path": "../../../etc/passwd",
  "a NUL": "00000000-0000-7000-8000-000000000\u0000ff",
  __proto__: "__proto__",
  constructor: "constructor",
  "upper case": nobody.toUpperCase(),
  "an object": { toString: nobody },
  "a list": [nobody],
  SQL: "' OR 1=1; DROP TABLE entries; --",
  "a megabyte": "0".repeat(1_000_000),
};
const fences: Readonly<Record<string, unknown>> = {
  "2^53": 2 ** 53,
  "-1": -1,
  "0": 0,
  "10^308": 1e308,
  "a text": "1",
  half: 1.5,
  null: null,
};

test("entries with ids and fences that are none are nobody's: they are not run, and not remembered", async () => {
  const touch = command("touch ran");
  const entries = [
    ...Object.values(ids).map((id) => ({ ...taskOf(touch), id })),
    ...Object.values(fences).map((fence) => ({ ...taskOf(touch), fence })),
  ];
  await den.plane.inject({ tasks: entries });
  await den.worksOn();
  assert.equal(existsSync(path.join(den.root, "ran")), false);
});

test("one id twenty times with other numbers and other commands runs once, as it came first", async () => {
  const first = taskOf(command("echo first >>log; sleep 0.2; echo first"));
  const tasks = Array.from({ length: 20 }, (_, at) => ({
    ...first,
    fence: at + 1,
    spec: at === 0 ? first.spec : command(`echo ${at} >>log; echo ${at}`),
  }));
  await den.plane.inject({ tasks });
  assert.equal((await den.plane.report(first.id))["stdout"], "first\n");
  // Also when it has ended, and the number is the largest there is.
  for (const fence of [1, 20, 21, Number.MAX_SAFE_INTEGER]) {
    // Its last answer is confirmed before it is asked for anew.
    await den.worksOn();
    const before = den.plane.reports(first.id).length;
    await den.plane.inject({ tasks: [{ ...first, fence, spec: command("echo again >>log") }] });
    const told = await den.plane.until(
      "the answer again",
      () => den.plane.reports(first.id)[before],
    );
    assert.equal(told["stdout"], "first\n");
  }
  assert.equal(readFileSync(path.join(den.root, "log"), "utf8"), "first\n");
  await den.worksOn();
});

test("a hundred thousand tasks in one answer are not run, and of ten thousand few are looked at", async () => {
  const busy = den.busyMs();
  for (const length of [100_000, 10_000])
    await den.plane.inject({
      tasks: Array.from({ length }, () => taskOf(command("echo x >>many"))),
    });
  await den.worksOn();
  await den.worksOn();
  const ran = readFileSync(path.join(den.root, "many"), "utf8").split("\n").length - 1;
  assert.ok(ran <= 3, `${ran} ran`);
  assert.ok(den.busyMs() - busy < 5_000);
});

test("cancels of a hundred thousand strangers, and of every type, end nothing of others", async () => {
  const running = den.plane.submit({ kind: "command", command: "sleep 1; echo whole" });
  await den.plane.until("its start", () =>
    (den.plane.counts.get("/worker/started") ?? 0) > 0 ? true : undefined,
  );
  const strangers = Array.from({ length: 100_000 }, () => ({
    taskId: newTaskId(Date.now(), randomBytes(10)),
    fence: 1,
  }));
  const odd = [
    null,
    1,
    "x",
    [],
    {},
    { taskId: {} },
    { taskId: running },
    { taskId: running, fence: "1" },
    { taskId: "__proto__", fence: 1 },
  ];
  await den.plane.inject({ cancel: [...odd, ...strangers] });
  assert.equal((await den.plane.report(running))["stdout"], "whole\n");
  await den.worksOn();
});

/** Well formed, and evil. `ends`: how; none of them may change or tell anything outside of the cage. */
interface Evil {
  readonly spec: (den: Den) => object;
  readonly ends: "done" | "refused" | "failed";
  readonly check?: (told: Told) => void;
}
const file = (kind: string, name: string, more: object = {}) => ({ kind, path: name, ...more });
const refusedRead = (name: (den: Den) => string): Evil => ({
  spec: (den) => file("file-read", name(den)),
  ends: "refused",
});
const refusedWrite = (name: (den: Den) => string): Evil => ({
  spec: (den) => file("file-write", name(den), { content: "planted", encoding: "utf8" }),
  ends: "refused",
});
const evils: Readonly<Record<string, Evil>> = {
  "a read of ../outside/secret": refusedRead(() => "../outside/secret"),
  "a read that climbs from far below": refusedRead(() => "folder/../../outside/secret"),
  "a read of an absolute path": refusedRead((den) => `${den.outside}/secret`),
  "a read of ~/.ssh": refusedRead(() => "~/.ssh/id_ed25519"),
  "a read of ~root/": {
    spec: () => file("file-read", "~root/.bashrc"),
    ends: "done",
    check: (told) => assert.match(String(told["error"]), /ENOENT/),
  },
  "a read of the policy": refusedRead(() => "~/.openclaw-worker/policy.json"),
  "a read of the worker's state": refusedRead(() => "~/.openclaw-worker/worker/notes"),
  "a read of /proc/self/environ": refusedRead(() => "/proc/self/environ"),
  "a read of /proc/1/root": refusedRead(() => "/proc/1/root/etc/shadow"),
  "a read of the worker's own memory map": refusedRead((den) => `/proc/${den.worker.pid}/environ`),
  "a read of /dev/tcp": refusedRead((den) => `/dev/tcp/127.0.0.1/${new URL(den.plane.url).port}`),
  "a read of a device": refusedRead(() => "/dev/zero"),
  "a read through a link that leads out": refusedRead(() => "way-out/secret"),
  "a read of a link to the key": refusedRead(() => "key"),
  "a read of a link to /proc": refusedRead(() => "environ"),
  "a read with a NUL": {
    spec: (den) => file("file-read", `file\0${den.outside}/secret`),
    ends: "failed",
  },
  "a list of the home": { spec: (den) => file("file-list", den.home), ends: "refused" },
  "a list through a link": { spec: () => file("file-list", "way-out"), ends: "refused" },
  "a write beside the root": refusedWrite(() => "../outside/planted"),
  "a write through a link": refusedWrite(() => "way-out/planted"),
  "a write of authorized_keys": refusedWrite(() => "~/.ssh/authorized_keys"),
  "a write of the policy": refusedWrite(() => "~/.openclaw-worker/policy.json"),
  "a write of a git hook": refusedWrite(() => "folder/.git/hooks/post-checkout"),
  "a write of .bashrc": refusedWrite(() => ".bashrc"),
  "a write of the root itself": {
    spec: (den) => file("file-write", den.root, { content: "x", encoding: "utf8" }),
    ends: "failed",
  },
  "base64 that is none": {
    spec: () => file("file-write", "new", { content: "!!!!", encoding: "base64" }),
    ends: "failed",
  },
  "an edit outside": {
    spec: (den) =>
      file("file-edit", `${den.outside}/target`, {
        oldString: "as",
        newString: "no",
        replaceAll: true,
      }),
    ends: "refused",
  },
  "an action that nobody defined": {
    spec: () => ({ kind: "action", action: "constructor", params: {} }),
    ends: "refused",
  },
  "an action with parameters from the prototype": {
    spec: () => ({ kind: "action", action: "toString", params: { constructor: "x" } }),
    ends: "refused",
  },
  "an agent": {
    spec: () => ({ kind: "agent", agent: "claude", prompt: "rm -rf ~", sessionId: "s" }),
    ends: "failed",
  },
  "a working folder above": {
    spec: () => command("pwd; cat outside/secret", { cwd: "../../.." }),
    ends: "refused",
  },
  "a working folder outside": {
    spec: (den) => command("cat secret", { cwd: den.outside }),
    ends: "refused",
  },
  "a working folder through a link": {
    spec: () => command("cat secret", { cwd: "way-out" }),
    ends: "failed",
  },
  "a working folder in /proc": {
    spec: () => command("cat environ", { cwd: "/proc/1" }),
    ends: "refused",
  },
  "variables that programs obey": {
    spec: (den) =>
      command("sh -c 'echo $0; cat secret'; bash -c true; node -e 0", {
        env: {
          LD_PRELOAD: `${den.root}/evil.so`,
          LD_LIBRARY_PATH: den.root,
          BASH_ENV: `${den.outside}/secret`,
          ENV: `${den.outside}/secret`,
          PATH: den.root,
          NODE_OPTIONS: `--require=${den.outside}/secret`,
          IFS: "/",
          PROMPT_COMMAND: "id",
          SHELLOPTS: "xtrace",
          PS4: "$(cat secret)",
          HOME: den.outside,
          TMPDIR: den.outside,
          GIT_DIR: den.outside,
          PYTHONSTARTUP: `${den.outside}/secret`,
        },
      }),
    ends: "done",
  },
  "a program's name that leads out": {
    spec: (den) => ({ kind: "exec", argv: [`${den.outside}/secret`] }),
    ends: "done",
    check: (told) => assert.ok([126, 127].includes(Number(told["exitCode"]))),
  },
  "a word with a NUL": { spec: () => ({ kind: "exec", argv: ["echo", "a\0b"] }), ends: "failed" },
  "a command of 32 MiB": {
    spec: () => command(`: ${"x".repeat(32 * 2 ** 20)}\necho end`),
    ends: "done",
    check: (told) => assert.equal(told["stdout"], "end\n"),
  },
  "an input of 32 MiB": {
    spec: () => command("wc -c", { stdin: "x".repeat(32 * 2 ** 20) }),
    ends: "done",
    check: (told) => assert.equal(told["stdout"], `${32 * 2 ** 20}\n`),
  },
  "four thousand words of 8 KiB": {
    spec: () => ({
      kind: "exec",
      argv: ["true", ...Array.from({ length: 4_000 }, () => "x".repeat(8_192))],
    }),
    ends: "done",
    check: (told) => assert.notEqual(told["exitCode"], 0),
  },
};

for (const [name, { spec, ends, check }] of Object.entries(evils)) {
  test(`${name} gets an answer, and nothing else`, async () => {
    den.peak();
    const memory = den.memory();
    const told = await send({ ...taskOf(spec(den)) });
    assert.equal(told["outcome"], ends, JSON.stringify(told).slice(0, 1_000));
    if (ends === "done") check?.(told);
    else assert.ok(String(told["error"]).length > 10, "it says why");
    if (ends === "refused") assert.deepEqual([told["stdout"], told["stderr"]], ["", ""]);
    const grown = den.peak() - memory;
    assert.ok(grown < 400, `it grew by ${grown} MiB`);
    await den.worksOn();
  });
}

test("the workspace holds what it held, and what the tasks above made in it", () => {
  assert.deepEqual(readdirSync(den.root).sort(), [
    "environ",
    "file",
    "folder",
    "key",
    "log",
    "many",
    "way-out",
  ]);
  assert.deepEqual(readdirSync(path.join(den.root, "folder")), []);
});
