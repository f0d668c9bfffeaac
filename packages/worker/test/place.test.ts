import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Spec } from "@openclaw-worker/protocol";
import { place, type Ground } from "../src/place.ts";
import { decide } from "../src/policy/decide.ts";
import type { Policy } from "../src/policy/load.ts";
import { isWithin } from "../src/policy/paths.ts";

// A home reached through a link: /home/ann is really /data/ann.
const ground: Ground = {
  home: "/home/ann",
  roots: [
    { named: "/home/ann/openclaw", path: "/data/ann/openclaw" },
    { named: "/srv/work", path: "/srv/work" },
  ],
};
const policy: Policy = { roots: ground.roots, default: "cage", source: "policy.json", digest: "" };

const part = fc.constantFrom(
  "..",
  ".",
  "a",
  "openclaw",
  "srv",
  "work",
  "home",
  "ann",
  "~",
  "",
  " ",
  "é",
  "-x",
);
const name = fc
  .tuple(fc.constantFrom("", "/", "~/", "./", "/srv/work/"), fc.array(part, { maxLength: 8 }))
  .map(([head, parts]) => `${head}${parts.join("/")}`);

function pathOf(text: string): string {
  const placed = place({ kind: "file-read", path: text }, ground);
  assert.ok(placed.kind === "placed" && "path" in placed.placed);
  return placed.placed.path;
}

test("every name becomes one absolute, normal path, and stays the same when it is placed again", () => {
  fc.assert(
    fc.property(name, (text) => {
      const placed = pathOf(text === "" ? "." : text);
      assert.ok(path.isAbsolute(placed));
      assert.equal(path.normalize(placed).replace(/(.)\/$/, "$1"), placed);
      assert.equal(placed.split("/").includes(".."), false);
      assert.equal(pathOf(placed), placed);
    }),
  );
});

test("whatever is allowed lies in a root's real place", () => {
  fc.assert(
    fc.property(name, fc.constantFrom("file", "cwd"), (text, field) => {
      const where = text === "" ? "." : text;
      const spec: Spec =
        field === "file"
          ? { kind: "file-list", path: where }
          : { kind: "exec", argv: ["x"], cwd: where };
      const placed = place(spec, ground);
      assert.ok(placed.kind === "placed");
      const decision = decide(placed, policy, []);
      const judged = "path" in placed.placed ? placed.placed.path : placed.cwd;
      const inside = policy.roots.some((root) => isWithin(judged, root.path));
      assert.equal(decision.kind, inside ? "allow" : "refuse");
    }),
  );
});

test("home, relative and linked names mean what a person means by them", () => {
  assert.equal(pathOf("~/openclaw/x"), "/data/ann/openclaw/x");
  assert.equal(pathOf("/home/ann/openclaw/x"), "/data/ann/openclaw/x");
  assert.equal(pathOf("x/y"), "/data/ann/openclaw/x/y");
  assert.equal(pathOf("~"), "/home/ann");
  assert.equal(pathOf("~ann/x"), "/data/ann/openclaw/~ann/x");
  assert.equal(pathOf("../../etc/passwd"), "/data/etc/passwd");
  assert.equal(pathOf("/srv/work/../../etc/passwd"), "/etc/passwd");
  assert.equal(pathOf("/home/ann/openclaw2"), "/home/ann/openclaw2");
});

test("a process starts in the first root unless it names its folder", () => {
  const cwdOf = (cwd?: string): string => {
    const placed = place(
      { kind: "command", command: "pwd", ...(cwd === undefined ? {} : { cwd }) },
      ground,
    );
    assert.ok(placed.kind === "placed" && placed.placed.kind === "command");
    assert.equal(placed.placed.cwd, placed.cwd);
    return placed.cwd;
  };
  assert.equal(cwdOf(), "/data/ann/openclaw");
  assert.equal(cwdOf("/srv/work/a"), "/srv/work/a");
  assert.equal(cwdOf("a"), "/data/ann/openclaw/a");
});

test("a name or command with a NUL stands for nothing and is not run", () => {
  for (const spec of [
    { kind: "file-read", path: "/srv/work/a\0b" },
    { kind: "command", command: "ls", cwd: "a\0" },
    { kind: "command", command: "ls\0rm" },
    { kind: "exec", argv: ["ls", "\0"] },
  ] as const) {
    const placed = place(spec.kind === "exec" ? { ...spec, argv: [...spec.argv] } : spec, ground);
    assert.equal(placed.kind, "unrunnable");
  }
});

test("the default decides what no rule names", () => {
  const placed = place({ kind: "command", command: "ls" }, ground);
  assert.ok(placed.kind === "placed");
  assert.deepEqual(decide(placed, policy, ["/opt/node"]), {
    kind: "allow",
    cage: { roots: ["/data/ann/openclaw", "/srv/work"], readable: ["/opt/node"] },
    rule: "default: cage",
    because: "the policy has no rules",
    digest: "",
  });
  assert.equal(decide(placed, { ...policy, default: "ask" }, []).kind, "ask");
  assert.equal(decide(placed, { ...policy, default: "deny" }, []).kind, "refuse");
});
