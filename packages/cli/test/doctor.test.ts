import assert from "node:assert/strict";
import fs from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { parsePolicy, policyOf, type Policy } from "@openclaw-worker/worker";
import { fsyncRow, spaceRow } from "../src/doctor/folders.ts";
import { kernelRows } from "../src/doctor/kernel.ts";
import { bubblewrapRow, limitRow, nodeRow } from "../src/doctor/machine.ts";
import { powerLines, powerOf } from "../src/doctor/power.ts";
import { clockRows, jumpRow } from "../src/doctor/remote.ts";
import { fail, ok, parseRows } from "../src/doctor/row.ts";
import { runLauncher, temporaryFolder } from "./stage.ts";

test("what is too old or too slow is told with why and what to do", () => {
  const states = {
    "bubblewrap 0.8": bubblewrapRow([0, 8], "bubblewrap 0.8.0"),
    "bubblewrap 0.12": bubblewrapRow([0, 12], "bubblewrap 0.12.0"),
    "bubblewrap 1.0": bubblewrapRow([1, 0], "bubblewrap 1.0"),
    "Node 20": nodeRow("20.19.0", "/usr/bin/node"),
    "Node 24.16": nodeRow("24.16.0", "/usr/bin/node"),
    "Node 26": nodeRow("26.1.0", "/usr/bin/node"),
    "a full disk": spaceRow(5e7, "/s"),
    "a nearly full disk": spaceRow(5e8, "/s"),
    "an empty disk": spaceRow(5e10, "/s"),
    "a quick disk": fsyncRow(0.3),
    "an SD card": fsyncRow(80),
  };
  const found = Object.fromEntries(Object.entries(states).map(([name, row]) => [name, row.state]));
  assert.deepEqual(found, {
    "bubblewrap 0.8": "warn",
    "bubblewrap 0.12": "ok",
    "bubblewrap 1.0": "ok",
    "Node 20": "fail",
    "Node 24.16": "ok",
    "Node 26": "ok",
    "a full disk": "fail",
    "a nearly full disk": "warn",
    "an empty disk": "ok",
    "a quick disk": "ok",
    "an SD card": "warn",
  });
  for (const row of Object.values(states)) {
    assert.equal(row.why === null, row.state === "ok");
    assert.equal(row.do === null, row.state === "ok");
  }
});

test("clocks that are apart, and one that jumps, are told", () => {
  assert.equal(clockRows({ serverNowMs: 10_000 }, 4_500)[0]?.state, "ok");
  assert.equal(clockRows({ serverNowMs: 10_000 }, 60_000)[0]?.state, "warn");
  assert.deepEqual(clockRows({ serverNowMs: null }, 0), []);
  const at = (nowMs: number, steadyMs: number) => ({ nowMs, steadyMs });
  assert.equal(jumpRow(at(1_000_000, 50), at(1_003_000, 3_050)).state, "ok");
  assert.match(jumpRow(at(1_000_000, 50), at(4_603_000, 3_050)).what, /jumped 1 h 0 m forward/);
  assert.match(jumpRow(at(1_000_000, 50), at(993_000, 3_050)).what, /jumped 10\.0 s back/);
});

test("limits of this user are read as Linux writes them", () => {
  const text = (files: string, processes: string): string =>
    `Limit                     Soft Limit           Hard Limit           Units     \n` +
    `Max processes             ${processes}               127234               processes \n` +
    `Max open files            ${files}                 1048576              files     \n`;
  assert.equal(limitRow(text("1024", "127234")).state, "ok");
  assert.equal(limitRow(text("unlimited", "unlimited")).state, "ok");
  assert.match(limitRow(text("256", "127234")).do ?? "", /ulimit -n/);
  assert.match(limitRow(text("1024", "100")).do ?? "", /ulimit -u/);
});

