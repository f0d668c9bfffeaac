// Which paths are closed, and how a change of them is noticed.

import assert from "node:assert/strict";
import {
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { systemClock } from "@openclaw-worker/base";
import fc from "fast-check";
import { folded, matchesPath, namesOf } from "../../src/glob.ts";
import type { Cage } from "../../src/job.ts";
import { trailOf, trailTo } from "../../src/sandbox/pattern.ts";
import { openPlaces } from "../../src/sandbox/places.ts";
import { CageUnavailable } from "../../src/sandbox/unavailable.ts";
import { temporaryFolder } from "../fixtures/stage.ts";

function openGround(more: (root: string) => Partial<Cage> = () => ({})) {
  const folder = temporaryFolder();
  const root = join(folder.path, "root");
  mkdirSync(root);
  const places = openPlaces(
    { roots: [root], readable: [], ...more(root) },
    { clock: systemClock(), system: ["/usr", "/etc"] },
  );
  const at = (name: string): string => join(root, name);
  return {
    root,
    at,
    look: () => places.look(),
    make(...names: readonly string[]) {
      for (const name of names) {
        mkdirSync(dirname(at(name)), { recursive: true });
        writeFileSync(at(name), "x");
      }
    },
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

test("a trail followed name by name says what the whole path's match says", () => {
  const name = fc.constantFrom("a", "b", ".env", ".ENV.local", "node_modules");
  const part = fc.constantFrom("a", "b", "*", "**", ".env*", "?", "*.local");
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 5 }),
      fc.array(name, { maxLength: 6 }),
      (parts, names) => {
        const pattern = `/${parts.join("/")}`;
        const trail = trailTo(
          trailOf({ denyRead: [pattern], denyWrite: [] }),
          `/${names.join("/")}`,
        );
        const whole = matchesPath(namesOf(folded(pattern)), names.map(folded));
        assert.equal(trail.closed.read, whole);
        if (!whole && !trail.open) {
          for (const more of ["a", ".env", "b"]) assert.equal(trail.step(more).closed.read, false);
        }
      },
    ),
  );
});

test("rules close what they name, at any depth and in any case, and nothing else", () => {
  using ground = openGround(() => ({ denyRead: ["/**/.env*", "/**/secrets/**"] }));
  ground.make(".env", "a/b/c/d/e/.ENV.local", "a/secrets/x", "a/environment", "a/secrets.txt");
  const { unreadable, readOnly } = ground.look();
  assert.deepEqual(
    [...unreadable],
    [ground.at(".env"), ground.at("a/b/c/d/e/.ENV.local"), ground.at("a/secrets")].sort(),
  );
  assert.deepEqual(readOnly, []);
});

test("folders of other people's code are entered only by rules that spell their name", () => {
  using ground = openGround((root) => ({
    denyRead: ["/**/.env", `${root}/node_modules/mine/*.key`],
  }));
  ground.make("node_modules/x/.env", "node_modules/mine/a.key", "node_modules/mine/.env");
  assert.deepEqual(ground.look().unreadable, [ground.at("node_modules/mine/a.key")]);
});

test("the state changes when a closed name comes, goes or is another file, and not otherwise", () => {
  using ground = openGround(() => ({ denyRead: ["/**/.env"] }));
  ground.make("a/b/other");
  const states = [ground.look().state];
  const note = (): void => void states.push(ground.look().state);
  ground.make("a/b/.env");
  note();
  // A name in place of another, within one tick of the clock, and with its time set back.
  ground.make("a/b/new");
  renameSync(ground.at("a/b/new"), ground.at("a/b/.env"));
  utimesSync(ground.at("a/b"), 1, 1);
  note();
  rmSync(ground.at("a/b/.env"));
  note();
  assert.deepEqual(new Set(states).size, 3, "the last is the first again");
  assert.equal(states[0], states[3]);
  ground.make("a/b/harmless", "c/d/e");
  note();
  assert.equal(states[4], states[3]);
});

test("a name that comes at any moment is seen by the next look", () => {
  using ground = openGround(() => ({ denyRead: ["/**/.env"] }));
  for (let at = 0; at < 300; at += 1) {
    mkdirSync(ground.at(`f${at}`));
    ground.look();
    ground.make(`f${at}/.env`);
    assert.equal(ground.look().unreadable.length, at + 1);
  }
});

test("what a closed link leads to is closed only in the roots, and never a folder around it", () => {
  using ground = openGround(() => ({ denyRead: ["/**/.env*"] }));
  ground.make("real", "folder/x");
  for (const [name, target] of [
    [".env", "real"],
    [".env.folder", "folder"],
    [".env.here", "."],
    [".env.root", "/"],
    [".env.usr", "/usr/bin"],
    [".env.gone", "nowhere"],
  ] as const) {
    symlinkSync(target, ground.at(name));
  }
  assert.deepEqual(ground.look().unreadable, [ground.at("folder"), ground.at("real")]);
});

test("the other names of a closed file are closed wherever the cage shows them", () => {
  using ground = openGround(() => ({ denyRead: ["/**/.env"] }));
  ground.make(".env", "node_modules/x/y");
  linkSync(ground.at(".env"), ground.at("node_modules/x/twin"));
  assert.deepEqual(ground.look().unreadable, [ground.at(".env"), ground.at("node_modules/x/twin")]);
});

test("a rule that closes a whole root takes it out of the cage", () => {
  using ground = openGround((root) => ({ denyRead: [`${root}/**`] }));
  assert.deepEqual(ground.look().shown.writable, []);
  using written = openGround((root) => ({ denyWrite: [root] }));
  const { shown } = written.look();
  assert.deepEqual([shown.writable, shown.readable], [[], [written.root]]);
});

test("rules reach into the system's folders only where they name a place there", () => {
  using ground = openGround(() => ({ denyRead: ["/**/passwd", "/etc/hostname"] }));
  assert.deepEqual(ground.look().unreadable, ["/etc/hostname"]);
  using whole = openGround(() => ({ denyRead: ["/etc/**"] }));
  assert.deepEqual(whole.look().system, ["/usr"]);
  using vital = openGround(() => ({ denyRead: ["/usr/**"] }));
  assert.throws(() => vital.look(), CageUnavailable);
});

test("more folders or files than can be looked after are refused with what to do, never skipped", () => {
  using ground = openGround(() => ({ denyRead: ["/**/.env"] }));
  for (let at = 0; at < 32_800; at += 1) mkdirSync(ground.at(`f${at}`));
  assert.throws(
    () => ground.look(),
    (error) => error instanceof CageUnavailable && /without \*\*/.test(error.remedy),
  );
  using plain = openGround((root) => ({ denyRead: [`${root}/app/.env`] }));
  for (let at = 0; at < 32_800; at += 1) mkdirSync(plain.at(`f${at}`));
  plain.make("app/.env");
  assert.deepEqual(plain.look().unreadable, [plain.at("app/.env")]);
  using many = openGround(() => ({ denyRead: ["/**/*.pem"] }));
  many.make(...Array.from({ length: 401 }, (_, at) => `${at}.pem`));
  assert.throws(() => many.look(), /more than 400 files/);
});
