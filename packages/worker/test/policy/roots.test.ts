import assert from "node:assert/strict";
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { isWithin } from "../../src/policy/paths.ts";
import {
  checkRoot,
  rootProblem,
  surroundingsOf,
  type Surroundings,
} from "../../src/policy/roots.ts";
import { temporaryFolder } from "../stage.ts";

const around: Surroundings = {
  homeName: "/home/ann",
  home: "/home/ann",
  stateHome: "/home/ann/.openclaw-worker",
  installDir: "/home/ann/lib/openclaw-worker",
};
const names = fc.constantFrom(
  "home",
  "ann",
  ".openclaw-worker",
  "lib",
  "openclaw-worker",
  "worker",
  "x",
  "usr",
  "proc",
  "etc",
);
const absolute = fc.array(names, { maxLength: 5 }).map((parts) => `/${parts.join("/")}`);

test("no root ever contains the home, the state or the program, nor lies in the last two", () => {
  fc.assert(
    fc.property(absolute, (real) => {
      if (rootProblem(real, around) !== null) return;
      assert.notEqual(real, "/");
      assert.equal(isWithin(around.home, real), false);
      for (const secret of [around.stateHome, around.installDir]) {
        assert.equal(isWithin(secret, real), false);
        assert.equal(isWithin(real, secret), false);
      }
    }),
  );
});

test("every other folder of the user may be a root", () => {
  const own = fc.array(fc.constantFrom("x", "y", "worker", "Documents"), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(own, (parts) => rootProblem(`/home/ann/${parts.join("/")}`, around) === null),
  );
});

test("a neighbor whose name begins alike is no part of a folder", () => {
  assert.equal(rootProblem("/home/ann/.openclaw-worker2", around), null);
  assert.equal(rootProblem("/home/ann/lib2", around), null);
  assert.equal(rootProblem("/home/annie", around), null);
});

test("each forbidden root is refused with its own sentence", () => {
  const refusals = {
    "/": /whole computer/,
    "/home/ann": /whole home/,
    "/home": /contains your home/,
    "/home/ann/.openclaw-worker/worker": /policy and token/,
    "/home/ann/lib": /the worker's own program/,
    "/usr": /belongs to the system/,
    "/proc/self": /belongs to the system/,
  };
  for (const [real, why] of Object.entries(refusals))
    assert.match(rootProblem(real, around) ?? "", why);
});

test("a root is judged by its real place: a link to a forbidden one is refused", () => {
  const folder = temporaryFolder();
  try {
    const home = path.join(folder, "home");
    const stateHome = path.join(home, ".openclaw-worker");
    mkdirSync(path.join(home, "openclaw"), { recursive: true });
    mkdirSync(stateHome);
    symlinkSync(stateHome, path.join(home, "innocent"));
    symlinkSync(path.join(home, "openclaw"), path.join(home, "alias"));
    writeFileSync(path.join(home, "file"), "");
    const here = surroundingsOf({ home, stateHome, installDir: path.join(folder, "install") });
    const refused = (name: string): string => {
      const check = checkRoot(name, here);
      return check.kind === "refused" ? check.because : "";
    };
    assert.match(refused("~/innocent"), /policy and token/);
    assert.match(refused("~/file"), /is not a folder/);
    assert.match(refused("~/missing"), /does not exist: make it with {2}mkdir -p/);
    assert.match(refused("openclaw"), /is not an absolute path/);
    assert.match(refused("~"), /whole home/);
    assert.match(refused("/../../"), /whole computer/);
    assert.deepEqual(checkRoot("~/alias", here), {
      kind: "root",
      root: { named: path.join(home, "alias"), path: path.join(home, "openclaw") },
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a root that this user cannot write is refused with the line that mends it", () => {
  assert.notEqual(process.getuid?.(), 0, "run as a user that is not root");
  const folder = temporaryFolder();
  try {
    const home = path.join(folder, "home");
    const closed = path.join(home, "closed");
    mkdirSync(closed, { recursive: true });
    chmodSync(closed, 0o500);
    const check = checkRoot(
      closed,
      surroundingsOf({
        home,
        stateHome: path.join(home, "state"),
        installDir: path.join(folder, "install"),
      }),
    );
    assert.ok(check.kind === "refused" && check.because.includes("sudo chown -R"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
