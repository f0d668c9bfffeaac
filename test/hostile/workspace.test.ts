// A workspace that was prepared by an enemy: links, hard links, pipes, monstrous files and names, and
// repositories whose settings name programs. None of it makes anything run, readable or writable
// outside of the cage, and none of it stops the worker.

import assert from "node:assert/strict";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { openDen, rootsOnly, type Den } from "./den.ts";
import type { Told } from "./plane.ts";

let den: Den;
before(async () => (den = await openDen({ policy: rootsOnly })));
after(() => den[Symbol.asyncDispose]());

const inRoot = (...names: readonly string[]): string => path.join(den.root, ...names);
const read = (name: string): Promise<Told> => den.plane.run({ kind: "file-read", path: name });
const list = (name: string): Promise<Told> => den.plane.run({ kind: "file-list", path: name });
const write = (name: string, content = "planted"): Promise<Told> =>
  den.plane.run({ kind: "file-write", path: name, content, encoding: "utf8" });
const edit = (name: string): Promise<Told> =>
  den.plane.run({
    kind: "file-edit",
    path: name,
    oldString: "a",
    newString: "planted",
    replaceAll: true,
  });

/** Each puts a link where the cage or the worker might follow it, to where the secret is. */
const traps: Readonly<Record<string, (base: string, own: Den) => void>> = {
  "git's hooks": (base, { outside }) => {
    mkdirSync(path.join(base, ".git"));
    symlinkSync(outside, path.join(base, ".git/hooks"));
  },
  "git's settings": (base, { outside }) => {
    mkdirSync(path.join(base, ".git/hooks"), { recursive: true });
    symlinkSync(path.join(outside, "secret"), path.join(base, ".git/config"));
  },
  "a repository": (base, { outside }) => {
    mkdirSync(path.join(outside, "hooks"), { recursive: true });
    symlinkSync(outside, path.join(base, ".git"));
  },
  "a module's repository": (base, { outside }) => {
    mkdirSync(path.join(base, ".git/hooks"), { recursive: true });
    symlinkSync(outside, path.join(base, ".git/modules"));
  },
  "an editor's folder": (base, { outside, secret }) => {
    writeFileSync(path.join(outside, "tasks.json"), `${secret}\n`);
    symlinkSync(outside, path.join(base, ".vscode"));
  },
  "an agent's folder": (base, { outside, secret }) => {
    writeFileSync(path.join(outside, "settings.json"), `${secret}\n`);
    symlinkSync(outside, path.join(base, ".claude"));
  },
  "a shell's start file": (base, { outside }) =>
    symlinkSync(path.join(outside, "secret"), path.join(base, ".bashrc")),
  "a list of servers": (base, { outside }) =>
    symlinkSync(path.join(outside, "secret"), path.join(base, ".mcp.json")),
};

for (const [name, lay] of Object.entries(traps)) {
  test(`a link in the place of ${name} opens nothing`, async () => {
    await using own = await openDen({ policy: rootsOnly });
    mkdirSync(path.join(own.root, "deeper"));
    for (const base of [own.root, path.join(own.root, "deeper")]) lay(base, own);
    const furnished = own.snapshot();
    for (const _turn of [1, 2]) {
      const told = await own.run(
        "grep -rs secret- . ; find -L . -name secret -exec cat {} + ; for f in .git/hooks/x .git/x .vscode/x .claude/x .bashrc deeper/.git/hooks/x; do echo x >>$f; done; true",
      );
      assert.ok(["done", "failed"].includes(String(told["outcome"])), JSON.stringify(told));
    }
    assert.deepEqual(own.snapshot(), furnished);
    assert.deepEqual(own.plane.leaks, []);
    const on = await own.run("echo on");
    assert.equal(on["stdout"], "on\n", String(on["error"]));
  });
}

test("a repository whose settings name programs makes the worker run none", async () => {
  const marker = path.join(den.outside, "ran");
  mkdirSync(inRoot("repo/.git/hooks"), { recursive: true });
  const program = `touch ${marker}`;
  writeFileSync(
    inRoot("repo/.git/config"),
    `[core]\n\trepositoryformatversion = 0\n\tfsmonitor = "${program}"\n\tpager = "${program}"\n\teditor = "${program}"\n\tsshCommand = "${program}"\n\thooksPath = ${den.root}/repo/hooks\n[alias]\n\tstatus = "!${program}"\n`,
  );
  writeFileSync(
    inRoot("repo/package.json"),
    JSON.stringify({ scripts: { preinstall: program, test: program } }),
  );
  writeFileSync(inRoot("repo/.envrc"), program);
  for (const name of ["repo", "repo/.git"]) await list(name);
  await read("repo/package.json");
  await write("repo/new");
  await edit("repo/new");
  await den.plane.run({
    kind: "command",
    command: "git status; git log; npm test; true",
    cwd: "repo",
  });
  assert.equal(existsSync(marker), false);
  await den.worksOn();
});

test("what makes programs run later can neither be written by a file task nor changed from the cage", async () => {
  const before = readFileSync(inRoot("repo/.git/config"), "utf8");
  for (const name of [
    ".git/hooks/pre-commit",
    ".git/config",
    ".bashrc",
    ".profile",
    ".envrc",
    ".vscode/tasks.json",
    ".mcp.json",
    ".claude/settings.json",
    ".GIT/config",
    "sub/.git/hooks/x",
  ]) {
    const told = await write(`repo/${name}`);
    assert.equal(told["outcome"], "refused", name);
    assert.ok(String(told["hint"]).length > 5, name);
  }
  await den.run(
    "cd repo; echo x >.git/hooks/pre-commit; echo x >>.git/config; rm -rf .git/config .git/hooks; mv .git .git2; ln -sfn / .git/hooks; echo x >.envrc",
  );
  assert.equal(readFileSync(inRoot("repo/.git/config"), "utf8"), before);
  assert.equal(existsSync(inRoot("repo/.git/hooks/pre-commit")), false);
  await den.worksOn();
});

