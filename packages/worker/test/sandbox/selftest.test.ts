import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { silentLog, systemClock } from "@openclaw-worker/base";
import { createRedactor } from "../../src/output/redact.ts";
import { CageUnavailable, openRunner, type RunnerOptions } from "../../src/run/runner.ts";
import { openStage, plainEnvironment, refuseRoot, temporaryFolder } from "../fixtures/stage.ts";

before(refuseRoot);

const program = join(import.meta.dirname, "../fixtures/worker-like.ts");
const node = [process.execPath, "--conditions=source", program] as const;

/** What a worker-like process says when it is started below `launcher`. */
function startBelow(launcher: readonly string[], folder: string): unknown {
  mkdirSync(join(folder, "root"), { recursive: true });
  const words: readonly string[] = [...launcher, ...node, folder];
  const [command = "", ...args] = words;
  const run = spawnSync(command, args, { encoding: "utf8", env: { ...process.env } });
  return JSON.parse(run.stdout === "" ? JSON.stringify(run.stderr) : run.stdout);
}

function refusalOf(said: unknown): string {
  assert.ok(
    typeof said === "object" && said !== null && "unavailable" in said,
    JSON.stringify(said),
  );
  return JSON.stringify(said);
}

test("on a sound machine the cage opens, and the self-test leaves nothing behind", async () => {
  await using stage = await openStage();
  assert.deepEqual(readdirSync(stage.root), []);
  const left = readdirSync(stage.state, { recursive: true, encoding: "utf8" });
  assert.deepEqual(
    left.filter((name) => /secret|probe/.test(name)),
    [],
  );
});

test("with user namespaces off there is no cage, and the remedy is the sysctl line", () => {
  using folder = temporaryFolder();
  const off =
    'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --ambient-caps=-all --inh-caps=-all "$@"';
  const said = startBelow(
    ["unshare", "-U", "--map-current-user", "--keep-caps", "sh", "-c", off, "sh"],
    folder.path,
  );
  assert.match(refusalOf(said), /sysctl -w user\.max_user_namespaces/);
});

test("without a tool of the cage there is no cage, and the remedy is the apt line", () => {
  for (const tool of ["bwrap", "socat", "rg"]) {
    using folder = temporaryFolder();
    const without = [
      "bwrap",
      "--dev-bind",
      "/",
      "/",
      "--ro-bind",
      "/dev/null",
      `/usr/bin/${tool}`,
      "--",
    ];
    const said = refusalOf(startBelow(without, folder.path));
    assert.match(said, new RegExp(`program ${tool} is missing`));
    assert.match(said, /apt-get install bubblewrap socat ripgrep/);
  }
});

test("root never has a cage", () => {
  using folder = temporaryFolder();
  assert.match(refusalOf(startBelow(["unshare", "-Ur"], folder.path)), /never runs tasks as root/);
});

test("a bubblewrap that builds no cage is found out", () => {
  using folder = temporaryFolder();
  // It drops every option and runs the command on the host.
  const fake = join(folder.path, "fake");
  const text =
    '#!/bin/bash\nwhile [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done; shift; exec "$@"\n';
  spawnSync("/bin/sh", ["-c", 'printf %s "$2" > "$1"; chmod +x "$1"', "sh", fake, text]);
  const said = startBelow(
    ["bwrap", "--dev-bind", "/", "/", "--ro-bind", fake, "/usr/bin/bwrap", "--"],
    folder.path,
  );
  assert.match(refusalOf(said), /A caged program could write/);
});

const helper = fileURLToPath(
  new URL(
    `../vendor/seccomp/${process.arch}/apply-seccomp`,
    import.meta.resolve("@anthropic-ai/sandbox-runtime"),
  ),
);

test("a system call filter that is not in force is found out", () => {
  using folder = temporaryFolder();
  const fake = join(folder.path, "fake");
  // It runs the command without any filter.
  writeFileSync(fake, '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
  const machine = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", fake, realpathSync(helper), "--"];
  const said = refusalOf(startBelow(machine, folder.path));
  assert.match(said, /could open a local socket|system call filter is not in force/);
  assert.match(said, /doctor/);
});

test("a system call filter that cannot be read is no cage", () => {
  using folder = temporaryFolder();
  const machine = ["bwrap", "--dev-bind", "/", "/", "--tmpfs", dirname(realpathSync(helper)), "--"];
  assert.match(refusalOf(startBelow(machine, folder.path)), /no seccomp helper/);
});

test("roots that are missing, links, or would show what is hidden open nothing", async () => {
  using folder = temporaryFolder();
  const at = (name: string): string => join(folder.path, name);
  mkdirSync(at("root"));
  mkdirSync(at("state/inside"), { recursive: true });
  symlinkSync("root", at("link"));
  const open = (roots: readonly string[]) => {
    const options: RunnerOptions = {
      clock: systemClock(),
      log: silentLog,
      environment: plainEnvironment,
      home: process.env["HOME"] ?? "/nonexistent",
      stateDir: at("state"),
      hidden: [at("policy.json")],
      cage: { roots, readable: [] },
      warm: 0,
      redactor: createRedactor([]),
    };
    return openRunner(options);
  };
  const refused = async (roots: readonly string[], words: RegExp) =>
    assert.rejects(
      open(roots),
      (error) =>
        error instanceof CageUnavailable && words.test(error.message) && error.remedy !== "",
    );
  await refused([], /no root/);
  await refused([at("nowhere")], /does not exist/);
  await refused([at("link")], /is a link/);
  await refused([folder.path], /may see/);
  await refused([at("state/inside")], /may see/);
  await refused([process.env["HOME"] ?? "/nonexistent"], /may see|does not exist/);
  await refused(["/"], /may see/);
});
