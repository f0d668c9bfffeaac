import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Needs, Spec } from "@openclaw-worker/protocol";
import type { Cage } from "../../src/job.ts";
import { place } from "../../src/place.ts";
import { decide, type Decision } from "../../src/policy/decide.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { policyOf, type Policy } from "../../src/policy/load.ts";
import { policyNotes } from "../../src/policy/notes.ts";
import type { Surroundings } from "../../src/policy/roots.ts";
import { home, policyFrom, root, type PolicyWish } from "./desk.ts";

const around: Surroundings = {
  homeName: home,
  home,
  stateHome: "/srv/worker-state",
  installDir: "/home/ann/install",
};

function decided(policy: Policy, needs?: Needs, cwd?: string): Decision {
  return decidedOf(policy, { kind: "command", command: "./build", needs, cwd });
}

function decidedOf(policy: Policy, spec: Spec): Decision {
  const placement = place(spec, { home, roots: policy.roots, actions: policy.book?.actions ?? {} });
  assert.ok(placement.kind === "placed");
  return decide(placement, policy, ["/opt/node"], around);
}

function cageFor(policy: Policy, needs?: Needs): Cage {
  const decision = decided(policy, needs);
  assert.ok(decision.kind === "allow", JSON.stringify(decision));
  // What spells a guarded name out is another test's.
  const { named: _, ...cage } = decision.cage;
  return cage;
}

function rules(allow: readonly string[], more: PolicyWish["rules"] & object = {}): Policy {
  return policyFrom({ rules: { allow, ...more } });
}

/** Three roots, by two of which tasks work. */
function manyRoots(): Policy {
  const paths = ["/home/ann/a", "/home/ann/b", "/srv/c"];
  return policyOf(parsePolicy(JSON.stringify({ roots: paths })), {
    source: "policy.json",
    roots: paths.map((path) => ({ named: path, path })),
    homes: [home, home],
  });
}

const web = ["WebFetch(domain:api.example.com)", "WebFetch(domain:*.example.org)"];

test("a task that names no needs has what the policy gives by itself", () => {
  const policy = rules([
    ...web,
    "Read(~/Documents/notes/**)",
    "Read(/srv/data/list.csv)",
    "Edit(~/outbox/**)",
    "Read(./in/**)",
    "Bash(git status)",
  ]);
  const cage = cageFor(policy);
  assert.deepEqual(cage, {
    roots: [root],
    readable: ["/opt/node", "/home/ann/Documents/notes", "/srv/data/list.csv"],
    writable: ["/home/ann/outbox"],
    domains: ["api.example.com", "*.example.org"],
  });
  assert.deepEqual(cageFor(policyFrom({})), { roots: [root], readable: ["/opt/node"] });
});

test("an empty list of domains is the cage without network", () => {
  assert.deepEqual(cageFor(rules(web), { network: [] }), cageFor(policyFrom({})));
  assert.equal("domains" in cageFor(rules(web), { network: [] }), false);
});

test("a task has the domains that it names and no other", () => {
  const cage = cageFor(rules(web), { network: ["API.example.com", "x.example.org"] });
  assert.deepEqual(cage.domains, ["api.example.com", "x.example.org"]);
  assert.deepEqual(cageFor(rules(web), { network: ["*.a.example.org"] }).domains, [
    "*.a.example.org",
  ]);
});

test("a domain that no rule names is refused, asked about or refused, as the default says", () => {
  for (const [fallback, kind] of [
    ["cage", "refuse"],
    ["ask", "ask"],
    ["deny", "refuse"],
  ] as const) {
    const policy = policyFrom({ default: fallback, rules: { allow: [...web, "Bash(./build)"] } });
    const decision = decided(policy, { network: ["api.example.com", "evil.example.net"] });
    assert.equal(decision.kind, kind);
    assert.match(
      decision.remedy,
      /^add "WebFetch\(domain:evil\.example\.net\)" to rules\.allow in policy\.json/,
    );
    if (decision.kind === "ask")
      assert.deepEqual(decision.cage.domains, ["api.example.com", "evil.example.net"]);
  }
  const bare = decided(manyRoots(), { network: ["api.example.com"] });
  assert.equal(bare.kind, "refuse");
});