test("links that the cage plants lead file tasks nowhere", async () => {
  await den.run(
    `ln -s ${den.outside}/secret a; ln -s ${den.home}/.ssh b; ln -s ../outside c; ln -s / d; ln -s /proc/self/root/${den.outside} e; ln -s a f; ln /etc/passwd g; ln -s ${den.home}/.openclaw-worker/worker/notes h; ln -s /dev/stdin i`,
  );
  for (const name of [
    "a",
    "b/id_ed25519",
    "c/secret",
    `d${den.outside}/secret`,
    "e/secret",
    "f",
    "h",
  ]) {
    const told = await read(name);
    assert.equal(told["outcome"], "refused", `${name}: ${JSON.stringify(told)}`);
    assert.notEqual((await write(name))["exitCode"], 0, name);
    assert.notEqual((await edit(name))["exitCode"], 0, name);
  }
  for (const name of ["b", "c", "d", "e", "d/root"])
    assert.equal((await list(name))["outcome"], "refused", name);
  await den.worksOn();
});

test("hard links to files outside are neither read nor written", async () => {
  linkSync(path.join(den.outside, "secret"), inRoot("hard"));
  linkSync(path.join(den.outside, "target"), inRoot("hard-target"));
  assert.equal((await read("hard"))["outcome"], "refused");
  for (const name of ["hard", "hard-target"]) {
    assert.equal((await edit(name))["outcome"], "refused", name);
    await write(name);
  }
  await den.worksOn();
});

test("a pipe or a device that is named as a file holds nobody up", async () => {
  await den.run("mkfifo pipe; ln -s pipe pipe-link; mknod device c 1 5");
  for (const name of ["pipe", "pipe-link"]) {
    for (const act of [read, write, edit]) {
      const told = await act(name);
      assert.ok(told["exitCode"] !== 0 || act === write, name);
    }
  }
  assert.equal((await list("."))["outcome"], "done");
  await den.worksOn();
});

test("a file of 5 GB is neither read nor edited, and costs no memory", async () => {
  writeFileSync(inRoot("sparse"), "");
  truncateSync(inRoot("sparse"), 5e9);
  den.peak();
  const memory = den.memory();
  for (const act of [read, edit]) {
    const told = await act("sparse");
    assert.equal(told["outcome"], "failed");
    assert.match(String(told["error"]), /larger than/);
  }
  assert.ok(den.peak() - memory < 64);
  await den.worksOn();
});

test("a file that grows while it is read is read within the limit, or not at all", async () => {
  const grower = den.run(
    "i=0; while [ $i -lt 300 ]; do yes | head -c 1000000 >>growing; i=$((i+1)); [ -e enough ] && break; done",
    20_000,
  );
  await den.run("until [ -s growing ]; do sleep 0.01; done");
  den.peak();
  const memory = den.memory();
  for (let turn = 0; turn < 20; turn += 1) {
    const told = await read("growing");
    assert.ok(["done", "failed"].includes(String(told["outcome"])));
    if (told["outcome"] === "failed")
      assert.match(String(told["error"]), /larger than|replaced|changed/);
  }
  await write("enough");
  await grower;
  const grown = den.peak() - memory;
  assert.ok(grown < 300, `it grew by ${grown} MiB`);
  await den.run("rm growing");
  await den.worksOn();
});

test("names with new lines and escape codes are listed a line each, and harm no log", async () => {
  const names = [
    "a\\nb",
    "\\e]0;pwned\\a",
    "-rf",
    "\\$(id)",
    "\\x60id",
    '{\\"name\\":1}',
    "\\xe2\\x80\\xae",
  ];
  const stdin = `mkdir "names"; chdir "names"; for my $n ("${names.join('", "')}", "x" x 255) { open my $f, ">", $n or die; }`;
  const made = await den.plane.run({ kind: "exec", argv: ["perl"], stdin });
  assert.equal(made["exitCode"], 0, String(made["stderr"]));
  const told = await list("names");
  assert.equal(told["outcome"], "done", JSON.stringify(told));
  const lines = String(told["stdout"]).trimEnd().split("\n");
  const listed = lines.map((line): unknown => JSON.parse(line));
  assert.equal(listed.length, names.length + 1);
  for (const line of den.worker.lines) assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u);
  await den.worksOn();
});

test("a name that is not UTF-8 does not make its folder vanish from lists", async () => {
  const stdin = 'mkdir "odd"; for my $n ("odd/\\xff", "odd/plain") { open my $f, ">", $n or die; }';
  await den.plane.run({ kind: "exec", argv: ["perl"], stdin });
  const told = await list("odd");
  assert.equal(told["outcome"], "done");
  assert.match(String(told["stdout"]), /"plain"/, String(told["error"]));
  await den.worksOn();
});

test("thirty thousand files in a folder, and a folder three hundred deep, are survived", async () => {
  await den.run(
    'mkdir many deep; cd many; perl -e \'open my $f, ">", $_ for 1..30000\'; cd ../deep; perl -e \'for (1..300) { mkdir "d" x 50; chdir "d" x 50 }\'',
    60_000,
  );
  den.peak();
  const memory = den.memory();
  const told = await list("many");
  assert.equal(told["outcome"], "failed");
  assert.ok(String(told["error"]).length > 10);
  assert.equal((await list("deep"))["outcome"], "done");
  await den.worksOn();
  assert.ok(den.peak() - memory < 200);
  await den.run("rm -rf many deep", 60_000);
  await den.worksOn();
});
