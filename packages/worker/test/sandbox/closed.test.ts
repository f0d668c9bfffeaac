// What the policy's Read and Edit rules close is closed by the kernel, however a command is written.

import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import type { Cage } from "../../src/job.ts";
import { openStage, refuseRoot, temporaryFolder, type Stage } from "../fixtures/stage.ts";

before(refuseRoot);

const secret = "the-secret-7f3a";
const closed = { denyRead: ["/**/.env*", "/**/Keys/**"] };

/** Programs that a reader of the command line does not see through. */
const disguises = [
  "cat .env",
  "eval $(echo Y2F0IC5lbnY= | base64 -d)",
  "x=.e; cat ${x}nv",
  "cat .[e]nv; cat .??v",
  "cp .env copy; cat copy",
  "ln -f .env twin; cat twin",
  "ln -sf .env way; cat way",
  "mv .env moved; cat moved",
  "cd ..; cat root/.env; cat /proc/self/cwd/root/.env",
  "tar c . | tar xO",
  "grep -r the-secret . ; find . -name .env -exec cat {} ;",
  "exec 9<.env; cat <&9",
  'node -e \'console.log(require("fs").readFileSync(".env","utf8"))\'',
  "umount .env; mount --bind /dev/null .env; cat .env",
  "unshare -Urm sh -c 'umount .env; cat .env'",
  "chmod 777 .env; cat .env",
  "rm -f .env; cat .env",
];

async function tryAll(stage: Stage, commands: readonly string[]): Promise<void> {
  for (const command of commands) {
    const report = await stage.command(`${command}\ntrue`);
    assert.equal(report.outcome, "done", report.error ?? "");
    assert.doesNotMatch(`${report.stdout}${report.stderr}`, new RegExp(secret), command);
  }
}

for (const warm of [0, 1]) {
  test(`a file that a rule closes stays closed whatever the command looks like (warm: ${warm})`, async () => {
    await using stage = await openStage({ warm, more: () => closed });
    await stage.command("true");
    writeFileSync(join(stage.root, ".env"), secret);
    await tryAll(stage, disguises);
    assert.equal(readFileSync(join(stage.root, ".env"), "utf8"), secret);
  });
}

test("a closed folder is empty and takes nothing, and its parent cannot be moved", async () => {
  await using stage = await openStage({ warm: 1, more: () => closed });
  const folder = join(stage.root, "app/deep/keys");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "key"), secret);
  await tryAll(stage, [
    "cat app/deep/keys/key; ls -A app/deep/keys",
    "mv app moved; cat moved/deep/keys/key",
    "mv app/deep moved; cat moved/keys/key",
    "mv app/deep/keys moved; cat moved/key",
    "cp -r app other; cat other/deep/keys/key",
  ]);
  const report = await stage.command("echo x > app/deep/keys/new");
  assert.match(report.stderr, /Read-only file system/);
  assert.equal(existsSync(join(folder, "key")), true);
});

test("a link to a closed file is closed, and so is what a link of a closed name leads to", async () => {
  await using stage = await openStage({ more: () => closed });
  const at = (name: string): string => join(stage.root, name);
  writeFileSync(at(".env"), secret);
  symlinkSync(".env", at("way"));
  writeFileSync(at("real"), secret);
  symlinkSync("real", at(".env.local"));
  await tryAll(stage, ["cat way", "cat .env.local", "cat real"]);
});

test("another name of a closed file (a hard link) is closed as well", async () => {
  await using stage = await openStage({ warm: 1, more: () => closed });
  mkdirSync(join(stage.root, "node_modules/x"), { recursive: true });
  writeFileSync(join(stage.root, ".env"), secret);
  await stage.command("true");
  linkSync(join(stage.root, ".env"), join(stage.root, "node_modules/x/harmless"));
  await tryAll(stage, ["cat node_modules/x/harmless", "cat .env"]);
});

test("a task cannot close a root to later ones by a link", async () => {
  await using stage = await openStage({ warm: 1, more: () => closed });
  await stage.command(
    "mkdir a; ln -s . .env; ln -s / a/.env; ln -s .. a/.env.b; ln -s /usr .env.c",
  );
  assert.equal((await stage.command("ls")).stdout, "a\n");
});