test("each switch that takes the cage away is named with the command that gives it back", () => {
  const rowsWith = (files: Readonly<Record<string, string>>) =>
    kernelRows({ platform: "linux" }, (file) => files[file] ?? null);
  const filters = { "/proc/sys/kernel/seccomp/actions_avail": "kill_process trap errno allow\n" };
  const apparmor = { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n" };
  assert.deepEqual(
    rowsWith(filters).map(({ state }) => state),
    ["ok", "ok"],
  );
  const closed = [
    [{ "/proc/sys/user/max_user_namespaces": "0\n" }, /sysctl -w user\.max_user_namespaces=/],
    [{ "/proc/sys/kernel/unprivileged_userns_clone": "0\n" }, /unprivileged_userns_clone=1/],
    [apparmor, /tee \/etc\/apparmor\.d\/bwrap && sudo apparmor_parser/],
  ] as const;
  for (const [files, remedy] of closed) {
    const [row] = rowsWith({ ...filters, ...files });
    assert.equal(row?.state, "fail");
    assert.match(row?.do ?? "", remedy);
  }
  const known = rowsWith({ ...filters, ...apparmor, "/etc/apparmor.d/bwrap": "profile" });
  assert.equal(known[0]?.state, "ok");
  assert.equal(rowsWith({})[1]?.state, "fail");
});

test("rows of another process are taken only when they are rows", () => {
  const rows = [ok("cage", "holds", ["more"]), fail("disk", "full", { why: "w", do: "d" })];
  assert.deepEqual(parseRows(JSON.stringify(rows)), rows);
  assert.equal(parseRows("boom"), null);
  for (const wrong of [{ state: "fine" }, { why: 1 }, { more: [1] }, { more: undefined }]) {
    assert.equal(parseRows(JSON.stringify([{ ...rows[0], ...wrong }])), null);
  }
});

const root = "/home/ann/openclaw";

function policyFrom(file: Readonly<Record<string, unknown>>): Policy {
  const wish = parsePolicy(JSON.stringify({ roots: ["~/openclaw"], ...file }));
  const roots = [{ named: root, path: root }];
  return policyOf(wish, { source: "policy.json", roots, homes: ["/home/ann"] });
}

test("a thief under a policy of roots alone: everything in the cage, nothing outside", () => {
  const power = powerOf(policyFrom({}));
  assert.deepEqual(powerLines(power), [
    `can: run any shell command in a cage that reads and writes ${root}, reads the programs of the system and of your PATH, and nothing else of yours, without network`,
    `can: read, change and delete everything in ${root}`,
    "can: do so as often as they like",
    "cannot: see or change any other file of yours, or any of the worker's own",
    "cannot: reach the network",
    "cannot: run anything outside of the cage",
    "cannot: change this policy, approve anything, or become root",
  ]);
  assert.deepEqual(power.large, []);
});

test("a thief under a policy that asks: only what rules allow, the rest needs a yes", () => {
  const power = powerOf(
    policyFrom({
      default: "ask",
      rules: {
        deny: ["Bash(sudo *)", "Read(**/.env)"],
        ask: ["Bash(git push *)"],
        allow: ["Bash(git status)", "Bash(npm test)", 'Exec(["ls"])', "Read(./docs/**)"],
      },
      limits: { perHour: 20, taskMsMax: 60_000, deletesPerDay: 5 },
    }),
  );
  const lines = powerLines(power);
  assert.ok(lines[0]?.startsWith("can: run 3 commands in a cage that reads and writes"));
  assert.ok(lines[0]?.endsWith('without network: Bash(git status), Bash(npm test), Exec(["ls"])'));
  assert.ok(lines.includes("can: read ./docs/**"));
  assert.ok(
    lines.includes("can: do so 20 times an hour, for 1 m 0 s each, deleting 5 times a day"),
  );
  assert.ok(
    lines.includes("only when a person says yes: everything that no rule names, Bash(git push *)"),
  );
  assert.ok(lines.includes("cannot: open what you closed: Read(**/.env)"));
  assert.ok(!lines.some((line) => line.includes("change and delete")));
  assert.deepEqual(power.large, []);
});

test("what opens the network, other folders and the host is said, and warned of where it is large", () => {
  const power = powerOf(
    policyFrom({
      rules: {
        deny: ["Bash(sudo *)"],
        allow: [
          "WebFetch(domain:api.example.com)",
          "WebFetch(domain:*)",
          "Read(~/Documents/notes/**)",
          "Read(~/Documents/*.pdf)",
          "Edit(/srv/shared/**)",
          "Edit(~/.config/**)",
        ],
      },
      host: { allow: ["Bash(screencapture *)"], ask: ["Bash(osascript *)"] },
      actions: { backup: { argv: ["rsync", "-a", "x", "y"] } },
      approvals: { trust: ["local", "token"] },
    }),
  );
  const lines = powerLines(power).join("\n");
  assert.match(
    lines,
    /reads and writes \/home\/ann\/openclaw, \/srv\/shared, \/home\/ann\/\.config, reads/,
  );
  assert.match(lines, /of your PATH, \/home\/ann\/Documents\/notes, and nothing else/);
  assert.match(lines, /of yours, but not Bash\(sudo \*\)/);
  assert.match(lines, /can: send what they read there to api\.example\.com, every domain/);
  assert.match(lines, /can: run outside of the cage, .*: Bash\(screencapture \*\)/);
  assert.match(lines, /can: start your actions backup/);
  assert.match(lines, /only when a person says yes: Bash\(osascript \*\)/);
  assert.doesNotMatch(lines, /cannot: (?:reach |run anything outside)|without network/);
  assert.deepEqual(
    power.large.map((one) => one.do),
    [
      'move what can wait for your yes from "host.allow" to "host.ask"',
      "name the domains: WebFetch(domain:api.example.com)",
      'take "token" out of approvals.trust',
      "name folders without settings in them: Edit(~/Documents/**)",
    ],
  );
});

test("a policy that denies what it does not name leaves a thief nothing to run", () => {
  const lines = powerLines(powerOf(policyFrom({ default: "deny" })));
  assert.deepEqual(
    lines.filter((line) => line.startsWith("can: ")),
    [],
  );
  const every = policyFrom({
    default: "deny",
    rules: { allow: [{ rule: "Bash", allowDangerously: true }] },
  });
  assert.match(powerLines(powerOf(every))[0] ?? "", /can: run any shell command in a cage/);
});

test("where tasks must be signed a token alone is worth nothing", () => {
  const power = powerOf(
    policyFrom({ submitters: { required: true, keys: { phone: "ed25519:AAAA" } } }),
  );
  assert.deepEqual(power.can, []);
  assert.match(power.cannot.join(), /every task must be signed by phone/);
});

test("doctor says what is wrong here, why, and what to do, and ends with 1 when something fails", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await temporaryFolder(stack);
  const home = path.join(folder, "home");
  const state = path.join(home, ".openclaw-worker");
  await fs.mkdir(path.join(state, "worker"), { recursive: true });
  await fs.mkdir(path.join(home, "openclaw"));
  const policy = path.join(state, "policy.json");
  await fs.writeFile(policy, '{ "roots": ["~/openclaw"] }', { mode: 0o600 });
  await fs.writeFile(path.join(state, "worker", "token"), "x".repeat(40), { mode: 0o600 });
  for (const one of [state, path.join(state, "worker")]) await fs.chmod(one, 0o700);
  const env = { HOME: home, XDG_RUNTIME_DIR: folder };
  const doctor = () => runLauncher(["doctor", "--json"], { env });

  const good = await doctor();
  const rows = parseRows(good.out) ?? [];
  assert.deepEqual(
    rows.filter(({ state: one }) => one === "fail").map(({ name, what }) => `${name}: ${what}`),
    [],
  );
  assert.equal(good.code, 0);
  const named = (name: string) => rows.find((row) => row.name === name);
  for (const name of ["node", "namespaces", "seccomp", "state", "disk", "fsync", "cage", "files"])
    assert.equal(named(name)?.state, "ok", name);
  assert.match(named("power")?.more.join("\n") ?? "", /can: run any shell command in a cage/);
  assert.equal(named("server")?.state, "warn", "there is none, and none was asked for");
  const left = await fs.readdir(path.join(state, "worker"));
  assert.deepEqual(left, ["token"], "looking leaves nothing behind");

  await fs.chmod(path.join(state, "worker", "token"), 0o644);
  await fs.chmod(policy, 0o644);
  await fs.chmod(home, 0o777);
  const bad = await doctor();
  assert.equal(bad.code, 1);
  const told = (parseRows(bad.out) ?? []).filter((row) => row.state === "fail");
  const remedies = told.map((row) => row.do).join("\n");
  assert.ok(remedies.includes(`chmod 600 ${state}/worker/token`), remedies);
  assert.ok(remedies.includes(`chmod 600 ${policy}`));
  assert.ok(remedies.includes(`chmod go-w ${home}`));
  assert.ok(told.every(({ why }) => why !== null));
  assert.equal((await fs.stat(policy)).mode & 0o777, 0o644, "looking changes nothing");
  const text = await runLauncher(["doctor"], { env });
  assert.match(text.out, /FAIL {2}state .*\n +why: .*\n +do: {2}chmod/);
});
