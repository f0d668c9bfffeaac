import assert from "node:assert/strict";
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { isWithin } from "../../src/policy/paths.ts";
import { parseMounts } from "../../src/policy/mounts.ts";
import {
  checkRoot,
  mountProblem,
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
const uid = process.getuid?.() ?? -1;
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
  assert.equal(rootProblem("/home/annie/work", around), null);
});

test("each forbidden root is refused with its own sentence", () => {
  const refusals = {
    "/": /whole computer/,
    "/home/ann": /whole home/,
    "/home": /contains your home/,
    "/home/ann/.openclaw-worker/worker": /policy and token/,
    "/home/ann/lib": /the worker's own program/,
    "/home/bob": /whole home of another user/,
    "/Users/bob": /whole home of another user/,
    "/tmp": /shared by all users/,
    "/var/tmp": /shared by all users/,
  };
  for (const [real, why] of Object.entries(refusals))
    assert.match(rootProblem(real, around) ?? "", why);
});

test("no folder of the system is a root, and a user's own folder in its odd places is one", () => {
  const system =
    "/etc /etc/cron.d /usr /usr/local/src /bin /sbin /lib /lib64 /var /var/lib /var/log /var/run/x " +
    "/proc /proc/self /sys /sys/fs/cgroup /dev /dev/shm /dev/shm/x /boot /root /root/openclaw /run " +
    "/run/user/1000 /opt /srv /mnt /media /System/Library /Library /Volumes /private/etc";
  for (const real of system.split(" "))
    assert.match(rootProblem(real, around) ?? `${real} is taken`, /belongs to the system/);
  const own = "/srv/ann /mnt/disk /opt/ann /var/lib/openclaw/work /run/media/ann/disk /tmp/x";
  for (const real of own.split(" ")) assert.equal(rootProblem(real, around), null, real);
  const daemon = { ...around, homeName: "/root/d", home: "/root/d", stateHome: "/root/d/s" };
  assert.equal(rootProblem("/root/d/openclaw", daemon), null);
});

test("the usual state folder is closed also to a worker that keeps its own elsewhere", () => {
  const elsewhere = { ...around, stateHome: "/srv/state" };
  assert.match(rootProblem("/home/ann/.openclaw-worker", elsewhere) ?? "", /policies and tokens/);
});

test("a mount that shows a closed folder under another name is seen through", () => {
  const mounts = parseMounts(
    [
      "1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw",
      "2 1 8:2 / /home rw shared:1 - ext4 /dev/sda2 rw",
      "3 1 8:2 /ann/.openclaw-worker /mnt/shown rw - ext4 /dev/sda2 rw",
      "4 1 8:2 /ann/lib/openclaw-worker/node_modules /mnt/tools rw - ext4 /dev/sda2 rw",
      "5 1 8:2 / /mnt/all rw - ext4 /dev/sda2 rw",
      "6 1 8:2 /ann/.openclaw-worker/worker /home/ann/work/in\\040side rw - ext4 /dev/sda2 rw",
      "7 1 0:44 / /mnt/disk rw - tmpfs tmpfs rw",
      "8 1 8:2 /ann/notes /mnt/notes rw - ext4 /dev/sda2 rw",
    ].join("\n"),
  );
  const shown = {
    "/mnt/shown": /shows \/home\/ann\/\.openclaw-worker by a mount/,
    "/mnt/shown/worker": /by a mount, where the worker keeps its policy/,
    "/mnt/tools": /the worker's own program/,
    "/mnt/all": /shows /,
    "/mnt/all/ann": /shows /,
    "/mnt": /shows /,
    // Something closed is mounted in it.
    "/home/ann/work": /by a mount, where the worker keeps its policy/,
  };
  for (const [real, why] of Object.entries(shown))
    assert.match(mountProblem(real, around, mounts) ?? `${real} is taken`, why);
  for (const real of ["/mnt/disk", "/mnt/notes", "/home/ann/openclaw", "/home/ann/work/x"])
    assert.equal(mountProblem(real, around, mounts), null, real);
  assert.equal(mountProblem("/home/ann/openclaw", around, []), null, "a system without that table");
});

