import assert from "node:assert/strict";
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { newPrivateKey, parsePrivateKey } from "@openclaw-worker/protocol";
import { silentLog, systemClock } from "@openclaw-worker/base";
import { openIdentity } from "../../src/identity.ts";
import {
  emptyRing,
  enrollKey,
  findKey,
  keyFileStamp,
  loadKeyRing,
  parseKeyRing,
  revokeKey,
  saveKeyRing,
  type KeyRing,
  type RingChange,
} from "../../src/keys.ts";
import { keepKeys } from "../../src/key-watch.ts";
import { noNotes } from "../../src/note.ts";
import { temporaryFolder } from "../stage.ts";

const uid = process.getuid?.() ?? 0;

function changed(change: RingChange): KeyRing {
  assert.equal(change.kind, "changed", change.kind === "refused" ? change.because : "");
  return change.kind === "changed" ? change.ring : emptyRing;
}

function problem(change: RingChange): string {
  return change.kind === "refused" ? change.because : "";
}

test("a key is enrolled once, found for its roles only, and never again once revoked", () => {
  const key = newPrivateKey();
  const { fingerprint, text: publicKey } = key.public;
  const anna = {
    name: "anna",
    publicKey: `${publicKey} anna@desk`,
    roles: ["approver"],
    at: 5,
  } as const;
  const ring = changed(enrollKey(emptyRing, anna));
  assert.deepEqual(ring.keys, [
    { name: "anna", publicKey, roles: ["approver"], addedAt: 5, revokedAt: null },
  ]);
  assert.equal(findKey(ring, fingerprint, "approver").kind, "key");
  assert.equal(findKey(ring, fingerprint, "submitter").kind, "unknown");
  assert.match(problem(enrollKey(ring, { ...anna, name: "bert" })), /enrolled already/);
  const other = newPrivateKey().public.text;
  assert.match(problem(enrollKey(ring, { ...anna, publicKey: other })), /anna has a key already/);
  assert.match(problem(enrollKey(ring, { ...anna, publicKey: "ssh-rsa AAAA" })), /no Ed25519/);
  assert.match(problem(enrollKey(ring, { ...anna, name: "a b", publicKey: other })), /a name is/);
  const revoked = changed(revokeKey(ring, fingerprint, 9));
  assert.deepEqual(findKey(revoked, fingerprint, "approver"), { kind: "revoked", name: "anna" });
  assert.match(problem(enrollKey(revoked, anna)), /was revoked/);
  assert.match(problem(revokeKey(revoked, "anna", 10)), /no key in force/);
  const next = changed(enrollKey(revoked, { ...anna, publicKey: other }));
  assert.equal(next.keys.length, 2);
});

test("a key that a file names twice, once revoked, is revoked", () => {
  const publicKey = newPrivateKey().public;
  const entry = { name: "a", publicKey: publicKey.text, roles: ["approver"], addedAt: 1 } as const;
  const ring = parseKeyRing(
    JSON.stringify({
      version: 1,
      keys: [
        { ...entry, revokedAt: null },
        { ...entry, name: "b", revokedAt: 2 },
      ],
    }),
  );
  assert.equal(findKey(ring, publicKey.fingerprint, "approver").kind, "revoked");
});

test("the key file is its owner's alone, whole, and read only when nobody else could have changed it", () => {
  const folder = temporaryFolder();
  const file = path.join(folder, "keys.json");
  try {
    assert.equal(loadKeyRing({ file, uid }).kind, "missing");
    const { text: publicKey } = newPrivateKey().public;
    const ring = changed(
      enrollKey(emptyRing, { name: "a", publicKey, roles: ["submitter"], at: 1 }),
    );
    saveKeyRing(file, ring);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(loadKeyRing({ file, uid }), { kind: "ring", ring });
    chmodSync(file, 0o644);
    assert.equal(loadKeyRing({ file, uid }).kind, "ring");
    assert.equal(statSync(file).mode & 0o777, 0o600);
    chmodSync(file, 0o660);
    const load = loadKeyRing({ file, uid });
    assert.match(load.kind === "refused" ? load.because : "", /can be changed by other users/);
    chmodSync(file, 0o600);
    for (const text of [
      "{",
      "{}",
      '{"version":1,"keys":[{"name":"x"}]}',
      '{"version":2,"keys":[]}',
    ]) {
      writeFileSync(file, text);
      assert.equal(loadKeyRing({ file, uid }).kind, "refused", text);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a key is out of force as soon as its file says so, before any watch has told of it", () => {
  const folder = temporaryFolder();
  const file = path.join(folder, "keys.json");
  const { fingerprint, text: publicKey } = newPrivateKey().public;
  const ring = changed(
    enrollKey(emptyRing, { name: "anna", publicKey, roles: ["submitter"], at: 1 }),
  );
  saveKeyRing(file, ring);
  using keeper = keepKeys({
    clock: systemClock(),
    log: silentLog,
    notes: noNotes,
    ring,
    load: () => loadKeyRing({ file, uid }),
    stamp: () => keyFileStamp(file),
    // Never calls back.
    watch: () => ({ [Symbol.dispose]() {} }),
    onChange() {},
  });
  assert.equal(findKey(keeper.current(), fingerprint, "submitter").kind, "key");
  saveKeyRing(file, changed(revokeKey(ring, "anna", 2)));
  assert.equal(findKey(keeper.current(), fingerprint, "submitter").kind, "revoked");
  writeFileSync(file, "broken");
  assert.equal(findKey(keeper.current(), fingerprint, "submitter").kind, "revoked");
  rmSync(folder, { recursive: true });
});

test("a worker has one identity, made at its first start, and refuses one that others could read", () => {
  const folder = temporaryFolder();
  try {
    const first = openIdentity(folder, uid);
    const second = openIdentity(folder, uid);
    assert.ok(first.kind === "identity" && second.kind === "identity");
    if (first.kind !== "identity" || second.kind !== "identity") return;
    assert.deepEqual([first.isNew, second.isNew], [true, false]);
    assert.equal(first.key.public.fingerprint, second.key.public.fingerprint);
    const file = path.join(folder, "identity.pem");
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.notEqual(parsePrivateKey(readFileSync(file, "utf8")), null);
    chmodSync(file, 0o640);
    assert.equal(openIdentity(folder, uid).kind, "refused");
    chmodSync(file, 0o600);
    writeFileSync(file, "nothing");
    assert.equal(openIdentity(folder, uid).kind, "refused");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
