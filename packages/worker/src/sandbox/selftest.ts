// Proves that the cage is in force, from inside, before the first task: a library that says it
// succeeded is no proof. Each claim is tried by a small script in a real cage; what it could do is
// compared with what it must and must not be able to do.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { arch } from "node:os";
import { dirname, join } from "node:path";
import type { Clock } from "@openclaw-worker/base";
import type { Cage } from "../job.ts";
import type { LiveCage } from "./cage.ts";
import { keyctlNumber } from "./filter.ts";
import { nameExists, plantSecret, removeFile } from "./folders.ts";
import { buildMs } from "./launcher.ts";
import { isWithin } from "./path.ts";
import type { Seen } from "./places.ts";
import { quote, secondStage } from "./script.ts";
import { effectiveUserId } from "./spawn.ts";
import { CageUnavailable, remedyFor } from "./unavailable.ts";

export interface SelfTestOptions {
  readonly clock: Clock;
  readonly cage: Cage;
  /** What that cage shows and closes. */
  readonly seen: Seen;
  readonly home: string;
  readonly stateDir: string;
  /** A folder below stateDir in which a secret may lie for a moment. */
  readonly secretFolder: string;
  readonly take: (cage: Cage, signal: AbortSignal) => Promise<LiveCage>;
}

/** Throws CageUnavailable with the first claim that does not hold. Leaves nothing behind. */
export async function selfTest(options: SelfTestOptions): Promise<void> {
  const name = `.openclaw-worker-probe-${randomBytes(8).toString("hex")}`;
  const secret = randomBytes(16).toString("hex");
  using planted = plantSecret(options.secretFolder, secret);
  await using listener = await listen();
  const { home, seen, stateDir } = options;
  const { writable, readable } = seen.shown;
  const around = [...writable, ...readable].map((path) => dirname(path));
  const outside = [...new Set(["/usr", "/etc", "/tmp", home, stateDir, ...around, ...readable])]
    .map((folder) => join(folder, name))
    .filter((path) => !writable.some((root) => isWithin(path, root)));
  const script = probe({ name, outside, secretPath: planted.path, port: listener.port, options });
  const printed = await runProbe(options, script);
  const reached = outside.filter(nameExists);
  const inside = writable.map((root) => join(root, name));
  for (const path of [...reached, ...inside]) removeFile(path);
  const said = new Set(printed.split("\n"));
  if (reached.length > 0) throw broken(`A caged program could write ${reached.join(", ")}`);
  if (printed.includes(secret))
    throw broken("A caged program could read the worker's state folder");
  if (listener.connections() > 0)
    throw broken("A caged program could reach a port of this computer");
  for (const [line, sentence] of claims(effectiveUserId())) {
    if (!said.has(line)) throw broken(`${sentence} (the self-test printed: ${printed.trim()})`);
  }
  const open = [...said].find((line) => line.startsWith("open="));
  if (open !== undefined) throw broken(`A caged program could reach ${open.slice("open=".length)}`);
  for (const root of writable) {
    if (!said.has(`root=writable ${root}`)) {
      throw new CageUnavailable(
        `A caged program cannot write the root ${root}`,
        `Give it to the worker's user: sudo chown -R "$(id -un)" ${quote(root)}`,
      );
    }
  }
}

/** What a cage that is in force prints, and what it means when a line is missing. */
function claims(userId: number): readonly (readonly [string, string])[] {
  return [
    ["echo=works", "A caged program does not run"],
    ["fork=works", "A caged program cannot start another"],
    ["home=private", "The home in the cage is not private and writable"],
    ["secret=closed", "A caged program could read the worker's state folder"],
    ["tcp=closed", "A caged program could reach a port of this computer"],
    ["unix=closed", "A caged program could open a local socket"],
    ["calls=filtered", "A caged program could use system calls that the cage does without"],
    ["Seccomp:=2", "The cage's system call filter is not in force"],
    ["CapEff:=0000000000000000", "A caged program holds capabilities"],
    ["NoNewPrivs:=1", "A caged program could gain privileges"],
    [`Uid:=${userId}`, "A caged program runs as another user"],
  ];
}

interface Probe {
  readonly name: string;
  readonly outside: readonly string[];
  readonly secretPath: string;
  readonly port: number;
  readonly options: SelfTestOptions;
}

