import assert from "node:assert/strict";
import fs from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { openStage, token } from "./stage.ts";

// Commands that are told nothing but where the state lies.
const bare = { WORKER_URL: "", WORKER_TOKEN: "" };

test("what `up` wrote is enough to find the server", async () => {
  await using stage = await openStage(null);
  const home = path.join(stage.folder, "home");
  await fs.mkdir(home, { mode: 0o700 });
  const file = path.join(home, "client.json");
  await fs.writeFile(file, JSON.stringify({ url: stage.url, token }), { mode: 0o600 });
  assert.equal((await stage.cli(["workers"], { env: bare })).code, 0);
});

test("a kept token is never shown to another server", async () => {
  await using stage = await openStage(null);
  const home = path.join(stage.folder, "home");
  await fs.mkdir(home, { mode: 0o700 });
  const kept = { url: "http://127.0.0.1:9", token };
  await fs.writeFile(path.join(home, "client.json"), JSON.stringify(kept), { mode: 0o600 });
  const ran = await stage.cli(["workers", "--url", stage.url], { env: bare });
  assert.equal(ran.code, 1);
  assert.match(ran.err, /No token for this server/);
});

test("a token file wins over the environment, and its last line end is no part of it", async () => {
  await using stage = await openStage(null);
  const file = path.join(stage.folder, "token");
  await fs.writeFile(file, `${token}\n`);
  const args = ["workers", "--token-file", file];
  assert.equal((await stage.cli(args, { env: { WORKER_TOKEN: "another-one" } })).code, 0);
});

test("without any token the ways to give one are named", async () => {
  await using stage = await openStage(null);
  const ran = await stage.cli(["workers"], { env: bare });
  assert.equal(ran.code, 1);
  assert.match(ran.err, /--token-file nor WORKER_TOKEN/);
});

test("a token that the server refuses is told as that", async () => {
  await using stage = await openStage(null);
  const ran = await stage.cli(["workers"], { env: { WORKER_TOKEN: "some-other-token" } });
  assert.equal(ran.code, 1);
  assert.match(ran.err, /The server refused the token/);
});