test("deny wins over allow for domains, and ask asks", () => {
  const policy = rules(["WebFetch(domain:*)"], {
    deny: ["WebFetch(domain:*.evil.com)"],
    ask: ["WebFetch(domain:ask.example.com)"],
  });
  const kindOf = (name: string): string => decided(policy, { network: [name] }).kind;
  assert.equal(kindOf("a.evil.com"), "refuse");
  assert.equal(kindOf("*.evil.com"), "refuse");
  assert.equal(kindOf("ask.example.com"), "ask");
  assert.equal(kindOf("fine.example.com"), "allow");
  const all = rules(["WebFetch(domain:a.example.com)"], { deny: ["WebFetch(domain:*)"] });
  assert.equal(decided(all, { network: ["a.example.com"] }).kind, "refuse");
  assert.equal("domains" in cageFor(all), false);
});

test("what deny and ask rules close is taken out of a wider domain", () => {
  const policy = rules(["WebFetch(domain:*.example.com)"], {
    deny: ["WebFetch(domain:secret.example.com)", "WebFetch(domain:other.org)"],
    ask: ["WebFetch(domain:pay.example.com)"],
  });
  const holes = ["!secret.example.com", "!pay.example.com"];
  assert.deepEqual(cageFor(policy).domains, ["*.example.com", ...holes]);
  assert.deepEqual(cageFor(policy, { network: ["*.example.com"] }).domains, [
    "*.example.com",
    ...holes,
  ]);
});

test("roots that neither list names are not there, and those that writing leaves out are read-only", () => {
  const policy = manyRoots();
  const [a, b, c] = policy.roots.map(({ path }) => path);
  assert.deepEqual(cageFor(policy, { write: ["~/a/x"] }), {
    roots: [a, b, c],
    readOnly: [b, c],
    readable: ["/opt/node"],
  });
  assert.deepEqual(cageFor(policy, { read: ["~/a"], write: ["/srv/c/deep/er"] }), {
    roots: [a, c],
    readOnly: [a],
    readable: ["/opt/node"],
  });
  assert.deepEqual(cageFor(policy, { read: ["~/a"] }), { roots: [a], readable: ["/opt/node"] });
  assert.deepEqual(cageFor(policy, { write: [] }).readOnly, [a, b, c]);
});

test("a task cannot start in a folder that its own needs leave out", () => {
  const decision = decided(manyRoots(), { read: ["~/b"] });
  assert.ok(decision.kind === "refuse");
  assert.match(decision.because, /starts in "\/home\/ann\/a", which needs\.read/);
  assert.equal(decided(manyRoots(), { read: ["~/b"] }, "~/b/deep").kind, "allow");
});

test("a path outside of the roots needs a rule of its own, and shows its whole folder", () => {
  const policy = rules(["Read(~/docs/**)", "Edit(~/outbox/**)"]);
  const needs = { read: ["~/openclaw", "~/docs/a/b.txt"], write: ["~/openclaw"] };
  assert.deepEqual(cageFor(policy, needs), {
    roots: [root],
    readable: ["/opt/node", "/home/ann/docs"],
  });
  assert.deepEqual(cageFor(policy, { write: ["~/outbox/x"], read: ["."] }), {
    roots: [root],
    readOnly: [root],
    readable: ["/opt/node"],
    writable: ["/home/ann/outbox"],
  });
  // Without needs to write it, what may be written may be read.
  assert.deepEqual(cageFor(policy, { write: [] }), {
    roots: [root],
    readOnly: [root],
    readable: ["/opt/node", "/home/ann/docs", "/home/ann/outbox"],
  });
  const write = decided(policy, { write: ["~/docs/a"] });
  assert.ok(write.kind === "refuse");
  assert.match(write.remedy, /^add "Edit\(\/home\/ann\/docs\/a\)" to rules\.allow in/);
  assert.equal(decided(policy, { read: ["~/other"] }).kind, "refuse");
  assert.equal(
    decided(policyFrom({ default: "ask" }), { read: [".", "~/other"] }).kind,
    "ask",
    "a person may say yes",
  );
});