test("names that go around by /proc, .. and links arrive where they lead", () => {
  const folder = temporaryFolder();
  try {
    const home = path.join(folder, "home");
    mkdirSync(path.join(home, ".openclaw-worker"), { recursive: true });
    mkdirSync(path.join(home, "openclaw"));
    symlinkSync("/etc", path.join(home, "settings"));
    symlinkSync("..", path.join(home, "openclaw", "up"));
    const stateHome = path.join(home, ".openclaw-worker");
    const here = surroundingsOf({ home, stateHome, installDir: path.join(folder, "install") });
    const because = (name: string): string => {
      const check = checkRoot(name, here, uid);
      return check.kind === "refused" ? check.because : `${name} is taken as ${check.root.path}`;
    };
    const around = `/proc/self/root${home}`;
    assert.match(because(around), /whole home/);
    assert.match(because(`${around}/.openclaw-worker`), /policy and token/);
    assert.match(because("/proc/self/root"), /whole computer/);
    assert.match(because("/proc/self/root/etc"), /belongs to the system/);
    assert.match(because("/proc/self/fd"), /belongs to the system/);
    assert.match(because("~/openclaw/../.openclaw-worker"), /policy and token/);
    assert.match(because("~/openclaw/up"), /whole home/);
    assert.match(because("~/openclaw/up/.openclaw-worker"), /policy and token/);
    assert.match(because("~/settings"), /belongs to the system/);
    const taken = checkRoot(`${around}/openclaw`, here, uid);
    assert.ok(taken.kind === "root" && taken.root.path === path.join(home, "openclaw"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("another user's folder is no root, whatever its mode, and root's own may be one", () => {
  const folder = temporaryFolder();
  try {
    const home = path.join(folder, "home");
    mkdirSync(path.join(home, "openclaw"), { recursive: true });
    const installDir = path.join(folder, "install");
    const here = surroundingsOf({ home, stateHome: path.join(home, "state"), installDir });
    // The same folder, seen by a worker that has another number.
    const check = checkRoot("~/openclaw", here, uid + 1);
    assert.match(check.kind === "refused" ? check.because : "", /belongs to another user/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a root that everybody can write is taken with a warning, and so is a folder of settings", () => {
  const folder = temporaryFolder();
  try {
    const home = path.join(folder, "home");
    for (const name of ["open", "sticky", ".config"])
      mkdirSync(path.join(home, name), { recursive: true });
    chmodSync(path.join(home, "open"), 0o777);
    chmodSync(path.join(home, "sticky"), 0o1777);
    const installDir = path.join(folder, "install");
    const here = surroundingsOf({ home, stateHome: path.join(home, "state"), installDir });
    const notes = (name: string): string => {
      const check = checkRoot(name, here, uid);
      return check.kind === "root" ? check.notes.join() : check.because;
    };
    assert.match(notes("~/open"), /every user of this computer.*chmod o-w/);
    assert.equal(notes("~/sticky"), "");
    assert.match(notes("~/.config"), /outside of the cage/);
  } finally {
    rmSync(folder, { recursive: true });
  }
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
      const check = checkRoot(name, here, uid);
      return check.kind === "refused" ? check.because : "";
    };
    assert.match(refused("~/innocent"), /policy and token/);
    assert.match(refused("~/file"), /is not a folder/);
    assert.match(refused("~/missing"), /does not exist: make it with {2}mkdir -p/);
    assert.match(refused("openclaw"), /is not an absolute path/);
    assert.match(refused("~"), /whole home/);
    assert.match(refused("/../../"), /whole computer/);
    assert.deepEqual(checkRoot("~/alias", here, uid), {
      kind: "root",
      notes: [],
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
      uid,
    );
    assert.ok(check.kind === "refused" && check.because.includes("sudo chown -R"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
