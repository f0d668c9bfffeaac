// Names whose DNS somebody else keeps, pointed at this computer and at the local network. The names
// are in an /etc/hosts of the test's own, which a private mount shows to the worker-like process.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { reportSchema, type Report } from "@openclaw-worker/protocol";
import { refuseRoot, temporaryFolder } from "../fixtures/stage.ts";
import { openSite, type Site } from "./stage.ts";

let site: Site;
before(async () => {
  refuseRoot();
  site = await openSite("the site\n");
});
after(() => site[Symbol.asyncDispose]());

const own = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;

const hosts = {
  "loopback.example.com": "127.0.0.1",
  "six.example.com": "::1",
  "mapped.example.com": "::ffff:127.0.0.1",
  "any.example.com": "0.0.0.0",
  "link.example.com": "169.254.169.254",
  "ten.example.com": "10.1.2.3",
  "home.example.com": "192.168.1.1",
  "carrier.example.com": "100.64.0.1",
  "unique.example.com": "fd12::1",
  "own.example.com": own ?? "127.0.0.2",
} as const;

/** Runs one command in a worker that knows these names. */
async function runWith(domains: readonly string[], command: string): Promise<Report> {
  using folder = temporaryFolder();
  const file = join(folder.path, "hosts");
  const lines = Object.entries(hosts).map(([name, address]) => `${address} ${name}`);
  writeFileSync(file, ["127.0.0.1 localhost", ...lines, ""].join("\n"), { mode: 0o644 });
  const worker = spawn(
    "/usr/bin/bwrap",
    [
      ...["--dev-bind", "/", "/", "--ro-bind", file, "/etc/hosts", "--"],
      ...[process.execPath, "--conditions=source"],
      join(import.meta.dirname, "../fixtures/network-like.ts"),
      ...[folder.path, JSON.stringify(domains), command],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let printed = "";
  worker.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString("utf8")));
  assert.deepEqual(await once(worker, "close"), [0, null]);
  return reportSchema.parse(JSON.parse(printed));
}

test("an allowed name that leads to this computer or the local network is not followed there", async () => {
  const commands = Object.keys(hosts).map(
    (name) =>
      `curl -s -m 3 -o out -w '${name} %{http_code}\\n' http://${name}:${site.port}/; cat out 2>/dev/null; rm -f out`,
  );
  const report = await runWith(["*.example.com"], commands.join("\n"));
  assert.deepEqual(site.asked, []);
  assert.doesNotMatch(report.stdout, /the site/);
  for (const name of Object.keys(hosts)) {
    assert.match(report.stdout, new RegExp(`^${name} (?:403|502|000)$`, "m"));
  }
});

test("nor is it when every name is allowed", async () => {
  const report = await runWith(["*"], `curl -fsS -m 3 http://loopback.example.com:${site.port}/`);
  assert.notEqual(report.exitCode, 0);
  assert.deepEqual(site.asked, []);
  assert.match(report.hint ?? "", /does not reach loopback\.example\.com/);
});

test("a policy that names the address opens it, by its name as well", async () => {
  const report = await runWith(
    ["loopback.example.com", "127.0.0.1"],
    `curl -fsS -m 3 http://loopback.example.com:${site.port}/`,
  );
  assert.equal(report.stdout, "the site\n");
});

test("what is taken out of a wider name stays closed", async () => {
  const ask = (name: string): string =>
    `curl -s -m 3 -o /dev/null -w '%{http_code}\\n' http://${name}:${site.port}/`;
  const domains = ["*.example.com", "127.0.0.1", "!any.example.com", "!loopback.example.com"];
  const report = await runWith(
    domains,
    `${ask("loopback.example.com")}; ${ask("mapped.example.com")}`,
  );
  assert.match(report.stdout, /^403\n200\n$/);
});
