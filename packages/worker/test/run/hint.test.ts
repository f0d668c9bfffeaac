import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cage } from "../../src/job.ts";
import { hintFor, type Failed } from "../../src/run/hint.ts";

const cage: Cage = { roots: ["/home/ann/openclaw"], readable: ["/opt/node"] };

function hint(command: string, stderr = "", more: Partial<Failed> = {}): string | null {
  return hintFor({
    task: { kind: "command", command },
    cwd: "/home/ann/openclaw",
    cage,
    refused: [],
    report: { stdout: "", stderr },
    policyFile: "/home/ann/.openclaw-worker/policy.json",
    ...more,
  });
}

const line = (rule: string): string =>
  `To allow it: add "${rule}" to rules.allow in /home/ann/.openclaw-worker/policy.json, on this computer`;

/** Command, what it printed, the rule that the hint proposes. */
const networked: readonly (readonly [string, string, string])[] = [
  [
    "curl https://api.github.com/x",
    "curl: (6) Could not resolve host: api.github.com",
    "api.github.com",
  ],
  ["curl -s https://user:pw@files.example.org:8443/a", "", "files.example.org"],
  [
    "git clone git@github.com:ann/x.git",
    "ssh: Could not resolve hostname github.com",
    "github.com",
  ],
  ["git -C x push origin main", "fatal: unable to access 'https://gitlab.com/a/b/'", "gitlab.com"],
  ["npm ci", "npm error code EAI_AGAIN", "example.com"],
  [
    "npm install left-pad",
    "npm error request to https://packages.example.org/left-pad failed, reason: getaddrinfo EAI_AGAIN packages.example.org",
    "packages.example.org",
  ],
  ["pip install requests", "", "example.com"],
  ["cargo build", "Could not resolve host: index.example.org", "index.example.org"],
  [
    "node fetch.js",
    "TypeError: fetch failed\n  cause: Error: getaddrinfo ENOTFOUND api.example.com",
    "api.example.com",
  ],
  [
    "python3 x.py",
    "socket.gaierror: [Errno -3] Temporary failure in name resolution",
    "example.com",
  ],
  ["./run", "connect: Network is unreachable", "example.com"],
  ["cd a && /usr/bin/wget http://example.net/f", "", "example.net"],
];

for (const [command, printed, domain] of networked) {
  test(`a command that wanted the network is told the line that opens it: ${command}`, () => {
    const own = domain === "example.com";
    const which = own ? " (the domain that it needs in the place of example.com)" : "";
    const opening = line(`WebFetch(domain:${domain})`);
    assert.equal(hint(command, printed), `The cage has no network. ${opening}${which}`);
  });
}

test("argv is looked at as well as a command", () => {
  const task = { kind: "exec", argv: ["curl", "https://example.org"] } as const;
  const report = { stdout: "", stderr: "" };
  assert.match(
    hint("", "", { task: { ...task, argv: [...task.argv] }, report }) ?? "",
    /WebFetch\(domain:example\.org\)/,
  );
});

test("a domain that the proxy refused is the one that is named", () => {
  const networked = { ...cage, domains: ["api.example.com"] };
  const said = hint("curl https://a.example.org", "CONNECT tunnel failed, response 403", {
    cage: networked,
    refused: ["cdn.example.org", "b.example.org"],
  });
  assert.equal(
    said,
    `The cage's network does not reach cdn.example.org (and 1 more). ${line("WebFetch(domain:cdn.example.org)")}`,
  );
  // It had its network, and failed by itself.
  assert.equal(hint("curl https://a.example.org", "503", { cage: networked }), null);
});

test("a task that asked for no network is told so, and not to change the policy", () => {
  const task = { kind: "command", command: "curl https://x.org", needs: { network: [] } } as const;
  const said = hint("", "", { task: { ...task, needs: { network: [] } } });
  assert.equal(
    said,
    "The cage has no network. The task itself asked for no more (needs.network): name the domain there",
  );
});

test("a path that the cage does not show, or not to be written, is named with its rule", () => {
  assert.equal(
    hint(
      "cat /home/ann/Documents/a.txt",
      "cat: /home/ann/Documents/a.txt: No such file or directory",
    ),
    `The cage does not show /home/ann/Documents/a.txt. ${line("Read(/home/ann/Documents/a.txt)")}`,
  );
  assert.equal(
    hint(
      "cp a /srv/backup/",
      "cp: cannot create regular file '/srv/backup/': Read-only file system",
    ),
    `The cage does not let it write /srv/backup. ${line("Edit(/srv/backup)")}`,
  );
  assert.match(
    hint("dd if=x of=/var/x", "dd: failed to open '/var/x': Permission denied") ?? "",
    /Read\(\/var\/x\)/,
  );
  assert.match(
    hint("cat ../other/x", "cat: ../other/x: No such file or directory") ?? "",
    /Read\(\/home\/ann\/other\/x\)/,
  );
});

test("a root that the task itself made read-only is no matter of the policy", () => {
  const said = hint(
    "touch /home/ann/openclaw/x",
    "touch: cannot touch '/home/ann/openclaw/x': Read-only file system",
    {
      cage: { ...cage, readOnly: ["/home/ann/openclaw"] },
    },
  );
  assert.match(said ?? "", /needs\.write/);
});

test("what failed for reasons of its own is given no hint", () => {
  const ordinary: readonly (readonly [string, string])[] = [
    ["false", ""],
    ["cat missing.txt", "cat: missing.txt: No such file or directory"],
    [
      "ls /home/ann/openclaw/none",
      "ls: cannot access '/home/ann/openclaw/none': No such file or directory",
    ],
    ["cat /etc/shadow", "cat: /etc/shadow: Permission denied"],
    ["git status", "fatal: not a git repository"],
    ["npm test", "1 test failed"],
    ["grep -r curl src", ""],
    ["cat /tmp/none", "cat: /tmp/none: No such file or directory"],
    ["make", "make: *** No rule to make target"],
  ];
  for (const [command, printed] of ordinary) assert.equal(hint(command, printed), null, command);
});

test("no output makes a hint slow", () => {
  const texts = ["a", "a.", "a-", "a@", "http://", "host "].map((text) => text.repeat(200_000));
  const slowest = texts.map((text) => {
    const begin = performance.now();
    hint("./run", text);
    return performance.now() - begin;
  });
  // A quadratic one would take minutes.
  assert.ok(Math.max(...slowest) < 5_000);
});
