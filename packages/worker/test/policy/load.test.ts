import assert from "node:assert/strict";
import { chmodSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { JsonProblem, parseJsonc } from "../../src/policy/jsonc.ts";
import { loadPolicy, type PolicyLoad } from "../../src/policy/load.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { surroundingsOf } from "../../src/policy/roots.ts";
import { policyTemplate } from "../../src/policy/template.ts";
import { temporaryFolder } from "../stage.ts";

interface Desk extends Disposable {
  readonly home: string;
  readonly file: string;
  load(roots?: string, look?: boolean): PolicyLoad;
}

function openDesk(text: string | null): Desk {
  const folder = temporaryFolder();
  const home = path.join(folder, "home");
  const stateHome = path.join(home, ".openclaw-worker");
  mkdirSync(path.join(home, "openclaw"), { recursive: true });
  mkdirSync(path.join(home, "other"));
  mkdirSync(stateHome);
  const file = path.join(stateHome, "policy.json");
  if (text !== null) writeFileSync(file, text, { mode: 0o600 });
  const around = surroundingsOf({ home, stateHome, installDir: path.join(folder, "install") });
  return {
    home,
    file,
    load: (roots, look = false) =>
      loadPolicy({ path: file, roots: roots ?? null, uid: process.getuid?.() ?? -1, around, look }),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

function refusals(load: PolicyLoad): string {
  return load.kind === "refused" ? load.because.join("\n") : `(${load.kind})`;
}

test("the file that init writes is a policy", () => {
  using desk = openDesk(policyTemplate(["~/openclaw"]));
  const load = desk.load();
  assert.ok(load.kind === "policy");
  const real = path.join(desk.home, "openclaw");
  assert.deepEqual(load.policy.roots, [{ named: real, path: real }]);
  assert.equal(load.policy.default, "cage");
  assert.equal(load.policy.source, desk.file);
  assert.match(load.policy.digest, /^[0-9a-f]{64}$/);
});

test("neither file nor variable is told apart from a broken file", () => {
  using desk = openDesk(null);
  assert.equal(desk.load().kind, "missing");
  assert.equal(desk.load("").kind, "missing");
});

test("the variable stands in for a missing file, and a file wins over it with a note", () => {
  using bare = openDesk(null);
  const load = bare.load(`${bare.home}/openclaw:${bare.home}/other`);
  assert.ok(load.kind === "policy");
  assert.equal(load.policy.roots.length, 2);
  assert.equal(load.policy.source, "OPENCLAW_WORKER_ROOTS");
  using desk = openDesk('{ "roots": ["~/openclaw"] }');
  const won = desk.load(`${desk.home}/other`);
  assert.ok(won.kind === "policy");
  assert.equal(won.policy.roots.length, 1);
  assert.match(won.notes.join(), /OPENCLAW_WORKER_ROOTS is not used/);
});

test("a broken file is refused with line and column, and never replaced by the variable", () => {
  const broken: readonly (readonly [string, RegExp])[] = [
    ['{\n  "roots": ["~/openclaw"],\n  "rulez": {}\n}', /policy\.json:3:3: unknown key "rulez"/],
    ['{ "roots": ["~/openclaw"], "default": "yes" }', /:1:39: "default" must be/],
    ['{ "roots": "~/openclaw" }', /:1:12: "roots" must be a list/],
    ['{ "roots": [] }', /at least one/],
    ['{ "roots": [1] }', /:1:13: a root is a text/],
    ['{ "default": "cage" }', /"roots" is missing/],
    ['{ "roots": ["~/a"], "roots": ["~/b"] }', /the key "roots" appears twice/],
    ['{ "roots": ["~/openclaw"] } x', /expected the end/],
    ['{ "__proto__": {}, "roots": ["~/openclaw"] }', /unknown key "__proto__"/],
    ["[]", /a policy is an object/],
    ["", /found the end of the file/],
    ['{ "roots": ["~/openclaw" ', /expected "," ?, found the end|expected ",", found/],
    ['{ "roots": ["/"] }', /whole computer/],
    ['{ "roots": ["~/.openclaw-worker"] }', /policy and token/],
  ];
  for (const [text, why] of broken) {
    using desk = openDesk(text);
    assert.match(refusals(desk.load(`${desk.home}/openclaw`)), why);
  }
});

test("a file that other users can change is refused with the line that closes it", () => {
  using desk = openDesk(policyTemplate(["~/openclaw"]));
  chmodSync(desk.file, 0o666);
  assert.match(refusals(desk.load()), /can be changed by other users: close it with {2}chmod 600/);
});

test("a file that other users can read is closed, and only told when somebody just looks", () => {
  using desk = openDesk(policyTemplate(["~/openclaw"]));
  chmodSync(desk.file, 0o644);
  const looked = desk.load(undefined, true);
  assert.ok(looked.kind === "policy");
  assert.match(looked.notes.join(), /can be read by other users: chmod 600/);
  assert.equal(statSync(desk.file).mode & 0o777, 0o644);
  assert.ok(desk.load().kind === "policy");
  assert.equal(statSync(desk.file).mode & 0o777, 0o600);
});

test("a policy may be a link, but not into a folder that tasks or other users can change", () => {
  const text = policyTemplate(["~/openclaw"]);
  using desk = openDesk(null);
  const place = (folder: string, mode: number): string => {
    const file = path.join(desk.home, folder, "mine.json");
    mkdirSync(path.dirname(file), { recursive: true });
    chmodSync(path.dirname(file), mode);
    writeFileSync(file, text, { mode: 0o600 });
    rmSync(desk.file, { force: true });
    symlinkSync(file, desk.file);
    return file;
  };
  place("dotfiles", 0o755);
  assert.equal(desk.load().kind, "policy");
  place("openclaw/deep", 0o755);
  assert.match(refusals(desk.load()), /lies in .*openclaw, which tasks may write.*Move it out/);
  const file = place("shared", 0o777);
  assert.match(refusals(desk.load()), /other users can change: close it with {2}chmod go-w/);
  assert.ok(refusals(desk.load()).includes(path.dirname(file)));
});

test("an odd root is told with the policy", () => {
  using desk = openDesk('{ "roots": ["~/other"] }');
  chmodSync(path.join(desk.home, "other"), 0o777);
  const load = desk.load();
  assert.ok(load.kind === "policy");
  assert.match(load.notes.join(), /"~\/other" can be changed by every user/);
});

test("comments and a last comma are fine, and mean nothing", () => {
  const plain = parsePolicy('{"roots":["~/a"],"default":"deny"}');
  const dressed = parsePolicy(
    '// top\n{ /* "roots": [] */ "roots": [ "~/a", // "~/b"\n ], "default": "deny", }',
  );
  assert.deepEqual(dressed, plain);
});

test("what JSON reads, the policy's reader reads alike", () => {
  const strip = (text: string): unknown => {
    const undress = (node: ReturnType<typeof parseJsonc>): unknown => {
      if (node.kind === "array") return node.items.map(undress);
      if (node.kind === "object")
        return Object.fromEntries(node.members.map(({ key, value }) => [key, undress(value)]));
      return node.kind === "string" ? node.text : node.value;
    };
    return undress(parseJsonc(text));
  };
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      assert.deepEqual(strip(text), JSON.parse(text));
    }),
  );
});

test("what is no JSON with comments is refused with a position, and never crashes", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.constantFrom("{", "}", "[", "]", '"', ",", ":", "1", "null", "/", "*", "\\", "\n", "a"),
      ),
      (parts) => {
        try {
          parseJsonc(parts.join(""));
        } catch (thrown) {
          assert.ok(thrown instanceof JsonProblem);
          assert.ok(thrown.at.line >= 1 && thrown.at.column >= 1);
        }
      },
    ),
  );
  assert.throws(() => parseJsonc("[".repeat(10_000)), JsonProblem);
});
