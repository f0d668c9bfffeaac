import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import {
  matchesName,
  matchesPath,
  namesOf,
  parseGlob,
  patternText,
  resolveGlob,
  type GlobGround,
} from "../../src/policy/glob.ts";

// A home and a root that are reached through links.
const ground: GlobGround = {
  homes: ["/home/ann", "/data/ann"],
  roots: [
    { named: "/home/ann/openclaw", path: "/data/ann/openclaw" },
    { named: "/srv/work", path: "/srv/work" },
  ],
};

function names(pattern: string, file: string): boolean {
  const glob = parseGlob(pattern);
  assert.ok("names" in glob, pattern);
  return resolveGlob(glob, ground).some((one) => matchesPath(one, namesOf(file)));
}

test("patterns mean what they mean in a .gitignore", () => {
  const table: readonly (readonly [pattern: string, file: string, named: boolean])[] = [
    ["~/.ssh/**", "/home/ann/.ssh/id", true],
    ["~/.ssh/**", "/home/ann/.ssh/deep/id", true],
    ["~/.ssh/**", "/home/ann/.ssh", true],
    ["~/.ssh", "/home/ann/.ssh/id", true],
    ["~/.ssh/**", "/data/ann/.ssh/id", true],
    ["~/.ssh/**", "/home/ann/.sshx", false],
    ["~/.ssh/**", "/home/bob/.ssh/id", false],
    ["**/.env*", "/srv/work/a/.env.local", true],
    ["**/.env*", "/.env", true],
    ["**/.env*", "/srv/work/x.env", false],
    ["**/.env*", "/srv/.envs/below", true],
    ["./src/*.ts", "/srv/work/src/a.ts", true],
    ["./src/*.ts", "/data/ann/openclaw/src/a.ts", true],
    ["./src/*.ts", "/srv/work/src/deep/a.ts", false],
    ["./src/**/*.ts", "/srv/work/src/a.ts", true],
    ["./src/**/*.ts", "/srv/work/src/a/b/c.ts", true],
    ["./src/**/*.ts", "/srv/work/src/a/b/c.js", false],
    ["~/openclaw/x", "/data/ann/openclaw/x", true],
    ["/srv/work/a?c", "/srv/work/abc", true],
    ["/srv/work/a?c", "/srv/work/a/c", false],
    ["/", "/anything", true],
    ["**", "/anything", true],
    ["*", "/any/thing", true],
    ["./**", "/srv/work", true],
    ["./**", "/srv/work2", false],
    ["/srv/*/a", "/srv/work/a", true],
    ["/srv/*/a", "/srv/a", false],
    ["/srv/**/a", "/srv/a", true],
  ];
  for (const [pattern, file, named] of table) {
    assert.equal(names(pattern, file), named, `${pattern} ${file}`);
  }
});

test("a resolved pattern is read back as the same pattern", () => {
  const glob = parseGlob("~/a/**/b*");
  assert.ok("names" in glob);
  for (const pattern of resolveGlob(glob, ground)) {
    const again = parseGlob(patternText(pattern));
    assert.ok("names" in again);
    assert.deepEqual(again.names, pattern);
  }
});

const meanings = new Map([
  ["*", "[^]*"],
  ["?", "[^]"],
  [".", "\\."],
]);

test("a name's pattern agrees with the regular expression that it stands for", () => {
  const text = fc.array(fc.constantFrom("a", "b", "*", "?", "."), { maxLength: 8 });
  const word = fc.array(fc.constantFrom("a", "b", "."), { maxLength: 8 });
  fc.assert(
    fc.property(text, word, (parts, letters) => {
      const source = parts.map((part) => meanings.get(part) ?? part);
      const name = letters.join("");
      const wanted = new RegExp(`^${source.join("")}$`).test(name);
      assert.equal(matchesName(parts.join(""), name), wanted);
    }),
  );
});

test("what names a folder names everything below it", () => {
  const name = fc.constantFrom("a", "b", ".env", "src");
  const part = fc.constantFrom("a", "b", "*", "**", "?", ".e*");
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 5 }),
      fc.array(name, { maxLength: 5 }),
      fc.array(name, { maxLength: 3 }),
      (pattern, folder, below) => {
        if (matchesPath(pattern, folder)) assert.ok(matchesPath(pattern, [...folder, ...below]));
      },
    ),
  );
});

test("no pattern is slow on the path that its author did not choose", () => {
  const pattern = Array.from({ length: 40 }, () => ["**", "*a*b*c*"]).flat();
  const path = Array.from({ length: 400 }, () => "abababababab");
  assert.equal(matchesPath([...pattern, "end"], path), false);
});
