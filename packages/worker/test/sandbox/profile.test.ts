import assert from "node:assert/strict";
import { test } from "node:test";
import { profileOf } from "../../src/sandbox/profile.ts";
import { boundedMounts, checkedCage, withFilter } from "../../src/sandbox/mounts.ts";
import { cageVariables } from "../../src/sandbox/variables.ts";
import { countsPerNamespace } from "../../src/sandbox/limits.ts";
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
const shown = { writable: ["/home/ada/openclaw"], readable: ["/home/ada/.nvm/v24"] };
const nothing = { unreadable: [], readOnly: [] };

test("reading is denied by default, and only roots can be written", () => {
  const { filesystem, network } = profileOf(shown, surroundings, {
    unreadable: ["/home/ada/openclaw/.env"],
    readOnly: ["/home/ada/openclaw/.git/hooks"],
  });
  const exactly = (path: string) => ({ path, literal: true });
  assert.deepEqual(filesystem.denyRead[0], exactly("/"));
  assert.ok(
    filesystem.denyRead.some((entry) => typeof entry !== "string" && entry.path === "/home/ada"),
  );
  assert.deepEqual(filesystem.denyRead.at(-1), exactly("/home/ada/openclaw/.env"));
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
    const asked = { writable: [root], readable: [] };
    assert.throws(() => profileOf(asked, surroundings, nothing), root);
  }
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
  "--add-seccomp-fd",
  "4",
  "--",
  "/bin/bash",
  "-c",
  "/x/apply-seccomp /bin/bash -c true",
] as const;

const asked = (writable: readonly string[], bwrap = "/usr/bin/bwrap") => ({
  bwrap,
  writable,
  unreadable: [],
  readOnly: [],
});

test("a folder that the library makes writable without being asked is taken out", () => {
  const loose = [...sound.slice(0, 7), "--bind", "/tmp/claude", "/tmp/claude", ...sound.slice(7)];
  assert.deepEqual(checkedCage(loose, asked(["/r"])), sound);
});

test("arguments that lack a namespace, the filter or a root are no cage", () => {
  const without = (word: string) => sound.filter((other) => other !== word);
  for (const word of [
    "--unshare-net",
    "--unshare-pid",
    "--unshare-user",
    "--die-with-parent",
    "--add-seccomp-fd",
    "--",
  ]) {
    assert.throws(() => checkedCage(without(word), asked(["/r"])), /not what was asked/, word);
  }
  assert.throws(() => checkedCage(sound, asked(["/r", "/other"])), /\/other/);
  assert.throws(() => checkedCage(sound, asked(["/r"], "/home/ada/bwrap")), /bubblewrap/);
  const bare = [...sound.slice(0, -1), "/bin/bash -c true"];
  assert.throws(() => checkedCage(bare, asked(["/r"])), /seccomp/);
  const device = [...sound.slice(0, 1), "--dev-bind", "/", "/", ...sound.slice(1)];
  assert.throws(() => checkedCage(device, asked(["/r"])), /--dev-bind/);
  const other = [...sound.slice(0, 1), "--seccomp", "5", ...sound.slice(1)];
  assert.throws(() => checkedCage(other, asked(["/r"])), /--seccomp/);
  const elsewhere = sound.map((word) => (word === "4" ? "5" : word));
  assert.throws(() => checkedCage(elsewhere, asked(["/r"])), /filter of system calls/);
});

test("the filter of system calls is the last option before the command", () => {
  const at = sound.indexOf("--add-seccomp-fd");
  assert.deepEqual(withFilter(sound.filter((_, index) => index !== at && index !== at + 1)), sound);
  assert.throws(() => withFilter(["/usr/bin/bwrap", "--unshare-net"]), /runs nothing/);
});

test("a cage in which something closed would show is refused", () => {
  const options = sound.slice(1, 14);
  const rest = sound.slice(14);
  const closed = { ...asked(["/r"]), unreadable: ["/r/.env"], readOnly: ["/r/.git/hooks"] };
  const with_ = (...more: readonly string[]) => [sound[0], ...options, ...more, ...rest];
  const hide = ["--ro-bind", "/dev/null", "/r/.env"];
  const keep = ["--ro-bind", "/r/.git/hooks", "/r/.git/hooks"];
  assert.throws(() => checkedCage(with_(...keep), closed), /\.env can be read/);
  assert.throws(() => checkedCage(with_(...hide), closed), /hooks can be written/);
  checkedCage(with_(...hide, ...keep), closed);
  const buried = ["--ro-bind", "/", "/"];
  assert.throws(() => checkedCage(with_(...hide, ...keep, ...buried), closed), /can be read/);
});

test("a writable folder in a readable one stays writable", () => {
  const argv = [...sound.slice(0, 10), "--ro-bind", "/r", "/r", ...sound.slice(10)];
  const bind = ["--bind", "/r/sub", "/r/sub"];
  const from = [...argv.slice(0, 7), ...bind, ...argv.slice(10)];
  assert.match(
    checkedCage(from, asked(["/r/sub"])).join(" "),
    /--ro-bind \/r \/r --bind \/r\/sub \/r\/sub/,
  );
});

test("every folder in memory has a size, and a closed one cannot be written", () => {
  const dev = [
    ...sound.slice(0, 12),
    "--tmpfs",
    "/r/closed",
    ...sound.slice(12, 14),
    "--dev",
    "/dev",
  ];
  const argv = [...dev, ...sound.slice(14)];
  const scratch = { home: "/home/ada", largeBytes: 1_000, sharedBytes: 10, closed: ["/r/closed"] };
  const bounded = boundedMounts(argv, scratch).join(" ");
  assert.match(bounded, /--size 1000 --tmpfs \/home /);
  assert.match(bounded, /--size 4194304 --tmpfs \/r\/closed .*--remount-ro \/r\/closed/);
  assert.match(bounded, /--dev \/dev --perms 1777 --size 10 --tmpfs \/dev\/shm --remount-ro \/dev/);
  assert.equal(bounded.match(/--tmpfs/g)?.length, bounded.match(/--size/g)?.length);
  assert.match(bounded, / -- \/bin\/bash -c .*apply-seccomp/);
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
  const variables = cageVariables(environment, shown, "/home/ada");
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
