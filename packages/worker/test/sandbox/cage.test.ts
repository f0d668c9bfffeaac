import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { openStage, refuseRoot, type Stage } from "../fixtures/stage.ts";

let stage: Stage;
before(async () => {
  refuseRoot();
  stage = await openStage({ warm: 1 });
});
after(() => stage[Symbol.asyncDispose]());

const printed = async (command: string): Promise<string> => (await stage.command(command)).stdout;

test("the home is at its place, private, empty but for roots, and gone afterwards", async () => {
  assert.equal(await printed("echo x > ~/note; cat ~/note; stat -c %a ~"), "x\n700\n");
  assert.equal(await printed("ls -A ~ | grep -v worker-test"), "");
  assert.equal(existsSync(join(stage.home, "note")), false);
});

test("two tasks never share a temporary folder", async () => {
  await printed(
    "echo secret > /tmp/left; echo secret > /dev/shm/left; echo secret > /var/tmp 2>/dev/null",
  );
  assert.equal(await printed("cat /tmp/left /dev/shm/left 2>/dev/null"), "");
});

test("nothing outside of the roots can be written or made", async () => {
  const places = [
    "/usr/x",
    "/etc/x",
    "/bin/x",
    "/x",
    stage.state,
    join(stage.root, "..", "beside"),
    "/proc/sys/kernel/core_pattern",
  ];
  for (const place of places) {
    await printed(`echo x > '${place}' || mkdir '${place}/y'`);
    assert.equal(existsSync(join(place, "y")), false);
  }
  for (const place of places.slice(0, 4)) assert.equal(existsSync(place), false, place);
  assert.equal(existsSync(join(stage.root, "..", "beside")), false);
});

test("the worker's state, other homes and the install cannot be seen", async () => {
  writeFileSync(join(stage.state, "token"), "secret");
  const install = import.meta.dirname;
  const seen = await printed(
    `cat '${stage.state}/token'; ls -A '${stage.state}' /root /home /opt /srv /var /work '${install}' 2>/dev/null | grep -v : `,
  );
  assert.doesNotMatch(seen, /secret|token|cage\.test/);
});

test("no other process can be seen or signalled", async () => {
  assert.equal(
    await printed(
      `kill -0 ${process.pid} 2>/dev/null && echo reached; set -- /proc/[0-9]*; [ $# -le 3 ] && echo few`,
    ),
    "few\n",
  );
});

test("there is no network: neither this computer's ports nor local sockets nor its names", async () => {
  const server = createServer((socket) => socket.end("reached"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const path = join(stage.root, "socket");
  const local = createServer((socket) => socket.end("reached"));
  local.listen(path);
  await once(local, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const seen = await printed(
    `cat < /dev/tcp/127.0.0.1/${port}; socat - UNIX-CONNECT:${path} 2>&1; true`,
  );
  assert.doesNotMatch(seen, /reached/);
  assert.match(seen, /Operation not permitted/);
  const outside = await promisify(execFile)("socat", ["-u", `UNIX-CONNECT:${path}`, "-"]);
  assert.equal(outside.stdout, "reached");
  for (const one of [server, local]) await new Promise((resolve) => one.close(resolve));
});

test("the task runs as the user, without capabilities, under the system call filter", async () => {
  const status = await printed("cat /proc/self/status");
  assert.match(status, /^Seccomp:\t2$/m);
  assert.match(status, /^CapEff:\t0+$/m);
  assert.match(status, /^NoNewPrivs:\t1$/m);
  assert.equal(await printed("id -u"), `${process.getuid?.()}\n`);
  assert.match((await stage.command("unshare -Ur true")).stderr, /not permitted|failed|Invalid/i);
});

test("a descriptor that the worker left open does not reach the task", async () => {
  assert.equal(await printed("ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3 ");
});

test("git init and git commit work, and hooks and settings of a repository are closed to later tasks", async () => {
  const git = "git -c user.name=a -c user.email=a@b -c init.defaultBranch=main";
  const first = await stage.command(
    `mkdir p && cd p && ${git} init -q && echo 1 > f && git add f && ${git} commit -qm one && git log --oneline | wc -l`,
  );
  assert.deepEqual([first.stdout, first.exitCode], ["1\n", 0], first.stderr);
  const second = await stage.command(
    `cd p && echo 2 > f && ${git} commit -qam two && git log --oneline | wc -l`,
  );
  assert.deepEqual([second.stdout, second.exitCode], ["2\n", 0], second.stderr);
  const attacks = await stage.command(
    "cd p; echo evil > .git/hooks/post-commit; git config core.fsmonitor evil; mv .git .git2; mv .git/hooks .git/h; rm -rf .git/hooks; cd ..; mv p q; true",
  );
  assert.notEqual(attacks.stderr, "");
  assert.equal(existsSync(join(stage.root, "p/.git/hooks/post-commit")), false);
  assert.doesNotMatch(readFileSync(join(stage.root, "p/.git/config"), "utf8"), /evil/);
});

test("a repository that appears after a cage was made ready is guarded all the same", async () => {
  await stage.command("true");
  const hooks = join(stage.root, "late/.git/hooks");
  mkdirSync(hooks, { recursive: true });
  await stage.command("echo evil > late/.git/hooks/pre-commit");
  assert.deepEqual(readdirSync(hooks), []);
});

test("a folder that the library would share with every cage is not shared", async () => {
  const shared = "/tmp/claude";
  const was = existsSync(shared);
  mkdirSync(shared, { recursive: true });
  await using other = await openStage();
  await other.command(`mkdir -p ${shared}; echo x > ${shared}/from-a-cage`);
  assert.equal(existsSync(join(shared, "from-a-cage")), false);
  if (!was) rmSync(shared, { recursive: true });
});

test("a tool's folder can be read and run, and not written", async () => {
  await using source = await openStage();
  const tool = join(source.root, "tool");
  mkdirSync(join(tool, "etc"), { recursive: true });
  writeFileSync(join(tool, "hello"), "#!/bin/sh\necho hello from a tool\n", { mode: 0o755 });
  writeFileSync(join(tool, "etc/npmrc"), "token=secret");
  await using user = await openStage({ readable: [tool] });
  const report = await user.command(`${tool}/hello; cat ${tool}/etc/npmrc; echo x > ${tool}/x`);
  assert.equal(report.stdout, "hello from a tool\n");
  assert.equal(existsSync(join(tool, "x")), false);
});

test("a root may have any name", async () => {
  const root = join(stage.root, "it's [a]* $HOME");
  mkdirSync(root);
  const report = await stage.command("echo x > f; pwd", {
    cwd: root,
    cage: { roots: [root], readable: [] },
  });
  assert.deepEqual([report.stdout, report.stderr], [`${root}\n`, ""]);
  assert.equal(existsSync(join(root, "f")), true);
});
