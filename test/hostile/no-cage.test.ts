// A computer that has no cage, or one that is not in force. The whole program says why and what to do,
// ends with 1, and has asked for no task.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openDen, rootsOnly } from "./den.ts";
import { temporaryFolder } from "../../packages/worker/test/stage.ts";

/** The machine as it is, but for one file. */
const machineWith = (file: string, instead: string): readonly string[] => [
  "/usr/bin/bwrap",
  ...["--dev-bind", "/", "/"],
  ...["--ro-bind", instead, file],
  "--",
];
const noNamespaces = [
  ...["/usr/bin/unshare", "-U", "--map-current-user", "--keep-caps", "/bin/sh", "-c"],
  'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --ambient-caps=-all --inh-caps=-all "$@"',
  "sh",
];
const helper = realpathSync(
  fileURLToPath(
    new URL(
      `../vendor/seccomp/${process.arch}/apply-seccomp`,
      import.meta.resolve("@anthropic-ai/sandbox-runtime"),
    ),
  ),
);
const folder = temporaryFolder();
const script = (name: string, text: string): string => {
  const file = path.join(folder, name);
  writeFileSync(file, text, { mode: 0o755 });
  return file;
};

after(() => rmSync(folder, { recursive: true }));

interface Lack {
  readonly before: () => readonly string[];
  readonly why: RegExp;
  readonly remedy: RegExp;
}
const lacks: Readonly<Record<string, Lack>> = {
  "bubblewrap is missing": {
    before: () => machineWith("/usr/bin/bwrap", "/dev/null"),
    why: /bwrap is missing/,
    remedy: /apt-get install .*bubblewrap/,
  },
  "user namespaces are off": {
    before: () => noNamespaces,
    why: /user namespace|namespaces/i,
    remedy: /sysctl -w user\.max_user_namespaces/,
  },
  "the filter of system calls is not in force": {
    before: () => machineWith(helper, script("no-filter", '#!/bin/sh\nexec "$@"\n')),
    why: /local socket|filter is not in force/,
    remedy: /doctor/,
  },
  "bubblewrap builds no cage": {
    before: () =>
      machineWith(
        "/usr/bin/bwrap",
        script(
          "no-cage",
          '#!/bin/bash\nwhile [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done; shift; exec "$@"\n',
        ),
      ),
    why: /A caged program could/,
    remedy: /doctor/,
  },
};

for (const [name, { before, why, remedy }] of Object.entries(lacks)) {
  test(`when ${name} the worker takes no task, says so and what to do, and ends with 1`, async () => {
    await using den = await openDen({ before: before(), launchOnly: true });
    den.plane.submit({ kind: "command", command: `touch ${den.root}/ran` });
    const { code } = await den.worker.ended;
    const said = den.worker.lines.join("\n");
    assert.equal(code, 1, said);
    assert.match(said, why);
    assert.match(said, remedy);
    assert.equal(den.plane.counts.size, 0, "it asked the server for something");
    den.untouched();
  });
}

test("programs that lie in the user's own PATH, and variables that loaders obey, build no cage", async () => {
  const bin = path.join(folder, "bin");
  mkdirSync(bin);
  const marker = path.join(folder, "fake-ran");
  for (const name of [
    "bwrap",
    "socat",
    "rg",
    "bash",
    "sh",
    "node",
    "git",
    "npm",
    "cat",
    "which",
    "mkdir",
    "env",
  ])
    script(`bin/${name}`, `#!/bin/sh\n: >${marker}-$(/usr/bin/basename $0)\nexit 1\n`);
  script("start", `: >${marker}-BASH_ENV\n`);
  await using den = await openDen({
    env: {
      PATH: `${bin}:/usr/bin:/bin`,
      BASH_ENV: path.join(folder, "start"),
      ENV: path.join(folder, "start"),
      SHELL: "/bin/bash",
    },
  });
  assert.equal((await den.run("git --version; cat /dev/null; echo on"))["exitCode"], 0);
  await den.plane.run({ kind: "file-list", path: "." });
  await den.worksOn();
  const ran = readdirSync(folder).filter((name) => name.startsWith("fake-ran"));
  assert.deepEqual(ran, []);
});

test("a program that a task puts into a folder of the user's PATH does not run outside of the cage", async () => {
  const names = ["which", "bwrap", "socat", "rg", "bash", "sh", "env", "getent", "id", "node"];
  const marker = path.join(folder, "planted-ran");
  await using den = await openDen({
    env: { PATH: `${folder}/home-bin:.:/usr/bin:/bin` },
    policy: rootsOnly,
  });
  // The root's own folder of programs is on PATH, as `~/project/bin` often is.
  symlinkSync(path.join(den.root, "bin"), path.join(folder, "home-bin"));
  const stdin = `mkdir -p bin; for n in ${names.join(" ")}; do printf '#!/bin/sh\n: >${marker}-%s\nexec /usr/bin/%s "$@"\n' $n $n >bin/$n; chmod +x bin/$n; done`;
  assert.equal((await den.plane.run({ kind: "exec", argv: ["/bin/sh"], stdin }))["exitCode"], 0);
  // Each of these changes what the next cage must be, so that it is planned anew.
  for (const name of [".bashrc", ".envrc", ".mcp.json"]) {
    await den.run(`touch ${name}`);
    await den.run("echo on");
  }
  await den.restart();
  await den.run("echo on");
  const ran = readdirSync(folder).filter((name) => name.startsWith("planted-ran"));
  assert.deepEqual(ran, []);
});

test("the self-test starts no program by the user's PATH, and looks into no folder of the user", async () => {
  const bin = path.join(folder, "self-bin");
  const marker = path.join(folder, "self-ran");
  mkdirSync(bin);
  script("self-bin/which", `#!/bin/sh\n: >${marker}\nexec /usr/bin/which "$@"\n`);
  await using den = await openDen();
  const env = { HOME: den.home, PATH: `${bin}:.:/usr/bin:/bin`, WORKER_TOKEN: den.plane.token };
  symlinkSync(path.join(bin, "which"), path.join(den.root, "which"));
  const argv = [path.resolve(import.meta.dirname, "../../bin/openclaw-worker.cjs"), "self-test"];
  const { stdout, stderr } = spawnSync(process.execPath, argv, { cwd: den.root, env });
  assert.match(String(stdout), /"name":"cage","state":"ok"/, String(stderr));
  assert.equal(existsSync(marker), false);
  rmSync(path.join(den.root, "which"));
  await den.worksOn();
});
