import assert from "node:assert/strict";
import { createPrivateKey, sign } from "node:crypto";
import { test } from "node:test";
import {
  newPrivateKey,
  newTaskId,
  parsePrivateKey,
  parsePublicKey,
  privateKeyPem,
  proveTask,
  provesTask,
  signDocument,
  verifyDocument,
} from "../src/index.ts";

// RFC 8032, section 7.1, test 1: an empty message.
const secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const publicHex = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const signatureHex =
  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";

function keyOfTheRfc() {
  const der = Buffer.from(`302e020100300506032b657004220420${secret}`, "hex");
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const parsed = parsePrivateKey(key.export({ type: "pkcs8", format: "pem" }).toString());
  assert.ok(parsed !== null);
  return parsed;
}

test("the system's Ed25519 is RFC 8032's, and the public key is the one of its test vector", () => {
  const pair = keyOfTheRfc();
  assert.equal(sign(null, Buffer.alloc(0), pair.key).toString("hex"), signatureHex);
  assert.match(
    Buffer.from(pair.public.text.split(" ")[1] ?? "", "base64").toString("hex"),
    new RegExp(`${publicHex}$`),
  );
});

test("a public key survives its text form, with a comment, and its fingerprint is OpenSSH's", () => {
  // Made once by `ssh-keygen -t ed25519`, which printed this fingerprint.
  const line =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBDStX6KmcFBYXhCcopgvEVET7qgdlY4Mg6y+Rzc8xyX anna@laptop";
  const key = parsePublicKey(line);
  assert.equal(key?.fingerprint, "SHA256:xVHRMyWCW9i+2nfUlzwd7Eut3CCA1M1Z9+Dl8OydyYc");
  assert.equal(parsePublicKey(key?.text ?? "")?.fingerprint, key?.fingerprint);
});

test("what is no Ed25519 public key is null", () => {
  const { text } = newPrivateKey().public;
  const base64 = text.split(" ")[1] ?? "";
  for (const bad of [
    "",
    "ssh-rsa AAAA",
    "ssh-ed25519",
    `ssh-ed25519 ${base64.slice(0, -4)}`,
    `ssh-ed25519 ${base64}AAAA`,
    `ssh-ed25519 !${base64}`,
    base64,
  ]) {
    assert.equal(parsePublicKey(bad), null, bad);
  }
});

test("a private key survives PEM; another kind of key is null", () => {
  const pair = newPrivateKey();
  assert.equal(parsePrivateKey(privateKeyPem(pair))?.public.text, pair.public.text);
  assert.equal(
    parsePrivateKey("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
    null,
  );
});

test("a signature holds for its document, its type and its key, and for nothing else", () => {
  const [mine, other] = [newPrivateKey(), newPrivateKey()];
  const signature = signDocument("decision", { b: 1, a: "ä" }, mine);
  const by = { signature, key: mine.public };
  assert.equal(verifyDocument("decision", { a: "ä", b: 1 }, by), true, "members have no order");
  assert.equal(verifyDocument("decision", { a: "ä", b: 2 }, by), false);
  assert.equal(verifyDocument("resume", { a: "ä", b: 1 }, by), false);
  assert.equal(
    verifyDocument("decision", { a: "ä", b: 1 }, { signature, key: other.public }),
    false,
  );
  const stolen = { ...signature, key: other.public.fingerprint };
  assert.equal(
    verifyDocument("decision", { a: "ä", b: 1 }, { signature: stolen, key: other.public }),
    false,
  );
});

test("a signed task proves its id, spec, time and audience", () => {
  const pair = newPrivateKey();
  const id = newTaskId(1_000, Buffer.alloc(10, 7));
  const task = { id, spec: { kind: "command", command: "echo hi" }, timeoutMs: 30_000 };
  const claims = {
    nonce: "n".repeat(22),
    issuedAt: 1_000,
    expiresAt: 2_000,
    audience: { worker: "mac", labels: [] },
  };
  const proof = proveTask(task, claims, pair);
  assert.equal(provesTask(task, proof, pair.public), true);
  const wrong = [
    [{ ...task, spec: { kind: "command", command: "echo ho" } }, proof],
    [{ ...task, timeoutMs: 30_001 }, proof],
    [{ ...task, id: newTaskId(1_001, Buffer.alloc(10, 7)) }, proof],
    [task, { ...proof, expiresAt: 3_000 }],
    [task, { ...proof, audience: { labels: new Array<string>() } }],
    [task, { ...proof, nonce: "m".repeat(22) }],
  ] as const;
  for (const [changed, by] of wrong) assert.equal(provesTask(changed, by, pair.public), false);
});
