import assert from "node:assert/strict";
import { test } from "node:test";
import { configOf, opensBroadly, orderSchema } from "../../src/sandbox/network/config.ts";

const tools = { bwrap: "/usr/bin/bwrap", socat: "/usr/bin/socat", ripgrep: "/usr/bin/rg" };

test("the library is given exactly the names that its lists can say", () => {
  const { network } = configOf({
    domains: ["a.example.com", "*.example.org", "localhost", "10.0.0.5", "!x.example.org"],
    tools,
  });
  assert.deepEqual(network.allowedDomains, [
    "a.example.com",
    "*.example.org",
    "localhost",
    "10.0.0.5",
  ]);
  assert.deepEqual(network.deniedDomains, ["x.example.org"]);
  assert.equal(network.strictAllowlist, true);
});

test("everything is never the library's list: each name is judged by itself", () => {
  const { network } = configOf({ domains: ["*", "*.com", "intranet", "!*.net"], tools });
  assert.deepEqual([network.allowedDomains, network.deniedDomains], [[], []]);
  assert.equal(network.strictAllowlist, false);
});

test("an order that is not understood, or opens nothing, is none", () => {
  const lists = [
    [],
    ["!a.com"],
    ["a.com/x"],
    ["http://a.com"],
    ["a.com:443"],
    ["**"],
    ["a..b"],
    [""],
    ["a*.com"],
    ["-a.com"],
  ];
  for (const domains of lists) {
    assert.equal(orderSchema.safeParse({ domains, tools }).success, false, String(domains));
  }
  const misspelt = { domains: ["a.com"], tools, deniedDomain: [] };
  assert.equal(orderSchema.safeParse(misspelt).success, false);
  assert.equal(orderSchema.safeParse({ domains: ["a.com"], tools }).success, true);
});

test("a broad name opens names, and no address and not this computer, however they are written", () => {
  const all = { domains: ["*", "!*.net", "!evil.com"] };
  for (const host of [
    "example.com",
    "EXAMPLE.com.",
    "xn--bcher-kva.de",
    "intranet",
    "a.b.c.d.e",
    "1.2.3.example",
    "0x7f.com",
  ]) {
    assert.equal(opensBroadly(all, host), true, host);
  }
  const closed = [
    ...[
      "localhost",
      "LOCALHOST.",
      "a.localhost",
      "127.0.0.1",
      "127.1",
      "0",
      "0x7f.1",
      "0x7f000001",
    ],
    ...["2130706433", "017700000001", "::1", "[::1]", "::ffff:127.0.0.1", "1.2.3.0x4", "10.0.0.08"],
    ...["a.net", "evil.com", "EVIL.com.", "evil.com\0.ok.com", "a b.com", "", ".", "a..com", "*"],
  ];
  for (const host of closed) assert.equal(opensBroadly(all, host), false, host);
  assert.equal(opensBroadly({ domains: ["*.com"] }, "a.com"), true);
  assert.equal(opensBroadly({ domains: ["*.com"] }, "a.org"), false);
  assert.equal(opensBroadly({ domains: ["a.example.com"] }, "b.example.com"), false);
});
