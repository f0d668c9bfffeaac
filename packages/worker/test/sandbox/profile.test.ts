import assert from "node:assert/strict";
import { test } from "node:test";
import { profileOf } from "../../src/sandbox/profile.ts";
import { checkedCage } from "../../src/sandbox/wrap.ts";
import { cageVariables } from "../../src/sandbox/variables.ts";
import { countsPerNamespace } from "../../src/sandbox/blueprint.ts";
import { plainEnvironment } from "../fixtures/stage.ts";

const surroundings = {
  home: "/home/ada",
  hidden: ["/home/ada/.openclaw-worker"],
  system: ["/usr", "/etc"],
  tools: {
    bwrap: "/usr/bin/bwrap",
    socat: "/usr/bin/socat",
    ripgrep: "/usr/bin/rg",
    applySeccomp: "/opt/worker/apply-seccomp",
  },
};
const cage = { roots: ["/home/ada/openclaw"], readable: ["/home/ada/.nvm/v24"] };

test("reading is denied by default, and only roots can be written", () => {
  const { filesystem, network } = profileOf(cage, surroundings, ["/home/ada/openclaw/.git/hooks"]);
  const exactly = (path: string) => ({ path, literal: true });
  assert.deepEqual(filesystem.denyRead[0], exactly("/"));
  assert.ok(
    filesystem.denyRead.some((entry) => typeof entry !== "string" && entry.path === "/home/ada"),
  );
  assert.deepEqual(filesystem.allowWrite, [exactly("/home/ada/openclaw")]);
  assert.deepEqual(filesystem.denyWrite, [exactly("/home/ada/openclaw/.git/hooks")]);
  assert.deepEqual(
    filesystem.allowRead,
    ["/usr", "/etc", "/opt/worker/apply-seccomp", "/home/ada/.nvm/v24", "/home/ada/openclaw"].map(
      exactly,
    ),
  );
  assert.deepEqual([network.allowedDomains, network.deniedDomains], [[], []]);
});

test("a path that is relative, climbs, or holds a NUL is no part of a profile", () => {
  for (const root of ["relative", "/a/../b", "/a/./b", "/a\0b", ""]) {
    assert.throws(() => profileOf({ roots: [root], readable: [] }, surroundings, []), root);
  }
  assert.throws(() => profileOf({ roots: [], readable: [] }, surroundings, []));
});

const sound = [
  "/usr/bin/bwrap",
  "--new-session",
  "--die-with-parent",
  "--unshare-net",
  "--ro-bind",
  "/",
  "/",
  "--bind",
  "/r",
  "/r",
  "--tmpfs",
  "/home",
  "--unshare-pid",
  "--unshare-user",
  "--proc",
  "/proc",
  "--",
  "/bin/bash",
  "-c",
  "/x/apply-seccomp /bin/bash -c true",
] as const;

test("a folder that the library makes writable without being asked is taken out", () => {
  const loose = [...sound.slice(0, 7), "--bind", "/tmp/claude", "/tmp/claude", ...sound.slice(7)];
  assert.deepEqual(checkedCage(loose, ["/r"], "/usr/bin/bwrap"), sound);
});

test("arguments that lack a namespace, the filter or a root are no cage", () => {
  const without = (word: string) => sound.filter((other) => other !== word);
  for (const word of [
    "--unshare-net",
    "--unshare-pid",
    "--unshare-user",
    "--die-with-parent",
    "--",
  ]) {
    assert.throws(
      () => checkedCage(without(word), ["/r"], "/usr/bin/bwrap"),
      /not what was asked/,
      word,
    );
  }
  assert.throws(() => checkedCage(sound, ["/r", "/other"], "/usr/bin/bwrap"), /\/other/);
  assert.throws(() => checkedCage(sound, ["/r"], "/home/ada/bwrap"), /bubblewrap/);
  const bare = [...sound.slice(0, -1), "/bin/bash -c true"];
  assert.throws(() => checkedCage(bare, ["/r"], "/usr/bin/bwrap"), /seccomp/);
  const device = [...sound.slice(0, 1), "--dev-bind", "/", "/", ...sound.slice(1)];
  assert.throws(() => checkedCage(device, ["/r"], "/usr/bin/bwrap"), /--dev-bind/);
});

test("PATH begins with the system's folders and never holds one that tasks can write or not read", () => {
  const environment = {
    ...plainEnvironment,
    path: [
      "/home/ada/.nvm/v24/bin",
      "/home/ada/openclaw/bin",
      "/home/ada/secret/bin",
      "/usr/games",
    ],
    toolHomes: { NVM_DIR: "/home/ada/.nvm/v24", PYENV_ROOT: "/home/ada/.pyenv" },
  };
  const variables = cageVariables(environment, cage, "/home/ada");
  assert.match(
    variables["PATH"] ?? "",
    /^\/usr\/local\/sbin:.*:\/bin:\/home\/ada\/\.nvm\/v24\/bin:\/usr\/games$/,
  );
  assert.equal(variables["HOME"], "/home/ada");
  assert.equal(variables["NVM_DIR"], "/home/ada/.nvm/v24");
  assert.equal(variables["PYENV_ROOT"], undefined);
});

test("processes are limited only where the kernel counts those of the cage alone", () => {
  const kernels = {
    "5.13.0": false,
    "5.14.0-x": true,
    "5.4.0-150-generic": false,
    "6.1.0": true,
    "4.19": false,
  };
  for (const [kernel, counts] of Object.entries(kernels))
    assert.equal(countsPerNamespace(kernel), counts, kernel);
});
