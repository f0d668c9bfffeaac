// A computer with secrets on it, and the real worker program with a policy that `policy init` wrote,
// beside a control plane that is not its friend.
//
//   await using den = await openDen();
//   await den.worksOn();
//
// Leaving the block stops the worker, and fails when it would not end, when a process outlives it, or
// when one of the computer's secrets was seen by the plane.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { auditEntrySchema, type AuditEntry, type PrivateKey } from "@openclaw-worker/protocol";
import type { KeyRole } from "@openclaw-worker/worker";
import { startProgram, type Program } from "../program.ts";
import { until } from "../scene.ts";
import { outlive } from "../survivors.ts";
import { enrollIn, proved } from "./people.ts";
import { openPlane, type StolenPlane, type Told } from "./plane.ts";

export interface DenWish {
  readonly slots?: number;
  /** The policy's text, made of the one that `policy init` wrote. */
  readonly policy?: (
    initial: string,
    den: { readonly root: string; readonly home: string },
  ) => string;
  readonly env?: Readonly<Record<string, string>>;
  /** What starts the worker, instead of Node itself. */
  readonly before?: readonly string[];
  /** Whose keys the worker knows from the start. */
  readonly people?: Readonly<Record<string, KeyRole>>;
  /** Who of them signs honest tasks: a policy that wants signatures takes no others. */
  readonly signer?: string;
  /** Do not wait until the worker is ready. */
  readonly launchOnly?: boolean;
}

type Snapshot = readonly (readonly [string, string])[];

export interface Den extends AsyncDisposable {
  readonly plane: StolenPlane;
  readonly folder: string;
  /** The user's home; the worker's state is in it. */
  readonly home: string;
  /** ~/openclaw: what tasks may use. */
  readonly root: string;
  /** A folder of the user that no task may see or write. */
  readonly outside: string;
  /** The text in the user's private key, in a file of `outside`, and in the worker's state folder. */
  readonly secret: string;
  readonly worker: Program;
  /** Somebody whose key the worker knows. */
  keyOf(name: string): PrivateKey;
  /** What the worker has written down, on its disk, oldest first. */
  audit(): readonly AuditEntry[];
  /** Resolves with an entry, the `from`th or a later one, that says what was turned down, and why. */
  refused(because: RegExp, from: number): Promise<AuditEntry>;
  /** The command line of the person whose computer this is: what it said. */
  cli(...args: readonly string[]): { readonly code: number | null; readonly said: string };
  /** Runs a command honestly. */
  run(command: string, timeoutMs?: number): Promise<Told>;
  /** The worker takes the next honest task and does it right; nothing leaked, nothing was planted. */
  worksOn(): Promise<void>;
  /** Every name in `outside` with its content. */
  snapshot(): Snapshot;
  /** Nothing in `outside` was made, changed or removed, and no secret was received. */
  untouched(): void;
  /** Resident memory of the worker process now, in MiB. */
  memory(): number;
  /** The most resident memory since the last call, in MiB. */
  peak(): number;
  /** Its processor time so far, in ms. */
  busyMs(): number;
  /** `aheadMs`: the worker's wall clock is then so far ahead of ours. */
  restart(aheadMs?: number): Promise<void>;
}

/** A policy of nothing but the root: what holds then is the cage's doing, not a rule's. */
export const rootsOnly: NonNullable<DenWish["policy"]> = (_initial, { root }) =>
  JSON.stringify({ roots: [root], default: "cage" });

const house = path.resolve(import.meta.dirname, "../..");
const command = path.join(house, "bin/openclaw-worker.cjs");
const stopMs = 15_000;
const survivalMs = 3_000;