test("deny rules win over needs, and ask rules ask", () => {
  const policy = rules(["Read(~/docs/**)"], {
    deny: ["Read(~/docs/private/**)", "Read(**/.env*)"],
    ask: ["Read(~/docs/work/**)"],
  });
  assert.equal(decided(policy, { read: [".", "~/docs/private/x"] }).kind, "refuse");
  assert.equal(decided(policy, { read: [".", "~/docs/work/x"] }).kind, "ask");
  assert.equal(decided(policy, { write: ["./.env"] }).kind, "refuse");
});

test("after a yes the rule that asked closes nothing, and the others close what they closed", () => {
  const policy = rules([], {
    ask: ["Read(./plans/**)", "Read(./notes/**)"],
    deny: ["Read(./keys)"],
  });
  const asked = decided(policy, { read: ["./plans/x"] });
  assert.ok(asked.kind === "ask");
  assert.deepEqual(asked.cage.denyRead?.toSorted(), [`${root}/keys`, `${root}/notes/**`]);
});

const never = [
  "/",
  "~",
  "/home",
  "/srv/worker-state",
  "/srv/worker-state/policy.json",
  "/home/ann/install",
  "/home/ann/install/packages",
  "/home/ann/.openclaw-worker/token",
  "/proc/1/environ",
  "/run/user/1000",
];

test("no rule and no need opens the worker's own files, the home, the disk or the kernel's", () => {
  for (const place of never) {
    const text = place === "/" ? "/**" : `${place}/**`;
    const policy = rules([`Read(${text})`, `Edit(${text})`, "Read", "Edit", "Read(**)"]);
    assert.deepEqual(cageFor(policy), { roots: [root], readable: ["/opt/node"] }, place);
    for (const list of ["read", "write"] as const) {
      const decision = decided(policy, { [list]: [".", place] });
      assert.equal(decision.kind, "refuse", `${list} ${place}`);
    }
    const file = decidedOf(policy, { kind: "file-read", path: `${place}/file` });
    // Below the home there are files that `Read(~/**)` does not open, because it opens the home.
    assert.equal(file.kind, "refuse", place);
  }
});

test("the state folder is guarded by the policy's own place where nobody says more", () => {
  const policy = { ...rules(["Read(/srv/x/**)"]), source: "/srv/x/policy.json" };
  const spec = { kind: "file-read", path: "/srv/x/token" } as const;
  const placement = place(spec, { home, roots: policy.roots });
  assert.ok(placement.kind === "placed");
  assert.equal(decide(placement, policy, []).kind, "refuse");
});

test("a file outside of the roots is opened by a rule that begins at its place, and by no other", () => {
  const kindOf = (rule: string, spec: Spec): string => decidedOf(rules([rule]), spec).kind;
  const read = { kind: "file-read", path: "~/docs/a.pdf" } as const;
  const write = {
    kind: "file-write",
    path: "~/docs/a.pdf",
    content: "x",
    encoding: "utf8",
  } as const;
  const edit = {
    kind: "file-edit",
    path: "~/docs/a.pdf",
    oldString: "x",
    newString: "y",
    replaceAll: false,
  } as const;
  for (const rule of [
    "Read(~/docs/**)",
    "Read(~/docs/*.pdf)",
    "Read(/home/ann/docs/a.pdf)",
    "Read(~/docs)",
  ]) {
    assert.equal(kindOf(rule, read), "allow", rule);
    assert.equal(kindOf(rule, write), "refuse", rule);
    assert.equal(kindOf(rule, edit), "refuse", rule);
  }
  for (const rule of [
    "Read",
    "Read(*)",
    "Read(**)",
    "Read(**/*.pdf)",
    "Read(/**)",
    "Read(~/**)",
    "Read(./**)",
    "Read(~/docs/*.txt)",
    "Edit(~/docs/**)",
  ]) {
    assert.equal(kindOf(rule, read), "refuse", rule);
  }
  assert.equal(kindOf("Edit(~/docs/**)", write), "allow");
  assert.equal(kindOf("Edit(~/docs/**)", edit), "allow");
});