/** Each kind of closed place is built in one way: some of them stand for all. */
const closedMax = 16;

function probe({ name, outside, secretPath, port, options }: Probe): string {
  const secret = quote(secretPath);
  const { seen } = options;
  return [
    'say() { printf \'%s=%s\\n\' "$1" "$2"; }',
    "say echo works",
    'say fork "$(/bin/sh -c "echo works")"',
    ...outside.map((path) => `{ : > ${quote(path)}; } 2>/dev/null`),
    ...seen.shown.writable.map((root) => {
      const path = quote(join(root, name));
      // A single file can be a place of its own; nothing is made in it.
      return `{ [ -f ${quote(root)} ] || { : > ${path}; } 2>/dev/null && /usr/bin/rm -- ${path}; } && say root ${quote(`writable ${root}`)}`;
    }),
    ...seen.unreadable.slice(0, closedMax).map((path) => {
      const [place, said] = [quote(path), quote(path)];
      return `if [ -d ${place} ]; then [ -n "$(ls -A -- ${place} 2>/dev/null)" ] && say open ${said}; else { : < ${place}; } 2>/dev/null && say open ${said}; fi`;
    }),
    ...seen.readOnly
      .slice(0, closedMax)
      .map((path) => `[ -w ${quote(path)} ] && say open ${quote(`${path} for writing`)}`),
    `[ -e ${quote(join(options.home, name))} ] && say home private`,
    `cat ${secret} 2>/dev/null || say secret closed`,
    `{ exec 9<>/dev/tcp/127.0.0.1/${port}; } 2>/dev/null || say tcp closed`,
    // The filter refuses the socket itself; without it, the name would merely not be there.
    "case $(socat -u OPEN:/dev/null UNIX-CONNECT:/tmp/none 2>&1) in",
    '*"Operation not permitted"*) say unix closed ;; esac',
    // Without the filter the kernel knows the call: it prints its log, or does not permit it.
    "case $(LC_ALL=C dmesg -S 2>&1) in",
    '*"not implemented"*) say calls filtered ;; esac',
    ...keyProbe(),
    "while read -r key value rest; do",
    'case $key in Uid:|CapEff:|Seccomp:|NoNewPrivs:) say "$key" "$value" ;; esac',
    "done </proc/self/status",
  ].join("\n");
}

/** Asks for the number of the session's keyring, where there is a perl to ask by system call. */
function keyProbe(): readonly string[] {
  const keyctl = keyctlNumber(arch());
  if (keyctl === null) return [];
  const script = `exit(syscall(${keyctl}, 0, -3, 0) == -1 && $! + 0 == 38 ? 0 : 1)`;
  return [
    "if command -v perl >/dev/null; then",
    `perl -e ${quote(script)} || say open "the keys of the worker's session"; fi`,
  ];
}

async function runProbe(options: SelfTestOptions, command: string): Promise<string> {
  using limit = deadline(options.clock);
  const cage = await options.take(options.cage, limit.signal);
  limit.signal.addEventListener("abort", cage.kill, { once: true });
  const stage = secondStage({ kind: "command", command }, "/");
  if ("impossible" in stage) throw broken(stage.impossible);
  const errors: string[] = [];
  let printed = "";
  cage.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString("utf8")));
  cage.stderr.on("data", (chunk: Buffer) => errors.push(chunk.toString("utf8")));
  const closed = once(cage.stdout, "close");
  const word = await cage.handOver(stage.script, undefined);
  await cage.exited;
  await Promise.race([closed, options.clock.sleep(1_000)]);
  cage.stdout.destroy();
  cage.stderr.destroy();
  if (word !== "started") {
    const reason = errors.join("").trim();
    throw new CageUnavailable(`The cage ended in its self-test: ${reason}`, remedyFor(reason));
  }
  return printed;
}

function deadline(clock: Clock): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const timer = clock.after(2 * buildMs, () => controller.abort(broken("The self-test hangs")));
  return { signal: controller.signal, [Symbol.dispose]: () => timer.cancel() };
}

/** A real port of this computer, to be tried from inside. */
async function listen(): Promise<
  AsyncDisposable & { readonly port: number; connections(): number }
> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    port,
    connections: () => connections,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function broken(message: string): CageUnavailable {
  return new CageUnavailable(message, "Take no tasks. Run: openclaw-worker doctor");
}
