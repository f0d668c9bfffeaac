import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { nameSchema } from "@openclaw-worker/protocol";
import { nameFrom, readConfig, type ConfigRead } from "../src/config.ts";

function read(env: Readonly<Record<string, string>>): ConfigRead {
  return readConfig({ env, home: "/home/ann", hostname: "Ann's MacBook.local" });
}

function errorsOf(env: Readonly<Record<string, string>>): string {
  const config = read(env);
  return config.kind === "invalid" ? config.errors.join("\n") : "";
}

test("without any setting the worker dials the server on this computer", () => {
  const config = read({});
  assert.ok(config.kind === "config");
  assert.equal(config.config.url.href, "http://127.0.0.1:3456/");
  assert.equal(config.config.slots, 3);
  assert.equal(config.config.name, "Ann-s-MacBook.local");
  assert.equal(config.config.stateDir, "/home/ann/.openclaw-worker/worker");
  assert.equal(config.config.policyFile, "/home/ann/.openclaw-worker/policy.json");
  assert.deepEqual(config.notes, []);
});

test("every bad value is named, all at once, and the token never is", () => {
  const errors = errorsOf({
    WORKER_URL: "ftp://x",
    WORKER_TOKEN: "two words",
    WORKER_ID: "a b",
    MAX_CONCURRENT: "0",
    LONG_POLL_WAIT: "soon",
    OPENCLAW_WORKER_LABELS: "mac,b/d",
    OPENCLAW_WORKER_HOME: "relative",
    OPENCLAW_LOG: "xml",
  });
  for (const name of [
    "WORKER_URL",
    "WORKER_TOKEN",
    "WORKER_ID",
    "MAX_CONCURRENT",
    "LONG_POLL_WAIT",
    "OPENCLAW_WORKER_LABELS",
    "OPENCLAW_WORKER_HOME",
    "OPENCLAW_LOG",
  ]) {
    assert.match(errors, new RegExp(`^${name} `, "m"));
  }
  assert.doesNotMatch(errors, /two words/);
});

test("plain http beyond this computer is refused until it is accepted, and says what it means", () => {
  assert.match(
    errorsOf({ WORKER_URL: "http://203.0.113.7:3456" }),
    /steal the token.*WORKER_ALLOW_HTTP=1/,
  );
  const accepted = read({ WORKER_URL: "http://203.0.113.7:3456", WORKER_ALLOW_HTTP: "1" });
  assert.ok(accepted.kind === "config");
  assert.match(accepted.notes.join(), /steal the token/);
  for (const url of [
    "https://tasks.example.com",
    "http://localhost:1",
    "http://[::1]:1",
    "http://127.9.9.9",
  ]) {
    assert.equal(errorsOf({ WORKER_URL: url }), "");
  }
  assert.notEqual(errorsOf({ WORKER_URL: "http://127.0.0.1.example.com" }), "");
  assert.match(errorsOf({ WORKER_URL: "https://user:secret@example.com" }), /more than an address/);
});

test("a poll longer than proxies allow is shortened, with a note", () => {
  const config = read({ LONG_POLL_WAIT: "120000" });
  assert.ok(config.kind === "config");
  assert.match(config.notes.join(), /50000 is used/);
});

test("any hostname becomes a name that the server accepts", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      (hostname) => nameSchema.safeParse(nameFrom(hostname)).success,
    ),
  );
});
