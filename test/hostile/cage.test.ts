// Hostile programs in the cage, sent by an honest plane: they look for the worker, its secrets and
// other tasks by every road that Linux has, and find none.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { openDen, rootsOnly, type Den } from "./den.ts";

const keySecret = `key-${randomBytes(12).toString("hex")}`;
/** System calls by machine, in perl: x86-64 and arm64. */
const calls = String.raw`
use strict; use Errno;
my $arm = (split " ", qx(/usr/bin/uname -m))[0] eq "aarch64";
my %call = $arm ? (add_key => 217, keyctl => 219, ptrace => 117, bpf => 280, unshare => 97, mount => 40, open_tree => 428, pidfd_open => 434, userfaultfd => 282, perf => 241)
  : (add_key => 248, keyctl => 250, ptrace => 101, bpf => 321, unshare => 272, mount => 165, open_tree => 428, pidfd_open => 434, userfaultfd => 323, perf => 298);
$call{io_uring_setup} = 425;
`;
const keyholder = `${calls}
my ($type, $name, $secret, $join) = ("user", "openclaw-test", "${keySecret}", 1);
syscall($call{keyctl}, $join, 0) >= 0 or die "no keyring: $!";
syscall($call{add_key}, $type, $name, $secret, length $secret, -3) >= 0 or die "no key: $!";
exec @ARGV or die;`;

let den: Den;
before(async () => {
  den = await openDen({ policy: rootsOnly });
});
after(() => den[Symbol.asyncDispose]());

/** Runs perl in the cage, through stdin. */
async function perl(script: string, where: Den = den): Promise<string> {
  const told = await where.plane.run({
    kind: "exec",
    argv: ["perl"],
    stdin: `${calls}\n${script}`,
  });
  assert.equal(told["outcome"], "done", String(told["error"]));
  return `${String(told["stdout"])}${String(told["stderr"])}`;
}

test("no road leads to the user's files, the worker's state, its token, its policy or its memory", async () => {
  const { pid } = den.worker;
  const names = [
    "~/.ssh/id_ed25519",
    "~/.netrc",
    "~/outside/secret",
    "~/.openclaw-worker/policy.json",
    "~/.openclaw-worker/worker/*",
    "/root/.ssh/*",
    "/etc/shadow",
    ...[
      "environ",
      "cmdline",
      "maps",
      "mem",
      "stat",
      "fd/*",
      "root/etc/passwd",
      "cwd/*",
      "task/*/environ",
    ].map((name) => `/proc/${pid}/${name}`),
    "/proc/1/root/../home/*/.ssh/*",
    "/proc/self/root/root/*",
    "/proc/kcore",
    "/proc/sysrq-trigger",
    "/dev/mem",
    "/dev/kmsg",
    "/dev/sd*",
    "/dev/vd*",
    "/run/user/*/*",
    "/var/run/docker.sock",
    "/var/lib/*/.ssh/*",
    "/var/log/*",
    "/tmp/openclaw*/home/outside/secret",
  ];
  const told = await den.run(
    `for name in ${names.join(" ")}; do cat "$name" 2>/dev/null | head -c 10000; done`,
  );
  assert.deepEqual([told["outcome"], told["stdout"]], ["done", ""]);
  const found = await den.run(
    [
      `grep -rIlsF "${den.secret.slice(0, 12)}" /etc /home /tmp /var /run /opt /srv /mnt /dev/shm`,
      "find / -xdev -path '*openclaw-worker/*' -o -name id_ed25519 2>/dev/null",
    ].join("\n"),
  );
  assert.deepEqual([found["outcome"], found["stdout"]], ["done", ""]);
  await den.worksOn();
});

test("every environment in the cage is the task's own: no token, no setting of the worker", async () => {
  const told = await den.run(
    "cat /proc/*/environ | tr '\\0' '\\n'; env; cat /proc/*/cmdline | tr '\\0' ' '",
  );
  assert.doesNotMatch(String(told["stdout"]), /WORKER_|worker\.js|MAX_CONCURRENT/);
  await den.worksOn();
});

test("two tasks at once see nothing of each other but the root", async () => {
  const word = `other-${randomBytes(8).toString("hex")}`;
  const places = '"$HOME/x" /tmp/x /dev/shm/x /var/tmp/x /run/x';
  const first = den.run(
    `touch began; for f in ${places}; do echo ${word} >"$f"; done 2>/dev/null; exec -a ${word} sleep 2`,
  );
  await den.run("until [ -e began ]; do sleep 0.02; done");
  const second = await den.run(
    `cat ${places} /proc/*/cmdline /proc/*/environ /proc/net/unix 2>/dev/null; ls -A "$HOME" /tmp /dev/shm; ls /proc | grep -c '^[0-9]'; for p in $(seq 1 400); do kill -9 $p 2>/dev/null; done; true`,
  );
  assert.doesNotMatch(JSON.stringify(second), new RegExp(word));
  assert.equal((await first)["outcome"], "done");
  const third = await den.run(
    `cat ${places}; find / -newer began -name x 2>/dev/null | grep -v ^/proc; ls -A /dev/shm /tmp`,
  );
  assert.doesNotMatch(String(third["stdout"]), new RegExp(word));
  await den.worksOn();
});