test("a closed file that comes, or is replaced, while cages wait is closed to the next task", async () => {
  await using stage = await openStage({ warm: 1, more: () => closed });
  const file = join(stage.root, "app/.env");
  mkdirSync(join(stage.root, "app"));
  for (let at = 0; at < 5; at += 1) {
    // As editors save: a new file takes the old one's place, and a cover that was on the old one
    // falls off.
    writeFileSync(join(stage.root, "app/new"), secret);
    renameSync(join(stage.root, "app/new"), file);
    await tryAll(stage, ["cat app/.env"]);
  }
});

test("a folder that nobody can look into is closed, because a task could open it", async () => {
  await using stage = await openStage({ more: () => closed });
  const folder = join(stage.root, "app");
  mkdirSync(folder);
  writeFileSync(join(folder, ".env"), secret);
  chmodSync(folder, 0o000);
  await tryAll(stage, ["chmod 700 app; cat app/.env"]);
  chmodSync(folder, 0o700);
});

test("what an Edit rule closes can be read and not written, moved or removed", async () => {
  const more = (root: string): Partial<Cage> => ({
    denyWrite: [`${root}/package.json`, "/**/*.lock", `${root}/fixed`],
  });
  await using stage = await openStage({ warm: 1, more });
  const at = (name: string): string => join(stage.root, name);
  mkdirSync(at("sub/fixed"), { recursive: true });
  mkdirSync(at("fixed"));
  for (const name of ["package.json", "sub/a.lock", "fixed/f"])
    writeFileSync(at(name), "as it was");
  const report = await stage.command(
    "cat package.json; for f in package.json sub/a.lock fixed/f; do echo x > $f; mv $f y; rm -f $f; done; mv sub y; mv fixed y; echo x > fixed/new; echo x > sub/fixed/new; rm -rf sub",
  );
  assert.match(report.stdout, /^as it was/);
  for (const name of ["package.json", "sub/a.lock", "fixed/f"])
    assert.equal(readFileSync(at(name), "utf8"), "as it was", name);
  assert.equal(existsSync(at("fixed/new")), false);
});

test("a task may make new files of a closed name; the next task cannot read them", async () => {
  await using stage = await openStage({ warm: 1, more: () => closed });
  assert.equal((await stage.command("echo mine > .env; cat .env")).stdout, "mine\n");
  assert.equal((await stage.command("cat .env")).stdout, "");
});

test("a root may be shown for reading only, and a folder outside of the roots for writing", async () => {
  using outside = temporaryFolder();
  const more = (root: string): Partial<Cage> => ({
    roots: [root, `${root}-b`],
    readOnly: [root],
    writable: [outside.path, `${root}/sub`],
  });
  const prepared = (root: string): Partial<Cage> => {
    mkdirSync(`${root}-b`);
    mkdirSync(`${root}/sub`);
    writeFileSync(join(root, "f"), "read");
    return more(root);
  };
  await using stage = await openStage({ warm: 1, more: prepared });
  const report = await stage.command(
    `cat f; echo x > g; echo x > sub/g; echo x > '${outside.path}/g'; echo x > '${stage.root}-b/g'; echo x > '${outside.path}/../outside-g'`,
  );
  assert.equal(report.stdout, "read");
  const made = [stage.root, join(stage.root, "sub"), outside.path, `${stage.root}-b`];
  assert.deepEqual(
    made.map((folder) => existsSync(join(folder, "g"))),
    [false, true, true, true],
    report.stderr,
  );
});

test("a root that is gone costs only the tasks in it", async () => {
  await using stage = await openStage({ more: (root) => ({ roots: [root, `${root}-gone`] }) });
  assert.equal((await stage.command("echo fine")).stdout, "fine\n");
  const lost = await stage.command("echo ran", { cwd: `${stage.root}-gone` });
  assert.equal(lost.outcome, "failed");
  assert.match(lost.error ?? "", /-gone does not exist/);
});

test("a root that was replaced by another folder of its name is the new one in the next task", async () => {
  await using stage = await openStage({ warm: 1 });
  await stage.command("true");
  renameSync(stage.root, `${stage.root}-old`);
  mkdirSync(stage.root);
  await stage.command("echo x > f");
  assert.equal(existsSync(join(stage.root, "f")), true);
});
