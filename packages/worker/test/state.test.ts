import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { lockFolder, prepareParentFolder, preparePrivateFolder, readSecret } from "../src/state.ts";
import { problemAbove } from "../src/trust.ts";
import { temporaryFolder } from "./stage.ts";

const uid = process.getuid?.() ?? -1;

interface Desk extends Disposable {
  readonly folder: string;
  readonly state: string;
}

function openDesk(): Desk {
  const folder = temporaryFolder();
  const state = path.join(folder, "home", "worker");
  mkdirSync(state, { recursive: true });
  return { folder, state, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

test("a state folder that was open is closed, with all that lies in it", () => {
  using desk = openDesk();
  const files = ["journal.sqlite", "journal.sqlite-wal", "lock", "token"];
  for (const name of files) {
    writeFileSync(path.join(desk.state, name), "x");
    chmodSync(path.join(desk.state, name), 0o666);
  }
  mkdirSync(path.join(desk.state, "streams"));
  for (const folder of [desk.state, path.join(desk.state, "streams")]) chmodSync(folder, 0o777);
  assert.equal(preparePrivateFolder(desk.state, uid), null);
  for (const name of files)
    assert.equal(statSync(path.join(desk.state, name)).mode & 0o777, 0o600, name);
  for (const folder of [desk.state, path.join(desk.state, "streams")])
    assert.equal(statSync(folder).mode & 0o777, 0o700);
});

test("a link among the worker's own files is refused with the line that removes it", () => {
  using desk = openDesk();
  const link = path.join(desk.state, "journal.sqlite");
  symlinkSync("/dev/null", link);
  assert.match(preparePrivateFolder(desk.state, uid) ?? "", /is a link.*rm '/);
  rmSync(link);
  // A token may come from elsewhere; whose it is, is looked at when it is read.
  const kept = path.join(desk.folder, "kept");
  writeFileSync(kept, "secret\n");
  symlinkSync(kept, path.join(desk.state, "token"));
  assert.equal(preparePrivateFolder(desk.state, uid), null);
  const read = readSecret(path.join(desk.state, "token"), uid);
  assert.deepEqual(read, { kind: "secret", text: "secret" });
  assert.equal(statSync(kept).mode & 0o777, 0o600);
  assert.equal(readSecret(path.join(desk.state, "token"), uid + 1).kind, "refused");
});

test("another user's folder or file is refused with the line that takes it", () => {
  using desk = openDesk();
  assert.match(preparePrivateFolder(desk.state, uid + 1) ?? "", /another user.*sudo chown -R/);
  assert.match(prepareParentFolder(desk.state, uid + 1) ?? "", /another user.*sudo chown/);
});

test("a state folder below one that others can change is refused with the line that closes it", () => {
  using desk = openDesk();
  const home = path.dirname(desk.state);
  assert.equal(prepareParentFolder(home, uid), null);
  chmodSync(desk.folder, 0o777);
  assert.match(prepareParentFolder(home, uid) ?? "", /other users can change.* chmod go-w '/);
  // As in /tmp, each may move only what is theirs.
  chmodSync(desk.folder, 0o1777);
  assert.equal(prepareParentFolder(home, uid), null);
});

test("every folder up to the top counts, with who may change it", () => {
  const look =
    (modes: Readonly<Record<string, readonly [uid: number, mode: number]>>) => (folder: string) => {
      const [owner, mode] = modes[folder] ?? [0, 0o755];
      return { uid: owner, mode };
    };
  const file = "/home/ann/state/x";
  assert.equal(problemAbove(file, 1000, look({ "/home/ann": [1000, 0o700] })), null);
  assert.equal(problemAbove(file, 1000, look({ "/": [65_534, 0o755] })), null);
  const swapped = problemAbove(file, 1000, look({ "/home/ann": [1001, 0o755] }));
  assert.match(swapped ?? "", /^lies in \/home\/ann, which belongs to another user/);
  const open = problemAbove(file, 1000, look({ "/home": [0, 0o775] }));
  assert.match(open ?? "", /^lies in \/home, .* sudo chmod go-w '\/home'$/);
});

test("the socket of a worker that died is removed by the next, and that of a running one is not", async () => {
  using desk = openDesk();
  const file = path.join(desk.state, "approvals.sock");
  const lock = path.join(desk.state, "lock");
  const script = `
    const net = require("node:net");
    net.createServer().listen(${JSON.stringify(file)}, () => process.kill(process.pid, "SIGKILL"));`;
  spawnSync(process.execPath, ["-e", script]);
  assert.ok(existsSync(file), "it was left behind");
  const first = lockFolder(lock);
  assert.ok(first !== null && !existsSync(file));
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(file, resolve));
  assert.equal(lockFolder(lock), null);
  assert.ok(existsSync(file));
  await new Promise((resolve) => server.close(resolve));
  first[Symbol.dispose]();
});
