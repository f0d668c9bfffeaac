import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { systemClock, type Clock } from "@openclaw-worker/base";
import { resolveLoginEnvironment } from "../../src/environment.ts";
import { alive, eventually } from "../fixtures/alive.ts";
import { refuseRoot, temporaryFolder } from "../fixtures/stage.ts";

before(refuseRoot);

const clock = systemClock();

function homeWith(bashrc: string) {
  const folder = temporaryFolder();
  writeFileSync(join(folder.path, ".bash_profile"), ". ~/.bashrc\n");
  writeFileSync(join(folder.path, ".bashrc"), bashrc);
  return folder;
}

test("the login shell's names pass when they are on the list, and no token does", async () => {
  using home = homeWith(
    "case $- in *i*) ;; *) return;; esac\necho noise\nexport LC_TIME=de_DE LANG=de_DE.UTF-8 TZ=Europe/Berlin GITHUB_TOKEN=secret EDITOR=vi LD_PRELOAD= NPM_TOKEN=x\n",
  );
  const base = { WORKER_TOKEN: "secret", LANG: "C" };
  const { variables, warning } = await resolveLoginEnvironment({
    clock,
    shell: "/bin/bash",
    home: home.path,
    base,
  });
  assert.equal(warning, null);
  assert.equal(variables["LC_TIME"], "de_DE");
  assert.equal(variables["TZ"], "Europe/Berlin");
  assert.equal(variables["TERM"], "dumb");
  assert.doesNotMatch(JSON.stringify(variables), /secret|TOKEN|EDITOR|PRELOAD/);
});

test("a tool's folder on PATH brings its prefix; personal neighbors stay hidden", async () => {
  using home = homeWith(
    'export PATH="$HOME/.nvm/versions/node/v24/bin:$HOME/.local/bin:$HOME/bin:$HOME/open:$HOME/gone/bin:relative:$PATH"\nexport NVM_DIR="$HOME/.nvm"\n',
  );
  for (const name of [
    ".nvm/versions/node/v24/bin",
    ".nvm/versions/node/v24/lib",
    ".local/bin",
    ".local/lib",
    ".local/share/keyrings",
    "bin",
    "lib",
    "open",
  ]) {
    mkdirSync(join(home.path, name), { recursive: true });
  }
  chmodSync(join(home.path, "open"), 0o777);
  const found = await resolveLoginEnvironment({
    clock,
    shell: "/bin/bash",
    home: home.path,
    base: {},
  });
  const at = (name: string): string => join(home.path, name);
  const own = found.path.filter((folder) => folder.startsWith(home.path));
  assert.deepEqual(own, [at(".nvm/versions/node/v24/bin"), at(".local/bin"), at("bin")]);
  assert.deepEqual(found.readable, [
    at(".nvm/versions/node/v24/bin"),
    at(".nvm/versions/node/v24"),
    at(".local/bin"),
    at("bin"),
  ]);
  assert.deepEqual(found.toolHomes, { NVM_DIR: at(".nvm") });
});

test("a login shell that hangs is killed with what it started, and tasks get the system's PATH", async () => {
  const mark = `${900 + Math.floor(Math.random() * 1e6)}.${process.pid}`;
  using home = homeWith(`sleep ${mark} & sleep ${mark}\n`);
  // The five seconds pass as soon as the shell hangs.
  const impatient: Clock = {
    ...clock,
    after(delayMs, run) {
      if (delayMs !== 5_000) return clock.after(delayMs, run);
      void eventually(() => alive(mark).length === 2).then(run);
      return { cancel() {}, [Symbol.dispose]() {} };
    },
  };
  const found = await resolveLoginEnvironment({
    clock: impatient,
    shell: "/bin/bash",
    home: home.path,
    base: {},
  });
  assert.match(found.warning ?? "", /no answer in 5000 ms/);
  assert.deepEqual([found.path, found.readable], [[], []]);
  await eventually(() => alive(mark).length === 0);
});

test("a login shell that does not exist or prints nonsense is a warning, not an end", async () => {
  for (const shell of ["/nonexistent/shell", "/bin/true", "/bin/cat"]) {
    const found = await resolveLoginEnvironment({ clock, shell, home: "/nonexistent", base: {} });
    assert.match(found.warning ?? "", /did not tell its environment/);
    assert.equal(found.variables["TERM"], "dumb");
  }
});

test("waiting for the login shell ends when it is aborted", async () => {
  using home = homeWith("sleep 300\n");
  const controller = new AbortController();
  const { signal } = controller;
  const asking = resolveLoginEnvironment({
    clock,
    shell: "/bin/bash",
    home: home.path,
    base: {},
    signal,
  });
  controller.abort(new Error("stopped"));
  await assert.rejects(asking, /stopped/);
});
