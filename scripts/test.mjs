// `npm test`: everything, on a machine that may have nothing but Node.
//
//   1. what tests need from Debian is installed when we are root (else the command is printed)
//   2. types, lint, format, unused code (`npm run check`)
//   3. the tests, as a user that is not root: started as root they run in a private mount namespace
//      that shows this checkout read-only, so that it may lie in a folder only root can read
//   4. started as root also the tests that need root: *.root.test.ts
//
// Arguments name test files or folders to run instead of all, and skip step 2.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const house = path.resolve(import.meta.dirname, "..");
// Run by an older Node by hand: the tests still get the Node that came with the install.
const installed = path.join(house, "node_modules/.bin/node");
const node = fs.existsSync(installed) ? fs.realpathSync(installed) : process.execPath;
const isRoot = process.getuid?.() === 0;
const chosen = process.argv.slice(2);

const needs = [
  { package: "bubblewrap", program: "/usr/bin/bwrap" },
  { package: "socat", program: "/usr/bin/socat" },
  { package: "ripgrep", program: "/usr/bin/rg" },
  { package: "nginx-light", program: "/usr/sbin/nginx" },
  { package: "strace", program: "/usr/bin/strace" },
  { package: "procps", program: "/usr/bin/pgrep" },
  { package: "curl", program: "/usr/bin/curl" },
  { package: "redis-server", program: "/usr/bin/redis-server" },
];

function main() {
  if (process.platform !== "linux") {
    console.error(
      "The tests run real sandboxes, nginx and strace: they need Linux. Windows: use WSL2.",
    );
    return 1;
  }
  installNeeds();
  const failed = [];
  if (chosen.length === 0 && run("npm", ["run", "--silent", "check"]) !== 0) failed.push("check");
  const plain = testFiles((name) => name.endsWith(".test.ts") && !name.endsWith(".root.test.ts"));
  const rooted = testFiles((name) => name.endsWith(".root.test.ts"));
  if (plain.length > 0 && runPlain(plain) !== 0) failed.push("tests");
  if (rooted.length > 0) {
    if (isRoot) {
      if (run(node, testArguments(rooted)) !== 0) failed.push("tests that need root");
    } else {
      console.log(`Not run, because they need root: ${rooted.join(" ")}`);
    }
  }
  if (failed.length > 0) console.error(`Failed: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}

function installNeeds() {
  const missing = needs
    .filter(({ program }) => !fs.existsSync(program))
    .map((need) => need.package);
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  if (!isRoot) {
    console.error(`Missing for the tests: ${missing.join(", ")}. Run: sudo ${command}`);
    process.exit(1);
  }
  console.log(`Installing what the tests need: ${missing.join(", ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const script = `apt-get update -qq && ${command} -qq`;
  const done = spawnSync("/bin/sh", ["-c", script], {
    stdio: ["ignore", "ignore", "inherit"],
    env,
  });
  if (done.status !== 0) process.exit(1);
}

function testFiles(wanted) {
  const roots = chosen.length > 0 ? chosen : ["test", ...packages()];
  return roots
    .flatMap((root) => {
      if (!fs.statSync(path.join(house, root)).isDirectory()) return [root];
      return fs
        .readdirSync(path.join(house, root), { recursive: true })
        .map((name) => path.join(root, name));
    })
    .filter((file) => wanted(file) && !file.includes("node_modules"))
    .sort();
}

function packages() {
  return fs
    .readdirSync(path.join(house, "packages"))
    .map((name) => `packages/${name}/test`)
    .filter((folder) => fs.existsSync(path.join(house, folder)));
}

function testArguments(files) {
  return [
    "--conditions=source",
    "--disable-warning=ExperimentalWarning",
    "--test",
    "--test-timeout=300000",
    "--test-reporter=spec",
    ...files,
  ];
}

function runPlain(files) {
  if (!isRoot) return run(node, testArguments(files));
  const user = "openclaw-test";
  const home = `/var/lib/${user}`;
  if (spawnSync("id", ["-u", user]).status !== 0) {
    console.log(`Making the system user ${user}: tests run as it, not as root`);
    run("/usr/sbin/useradd", [
      "--system",
      "--user-group",
      "--create-home",
      "--home-dir",
      home,
      user,
    ]);
  }
  const app = `/run/${user}/app`;
  fs.mkdirSync(app, { recursive: true });
  const inNode = path.join(app, path.relative(house, fs.realpathSync(node)));
  const program = fs.realpathSync(node).startsWith(house) ? inNode : node;
  const script =
    'mount --bind "$1" "$2" && mount -o remount,bind,ro,nosuid,nodev "$2" && cd "$2" && shift 2 && exec "$@"';
  const caps = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"];
  const namespace = [
    "--mount",
    "--propagation",
    "private",
    "/bin/sh",
    "-c",
    script,
    "sh",
    house,
    app,
  ];
  const descent = ["/usr/bin/setpriv", "--reuid", user, "--regid", user, "--clear-groups", ...caps];
  const environment = {
    HOME: home,
    USER: user,
    SHELL: "/bin/bash",
    LANG: "C.UTF-8",
    PATH: `${path.dirname(program)}:/usr/sbin:/usr/bin:/sbin:/bin`,
    TMPDIR: os.tmpdir(),
    ...(process.env.CI ? { CI: "true" } : {}),
    // HOSTILE_SEED, CRASH_SEED: a run that failed is repeated by its seed.
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => name.endsWith("_SEED"))),
  };
  const clean = [
    "/usr/bin/env",
    "-i",
    ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
  ];
  return run("/usr/bin/unshare", [
    ...namespace,
    ...descent,
    ...clean,
    program,
    ...testArguments(files),
  ]);
}

function run(program, args) {
  const env = { ...process.env, PATH: `${house}/node_modules/.bin:${process.env.PATH}` };
  return (
    spawnSync(program, args, { cwd: house, stdio: ["ignore", "inherit", "inherit"], env }).status ??
    1
  );
}

process.exitCode = main();