test("local sockets, named and abstract, are out of reach", async () => {
  const name = `openclaw-${randomBytes(8).toString("hex")}`;
  let visits = 0;
  await using stack = new AsyncDisposableStack();
  const addresses = [`\0${name}`, `${den.root}/socket`, `${den.outside}/socket`];
  for (const address of addresses) {
    const server = createServer((socket) => {
      visits += 1;
      socket.end(den.secret);
    }).listen(address);
    stack.defer(() => new Promise<void>((resolve) => void server.close(() => resolve())));
    await once(server, "listening");
  }
  const said = await perl(`
    use Socket;
    my ($s, $left, $right, $got);
    print "socket\n" if socket($s, AF_UNIX, SOCK_STREAM, 0);
    for my $address (pack("S a*", 1, "\0${name}"), pack_sockaddr_un("${den.root}/socket"), pack_sockaddr_un("${den.outside}/socket")) {
      for my $type (SOCK_STREAM, SOCK_DGRAM, 5) {
        socket($s, AF_UNIX, $type, 0) or next;
        print "connected\n" if connect($s, $address);
        print $got if sysread($s, $got, 100);
      }
    }
  `);
  assert.equal(said, "");
  assert.equal(visits, 0);
  await stack.disposeAsync();
  await den.worksOn();
});

test("the network in the cage holds nothing but its own loopback, also over netlink, raw and other families", async () => {
  const { port } = new URL(den.plane.url);
  const said = await perl(`
    use Socket;
    my $s;
    print "tcp\n" if socket($s, AF_INET, SOCK_STREAM, 0) && connect($s, sockaddr_in(${port}, inet_aton("127.0.0.1")));
    print "udp\n" if socket($s, AF_INET, SOCK_DGRAM, 0) && connect($s, sockaddr_in(53, inet_aton("9.9.9.9")));
    print "raw\n" if socket($s, AF_INET, SOCK_RAW, 1);
    print "packet\n" if socket($s, 17, SOCK_RAW, 768);
    print "vsock\n" if socket($s, 40, SOCK_STREAM, 0) && connect($s, pack("S S L L a4", 40, 0, 22, 2, ""));
    open my $links, "<", "/proc/net/dev"; print grep { !/\\|/ && !/^ *lo:/ } <$links>;
  `);
  assert.equal(said, "");
  await den.worksOn();
});

test("no key of the worker's session can be found or read", async () => {
  // The worker is started as a login starts it: with a secret in its session's keyring.
  await using login = await openDen({
    policy: rootsOnly,
    before: ["/usr/bin/perl", "-e", keyholder, "--"],
  });
  const look = `
    my ($type, $name, $none, $read) = ("user", "openclaw-test", 0, 11);
    for my $ring (-1, -2, -3, -4, -5) {
      my $key = syscall($call{keyctl}, 10, $ring, $type, $name, 0);
      my $buffer = "\\0" x 4096;
      for my $id ($key, $ring) {
        next if $id == -1;
        my $length = syscall($call{keyctl}, $read, $id, $buffer, 4096);
        print "read $length: ", substr($buffer, 0, $length), "\\n" if $length > 0 && $buffer =~ /key-/;
      }
    }
  `;
  assert.equal(await perl(look, login), "");
  // The kernel shows names and sizes of a user's keys to every process of the user. The library's
  // helper mounts its /proc last, so nothing can be put over that file: SECURITY.md says so.
  const list = 'open my $keys, "<", "/proc/keys"; print <$keys>;';
  assert.doesNotMatch(await perl(list, login), new RegExp(keySecret));
  await login.worksOn();
});

test("system calls that widen a cage are refused", async () => {
  const said = await perl(`
    # The words of a system call must be variables of their own.
    my $space = "\\0" x 256;
    my ($none, $place, $kind, $options) = ("none", "/tmp", "tmpfs", "");
    print "io_uring\\n" if syscall($call{io_uring_setup}, 8, $space) >= 0;
    print "bpf\\n" if syscall($call{bpf}, 0, $space, 128) >= 0;
    print "perf of all\\n" if syscall($call{perf}, $space, -1, 0, -1, 0) >= 0;
    print "mount\\n" if syscall($call{mount}, $none, $place, $kind, 0, $options) >= 0;
    print "ptrace\\n" if syscall($call{ptrace}, 16, ${den.worker.pid}, 0, 0) >= 0;
    print "pidfd\\n" if syscall($call{pidfd_open}, ${den.worker.pid}, 0) >= 0;
    print "chroot\\n" if chroot "/";
    print "mknod\\n" if system("mknod ${den.root}/zero c 1 5 2>/dev/null") == 0;
    print "tiocsti\\n" if ioctl(STDIN, 0x5412, my $in = "x") || ioctl(STDOUT, 0x5412, my $out = "x");
    print "tty\\n" if open my $tty, "+<", "/dev/tty";
  `);
  assert.equal(said, "");
  await den.worksOn();
});

test("a user namespace in the cage's own gives no power over what is mounted", async () => {
  const told = await den.run(
    [
      "unshare -Ur --mount sh -c 'umount -l ~; umount -a; mount -t tmpfs x /usr; mount --bind / /mnt; cat ~/.ssh/id_ed25519; cat /mnt/etc/shadow; echo x >/etc/planted' 2>/dev/null",
      "unshare -Urn --mount sh -c 'mount -o remount,rw /; mount -o remount,rw,bind /usr && touch /usr/planted' 2>/dev/null",
      "ls /usr/planted /etc/planted 2>/dev/null; true",
    ].join("\n"),
  );
  assert.deepEqual([told["outcome"], told["stdout"]], ["done", ""]);
  await den.worksOn();
});

test("the root itself cannot be moved away, nor anything put into its place", async () => {
  await den.run(
    `cd /; mv ${den.root} ${den.root}.old; rmdir ${den.root}; ln -sfn ${den.outside} ${den.root}; mkdir -p ${den.outside}; echo x >${den.outside}/planted; echo x >${den.home}/planted`,
  );
  const listed = await den.plane.run({ kind: "file-list", path: "." });
  assert.equal(listed["outcome"], "done");
  await den.worksOn();
});
