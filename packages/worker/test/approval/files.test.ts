import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { hashFiles } from "../../src/approval/files.ts";
import { filesNamed } from "../../src/approval/named.ts";
import type { Cage } from "../../src/job.ts";
import { temporaryFolder } from "../stage.ts";

const signal = AbortSignal.timeout(60_000);

function named(command: string): readonly string[] {
  const names = filesNamed({ kind: "command", command }, "/r", "/home/a");
  return names.filter((name) => name.startsWith("/r/") || name.startsWith("/home/a/"));
}

test("programs and scripts are named, at any depth; data files are not", () => {
  assert.ok(named("./deploy.sh now").includes("/r/deploy.sh"));
  assert.ok(named("sh x.sh").includes("/r/x.sh"));
  assert.ok(named("bash -c 'sh y.sh'").includes("/r/y.sh"));
  assert.ok(named("cd sub && ./z.sh").includes("/r/sub/z.sh"));
  assert.ok(named("env A=1 python3 ~/p.py").includes("/home/a/p.py"));
  assert.ok(named("echo $(node a.js)").includes("/r/a.js"));
  assert.ok(named("sudo -u x timeout 5 ./t").includes("/r/t"));
  assert.ok(named(". ./env.sh").includes("/r/env.sh"));
  assert.ok(named("make -f rules.mk").includes("/r/rules.mk"));
  assert.ok(named("bash < s.sh").includes("/r/s.sh"));
  assert.ok(named("node --require=./pre.js x").includes("/r/pre.js"));
  assert.deepEqual(named("cat .env && git add x"), []);
  const exec = { kind: "exec", argv: ["sh", "a b.sh"] } as const;
  assert.ok(filesNamed({ ...exec, argv: [...exec.argv] }, "/r", "/h").includes("/r/a b.sh"));
});

test("what is hashed is what lies where tasks write, through links too, and nothing that rules close", async () => {
  const folder = temporaryFolder();
  try {
    const root = path.join(folder, "root");
    const other = path.join(folder, "other");
    mkdirSync(path.join(root, "~"), { recursive: true });
    mkdirSync(other);
    const put = (file: string, text: string): string => (writeFileSync(file, text), file);
    const script = put(path.join(root, "x.sh"), "one");
    const tilde = put(path.join(root, "~", "x"), "two");
    const secret = put(path.join(root, ".env"), "secret");
    const outside = put(path.join(folder, "outside.sh"), "three");
    const second = put(path.join(other, "y.sh"), "four");
    const link = path.join(root, "link.sh");
    symlinkSync(second, link);
    const out = path.join(root, "out.sh");
    symlinkSync(outside, out);
    const closedLink = path.join(root, "env.sh");
    symlinkSync(secret, closedLink);
    const fifo = path.join(root, "fifo");
    execFileSync("mkfifo", [fifo]);
    const cage: Cage = { roots: [root], readable: [], writable: [other], denyRead: [secret] };
    const names = [script, tilde, secret, outside, link, out, closedLink, fifo, root, `${root}/no`];
    const salt = Buffer.from("salt");
    const ground = { cage, signal, salt, guarded: [tilde] };
    const hashed = await hashFiles(names, ground);
    const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
    assert.deepEqual(hashed, {
      kind: "files",
      files: [
        { path: link, sha256: sha256("four") },
        { path: script, sha256: sha256("one") },
        // A hash that nobody could guess from what the file may hold.
        { path: tilde, sha256: sha256("salttwo") },
      ].toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    });
    const many = Array.from({ length: 65 }, (_, at) => put(path.join(root, `${at}.sh`), "x"));
    const refused = await hashFiles(many, ground);
    assert.match(refused.kind === "refused" ? refused.because : "", /more than 64 files/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