export async function openDen(wish: DenWish = {}): Promise<Den> {
  const folder = realpathSync(mkdtempSync(path.join(os.tmpdir(), "openclaw-den-")));
  await using opening = new AsyncDisposableStack();
  opening.defer(() => rmSync(folder, { recursive: true, force: true }));
  const home = path.join(folder, "home");
  const [root, outside] = [path.join(home, "openclaw"), path.join(home, "outside")];
  const secret = `secret-${randomBytes(16).toString("hex")}`;
  furnish({ home, outside, secret });
  const plane = opening.use(await openPlane());
  plane.guard(secret);
  const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LANG: "C.UTF-8", HOME: home };
  initializePolicy(env);
  const policyFile = path.join(home, ".openclaw-worker/policy.json");
  if (wish.policy !== undefined) {
    const initial = readFileSync(policyFile, "utf8");
    writeFileSync(policyFile, wish.policy(initial, { root, home }));
  }
  const stateHome = path.join(home, ".openclaw-worker");
  const keys = new Map(
    Object.entries(wish.people ?? {}).map(([name, role]) => [
      name,
      enrollIn(stateHome, name, role),
    ]),
  );
  const launch = (aheadMs = 0): Program =>
    startProgram({
      argv: [
        ...(wish.before ?? []),
        process.execPath,
        ...(aheadMs === 0 ? [] : ["--import", clockAhead(aheadMs)]),
        path.join(house, "worker.js"),
      ],
      cwd: folder,
      env: {
        ...env,
        WORKER_ID: "den",
        WORKER_URL: plane.url,
        WORKER_TOKEN: plane.token,
        MAX_CONCURRENT: String(wish.slots ?? 3),
        ...wish.env,
      },
    });
  let worker = launch();
  opening.defer(() => endWorker(worker, folder));
  if (wish.launchOnly !== true) await worker.said(/^Ready\b/);
  const furnished = snapshot(outside);
  const untouched = (): void => {
    assert.deepEqual(snapshot(outside), furnished, "something outside of the roots changed");
    assert.deepEqual(plane.leaks, []);
  };
  const owned = opening.move();
  const keyOf = (name: string): PrivateKey => keys.get(name) ?? assert.fail(`nobody is ${name}`);
  const run: Den["run"] = async (command, timeoutMs = 30_000) => {
    const spec = { kind: "command", command } as const;
    if (wish.signer === undefined) return await plane.run(spec, { timeoutMs });
    const task = proved(spec, keyOf(wish.signer), { timeoutMs });
    plane.hand(task);
    return await plane.report(task.id);
  };
  const audit = (): readonly AuditEntry[] => {
    const lines = readFileSync(path.join(stateHome, "worker/audit.jsonl"), "utf8").split("\n");
    return lines.slice(0, -1).map((line) => auditEntrySchema.parse(JSON.parse(line)));
  };
  return {
    plane,
    folder,
    home,
    root,
    outside,
    secret,
    run,
    keyOf,
    audit,
    refused: (because, from) =>
      until(() =>
        audit()
          .slice(from)
          .find(({ type, data }) => type === "refused" && because.test(String(data["because"]))),
      ),
    cli(...args) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args], {
        env: { ...env, WORKER_URL: plane.url, WORKER_TOKEN: plane.token },
      });
      return { code: status, said: String(stdout) + String(stderr) };
    },
    untouched,
    snapshot: () => snapshot(outside),
    get worker() {
      return worker;
    },
    async worksOn() {
      const word = randomBytes(4).toString("hex");
      const told = await Promise.race([
        run(`echo ${word}`),
        worker.ended.then(() => assert.fail(`the worker died:\n${worker.lines.join("\n")}`)),
      ]);
      assert.deepEqual(
        [told["outcome"], told["stdout"]],
        ["done", `${word}\n`],
        String(told["error"]),
      );
      untouched();
    },
    memory: () => memoryOf(worker.pid, "VmRSS"),
    peak() {
      const peak = memoryOf(worker.pid, "VmHWM");
      // 5 sets the peak back to what is resident now (proc(5), clear_refs).
      writeFileSync(`/proc/${worker.pid}/clear_refs`, "5");
      return peak;
    },
    busyMs: () => busyMsOf(worker.pid),
    async restart(aheadMs) {
      await worker.stop();
      worker = launch(aheadMs);
      await worker.said(/^Ready\b/);
    },
    async [Symbol.asyncDispose]() {
      await owned.disposeAsync();
      assert.deepEqual(plane.leaks, []);
    },
  };
}

function furnish(place: {
  readonly home: string;
  readonly outside: string;
  readonly secret: string;
}) {
  const { home, outside, secret } = place;
  for (const name of [".ssh", ".openclaw-worker/worker"])
    mkdirSync(path.join(home, name), { recursive: true, mode: 0o700 });
  mkdirSync(outside);
  const files = [".ssh/id_ed25519", ".openclaw-worker/worker/notes", ".netrc", "outside/secret"];
  for (const name of files) writeFileSync(path.join(home, name), `${secret}\n`, { mode: 0o600 });
  writeFileSync(path.join(outside, "target"), "as it was\n");
}

/** A module that sets a process's wall clock ahead before anything else runs in it. */
function clockAhead(aheadMs: number): string {
  const code = `const now = Date.now; Date.now = () => now() + ${aheadMs};`;
  return `data:text/javascript,${encodeURIComponent(code)}`;
}

function initializePolicy(env: Readonly<Record<string, string>>): void {
  const { status, stderr } = spawnSync(process.execPath, [command, "policy", "init"], { env });
  assert.equal(status, 0, String(stderr));
}

async function endWorker(worker: Program, folder: string): Promise<void> {
  if (!worker.isOver) {
    const hung = setTimeout(() => worker.signal("SIGKILL"), stopMs);
    const { code, signal } = await worker.stop();
    clearTimeout(hung);
    assert.equal(code, 0, `the worker ended with ${code ?? signal}:\n${worker.lines.join("\n")}`);
  }
  const left = await outlive(folder, survivalMs);
  for (const { pid } of left) process.kill(pid, "SIGKILL");
  assert.deepEqual(left, [], "processes outlived the worker");
}

/** Every name below a folder with its content. */
function snapshot(folder: string): Snapshot {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
    .map((name) => [name, contentOf(name)] as const);
}

function contentOf(name: string): string {
  try {
    return readFileSync(name, "utf8");
  } catch {
    return "(no file)";
  }
}

function memoryOf(pid: number, name: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / 1024;
}

/** Fields 14 and 15 of /proc/<pid>/stat (proc(5)), in clock ticks of 10 ms. */
function busyMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