test("a file task is given the file that a pattern opened, and a command is not", () => {
  const policy = rules(["Read(~/docs/*.pdf)"]);
  const file = decidedOf(policy, { kind: "file-read", path: "~/docs/a.pdf" });
  assert.ok(file.kind === "allow");
  assert.deepEqual(file.cage.readable, ["/opt/node", "/home/ann/docs/a.pdf"]);
  assert.deepEqual(cageFor(policy).readable, ["/opt/node"]);
  const [note] = policyNotes(policy, around);
  assert.match(note ?? "", /a cage shows whole folders only/);
});

test("a home that is reached through a link is given by its real place, once", () => {
  const named = "/home/ann";
  const real = "/mnt/disk/ann";
  const policy = policyOf(
    parsePolicy(JSON.stringify({ roots: [`${real}/w`], rules: { allow: ["Read(~/docs/**)"] } })),
    {
      source: "policy.json",
      roots: [{ named: `${named}/w`, path: `${real}/w` }],
      homes: [named, real],
    },
  );
  const linked = { ...around, homeName: named, home: real };
  const spec = { kind: "command", command: "ls" } as const;
  const placement = place(spec, { home: named, roots: policy.roots });
  assert.ok(placement.kind === "placed");
  const decision = decide(placement, policy, [], linked);
  assert.ok(decision.kind === "allow");
  assert.deepEqual(decision.cage.readable, [`${real}/docs`]);
});

test("needs only narrow: with any, a task has nothing that the policy alone would not give", () => {
  const policy = rules([...web, "Read(~/docs/**)", "Edit(~/outbox/**)"], {
    deny: ["WebFetch(domain:no.example.org)"],
  });
  const own = cageFor(policy);
  const domain = fc.constantFrom("api.example.com", "x.example.org", "evil.net", "no.example.org");
  const file = fc.constantFrom(".", "~/docs/a", "~/outbox", "~/x", "/etc", "/", "~", "./deep/er");
  const list = <T>(one: fc.Arbitrary<T>) =>
    fc.option(fc.array(one, { maxLength: 3 }), { nil: undefined });
  fc.assert(
    fc.property(list(domain), list(file), list(file), (network, read, write) => {
      const decision = decided(policy, { network, read, write });
      if (decision.kind !== "allow") return;
      const { cage } = decision;
      const within = (some: readonly string[], all: readonly string[]): boolean =>
        some.every((one) => all.includes(one));
      assert.ok(within(cage.roots, own.roots));
      assert.ok(within(cage.writable ?? [], own.writable ?? []));
      assert.ok(within(cage.readable, [...own.readable, ...(own.writable ?? [])]));
      const allowed = ["api.example.com", "x.example.org", ...(own.domains ?? [])];
      assert.ok(within(cage.domains ?? [], allowed));
      assert.ok(
        network === undefined || within(cage.domains ?? [], [...network, "!no.example.org"]),
      );
    }),
  );
});

test("notes say which rules do less than they seem to", () => {
  const notes = policyNotes(
    policyFrom({
      rules: {
        allow: ["WebFetch(domain:a.com)", "WebFetch(domain:*)", "Read(~/**)", "Read(~/docs/**)"],
        deny: ["WebFetch(domain:a.com)"],
      },
      host: {
        allow: ["Bash(make deploy)", "Bash(open *)", "Bash(python3 *)", "Bash(screencapture *)"],
      },
    }),
    around,
  ).map((note) => note.replace(/^policy\.json:\d+:\d+: /, ""));
  assert.deepEqual(
    notes.map((note) => note.slice(0, 66)),
    [
      "allow: WebFetch(domain:a.com): deny: WebFetch(domain:a.com) names i",
      "allow: WebFetch(domain:*): it opens every name, and what a task rea",
      "allow: Read(~/**): it begins at a place that is, or contains, your ",
      "host.allow: Bash(make deploy): make obeys files in the folder that ",
      "host.allow: Bash(open *): open runs other programs: with * it names",
      "host.allow: Bash(python3 *): python3 runs other programs: with * it",
    ].map((text) => text.slice(0, 66)),
  );
});
