import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { alive, eventually } from "../fixtures/alive.ts";
import { refuseRoot } from "../fixtures/stage.ts";
import { openNetworkStage, openSite, type NetworkStage, type Site } from "./stage.ts";

let stage: NetworkStage;
let site: Site;
before(async () => {
  refuseRoot();
  stage = await openNetworkStage();
  site = await openSite("the site\n");
});
after(async () => {
  await stage[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

const get = (port: number, host = "localhost"): string => `curl -sS -m 5 http://${host}:${port}/`;

test("a task reaches the domain that it may, with its output and exit code as they are", async () => {
  const report = await stage.reaching(["localhost"], `${get(site.port)}; echo to err >&2; exit 7`);
  assert.deepEqual(
    [report.outcome, report.exitCode, report.stdout, report.stderr],
    ["done", 7, "the site\n", "to err\n"],
  );
});

test("standard input, variables and the folder come to a task with network as to any", async () => {
  const report = await stage.reaching(["localhost"], "", {
    placed: {
      kind: "command",
      command: 'cat; echo "$WHO"; pwd',
      stdin: "in\n",
      env: { WHO: "me" },
    },
  });
  assert.equal(report.stdout, `in\nme\n${stage.root}\n`);
});

test("without a domain there is no network: no proxy, no name, no port of this computer", async () => {
  const report = await stage.command(
    `env | grep -ci proxy; ${get(site.port)}; curl -m 5 -sS http://127.0.0.1:${site.port}/; getent hosts example.com || echo no-name`,
  );
  assert.equal(report.stdout, "0\nno-name\n");
  assert.match(report.stderr, /Failed to connect|Could ?n[o']t connect/);
});

test("another domain is refused, whatever way it is asked for", async () => {
  await using other = await openSite("the other\n");
  const ways = [
    get(other.port),
    get(other.port, "127.0.0.1"),
    `curl -sS -m 5 --noproxy '*' http://127.0.0.1:${other.port}/`,
    `curl -sS -m 5 -p http://127.0.0.1:${other.port}/`,
    `curl -sS -m 5 -x "\${all_proxy/http:/socks5h:}" http://127.0.0.1:${other.port}/`,
    `curl -sS -m 5 -H 'Host: api.example.com' http://127.1:${other.port}/`,
    `curl -sS -m 5 http://2130706433:${other.port}/`,
    `curl -sS -m 5 'http://[::ffff:127.0.0.1]:${other.port}/'`,
    `(exec 9<>/dev/tcp/127.0.0.1/${other.port}) 2>&1`,
  ];
  const report = await stage.reaching(["api.example.com"], ways.join("; "));
  assert.doesNotMatch(report.stdout, /the other/);
  assert.deepEqual(other.asked, []);
});

test("names of other places are not even looked up", async () => {
  const report = await stage.reaching(["localhost"], "getent hosts example.com || echo no-name");
  assert.equal(report.stdout, "no-name\n");
});

test("a refused domain is named in the hint with the line that opens it", async () => {
  const report = await stage.reaching(
    ["api.example.com"],
    `curl -fsS -m 5 http://www.example.org/`,
  );
  assert.notEqual(report.exitCode, 0);
  assert.equal(
    report.hint,
    "The cage's network does not reach www.example.org. To allow it: add " +
      '"WebFetch(domain:www.example.org)" to rules.allow in /home/ann/.openclaw-worker/policy.json, on this computer',
  );
});

test("a name for everything is no name for this computer, however it is written", async () => {
  const hosts = ["localhost", "x.localhost", "127.0.0.1", "127.1", "0x7f.1", "2130706433", "[::1]"];
  for (const host of hosts) {
    const report = await stage.reaching(
      ["*"],
      `curl -fsS -m 5 --noproxy '' http://${host}:${site.port}/`,
    );
    assert.equal(report.stdout, "", host);
    assert.notEqual(report.exitCode, 0, host);
  }
});

test("two tasks at once each have their own domains and nothing of the other's", async () => {
  const both = `${get(site.port)} --noproxy '' ; curl -sS -m 5 --noproxy '' -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:${site.port}/; env | grep -c CLOUDSDK_PROXY_PASSWORD`;
  const [one, two] = await Promise.all([
    stage.reaching(["localhost"], both),
    stage.reaching(["127.0.0.1"], both),
  ]);
  assert.equal(one.stdout, "the site\n403\n1\n");
  assert.match(two.stdout, /200\n1\n$/);
  assert.doesNotMatch(two.stdout, /the site/);
});

test("the cage with network has the walls of any: files, sockets, capabilities", async () => {
  const report = await stage.reaching(
    ["localhost"],
    [
      `cat ${stage.state}/* 2>/dev/null; ls ${stage.folder}`,
      "grep -E '^(CapEff|Seccomp|NoNewPrivs):' /proc/self/status",
      "socat -u OPEN:/dev/null UNIX-CONNECT:/tmp/.openclaw-network 2>&1 | grep -o 'Operation not permitted'",
      "touch /usr/x /etc/x 2>/dev/null || echo read-only",
    ].join("; "),
  );
  assert.deepEqual(report.stdout.trim().split("\n"), [
    "root",
    "CapEff:\t0000000000000000",
    "NoNewPrivs:\t1",
    "Seccomp:\t2",
    "Operation not permitted",
    "read-only",
  ]);
});

test("no argument of any process holds the proxy's password", async () => {
  const report = await stage.reaching(["localhost"], 'echo "$CLOUDSDK_PROXY_PASSWORD"; sleep 0.2');
  const password = report.stdout.trim();
  assert.match(password, /^\w{16,}$/);
  const controller = new AbortController();
  const running = stage.reaching(["localhost"], 'echo "$CLOUDSDK_PROXY_PASSWORD" > p; sleep 60', {
    signal: controller.signal,
  });
  await eventually(() => readdirSync(stage.root).includes("p"));
  const { readFileSync } = await import("node:fs");
  await eventually(() => readFileSync(`${stage.root}/p`, "utf8") !== "");
  assert.deepEqual(alive(readFileSync(`${stage.root}/p`, "utf8").trim()), []);
  controller.abort();
  assert.equal((await running).outcome, "cancelled");
});

test("a timeout ends a task with network, and its gateway goes with it", async () => {
  const report = await stage.reaching(["localhost"], "trap '' TERM; sleep 60 & sleep 60", {
    timeoutMs: 1_500,
  });
  assert.equal(report.outcome, "timeout");
});

test("when the stage is closed nothing of it is left", async () => {
  const own = await openNetworkStage();
  const { folder } = own;
  assert.equal((await own.reaching(["localhost"], get(site.port))).stdout, "the site\n");
  assert.equal((await own.reaching(["localhost"], get(site.port))).stdout, "the site\n");
  await own[Symbol.asyncDispose]();
  await eventually(() => alive(folder).length === 0);
});
